/**
 * Saved model: a download of the page, unpacked into a folder, and the safetensors in it as an independent reader sees
 * them. Not the product's own readers.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Download, expect } from '@playwright/test';
import { unzip } from '../src/bytes/zip-reader-double.ts';
import { type OracleModel, type OracleTensor, readModel } from '../src/cli/test/oracle.ts';

/** What a save left. */
export interface SavedModel {
  /** Names without the one folder that the zip holds. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly tensors: OracleModel;
}

/** Unpacks a downloaded zip under `folder`. */
export async function unpack(download: Download, folder: string): Promise<SavedModel> {
  const path = await download.path();
  const root = download.suggestedFilename().replace(/\.zip$/, '');
  const entries = unzip(new Uint8Array(await readFile(path)));
  const files = new Map<string, Uint8Array>();
  for (const [name, bytes] of entries) {
    expect(name.startsWith(`${root}/`), `${name} lies in the folder ${root}`).toBe(true);
    files.set(name.slice(root.length + 1), bytes);
    const target = join(folder, name);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  }
  return { files, tensors: readModel(join(folder, root)) };
}

/** Text of one of the files. */
export function textOf(saved: SavedModel, name: string): string {
  const bytes = saved.files.get(name);
  if (!bytes) throw new Error(`no ${name} among ${[...saved.files.keys()].join(', ')}`);
  return new TextDecoder().decode(bytes);
}

/** What float32 arithmetic may be off, in root mean squares of the tensor. */
const ARITHMETIC = 4e-6;

/** Half the distance between neighbouring numbers of a 16-bit dtype around `value`: what one rounding may be off. */
function rounding(value: number, dtype: string): number {
  if (dtype === 'F32') return 0;
  const [fractionBits, smallest] = dtype === 'BF16' ? [7, -126] : [10, -14];
  const exponent = value === 0 ? smallest : Math.max(smallest, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - fractionBits - 1);
}

/** The largest deviation of a tensor, in units of what is allowed: float32 arithmetic and one rounding. */
function deviation(got: OracleTensor, expected: Float64Array): number {
  if (got.values.length !== expected.length) return Number.POSITIVE_INFINITY;
  const allowed = ARITHMETIC * Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
  let worst = 0;
  expected.forEach((want, i) => {
    const off = Math.abs((got.values[i] ?? Number.NaN) - want) / (allowed + rounding(want, got.dtype));
    worst = Number.isNaN(off) ? Number.POSITIVE_INFINITY : Math.max(worst, off);
  });
  return worst;
}

/** Expects every tensor, and no other, near a float64 oracle: within 4e-6 of its scale, and one rounding where 16 bits are written. */
export function expectNear(saved: SavedModel, expected: ReadonlyMap<string, Float64Array>): void {
  expect([...saved.tensors.keys()].sort()).toEqual([...expected.keys()].sort());
  const off: string[] = [];
  for (const [name, tensor] of saved.tensors) {
    const worst = deviation(tensor, expected.get(name) ?? new Float64Array());
    if (!(worst <= 1)) off.push(`${name}: ${worst.toPrecision(3)} times what is allowed`);
  }
  expect(off).toEqual([]);
}
