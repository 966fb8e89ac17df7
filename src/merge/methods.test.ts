/**
 * Every method on the CPU, from its declaration alone: the whole path from checkpoints through passes, coefficients
 * and the compiled kernel, held against the method's float64 reference; over dtypes, ragged shapes and chunk sizes.
 * The same on a GPU is `kernels.gpu.test.ts`.
 */

import { describe, expect, it } from 'vitest';
import { decode } from '../formats/codec.ts';
import { BLENDED_DTYPES, TORCH_NAMES, type BlendedDtype } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import type { Lineup } from './lineup.ts';
import { casesOf, finderOf, gridFamily, recipeOf, referenceOf, scaleOf } from './test/method-cases.ts';

const BUDGET = 2 ** 28;

function lineUp(text: string, checkpoints: ReturnType<typeof gridFamily>): Lineup {
  const { lineup, findings } = check(parseRecipe(text), finderOf(checkpoints));
  if (!lineup) throw new Error(findings.map((found) => found.message).join('; '));
  return lineup;
}

/** The result by tensor; buffers compare by their bytes at once. */
async function merged(lineup: Lineup, batchBytes?: number): Promise<Map<string, Buffer<ArrayBuffer>>> {
  const blend = new Blend(new CpuArithmetic([], batchBytes), { budgetBytes: BUDGET, keepsSources: false });
  const parts = new Map<string, Uint8Array[]>();
  for await (const { tensor, bytes } of blend.pieces(lineup, false)) {
    parts.set(tensor, [...(parts.get(tensor) ?? []), bytes]);
  }
  await blend.dispose();
  return new Map([...parts].map(([name, pieces]) => [name, Buffer.concat(pieces)]));
}

/** Expects the same bits in every tensor. Not by `toEqual`, which looks at each byte by itself. */
function expectSame(got: ReadonlyMap<string, Buffer>, wanted: ReadonlyMap<string, Buffer>): void {
  expect([...got.keys()]).toEqual([...wanted.keys()]);
  for (const [name, bytes] of got) expect(wanted.get(name)?.equals(bytes), name).toBe(true);
}

/** One rounding of the output dtype beside the arithmetic's own 4e-6 of the tensor's scale. */
function tolerance(out: BlendedDtype, value: number, scale: number): number {
  const step = { F32: 0, F16: Math.max(Math.abs(value) * 2 ** -10, 2 ** -24), BF16: Math.abs(value) * 2 ** -7 }[out];
  return 4e-6 * scale + step + 2 ** -126;
}

async function agrees(method: Method, text: string, checkpoints: ReturnType<typeof gridFamily>): Promise<void> {
  const lineup = lineUp(text, checkpoints);
  const got = await merged(lineup);
  const want = await referenceOf(lineup);
  expect([...got.keys()].sort()).toEqual(
    lineup.tensors
      .filter((t) => t.elements > 0)
      .map((t) => t.name)
      .sort(),
  );
  for (const tensor of lineup.tensors) {
    const ours = decode(got.get(tensor.name) ?? new Uint8Array(), tensor.out);
    const reference = want.get(tensor.name) ?? new Float64Array();
    const scale = await scaleOf(tensor);
    expect(ours.length, tensor.name).toBe(tensor.elements);
    expect(reference.length, tensor.name).toBe(tensor.elements);
    for (let i = 0; i < ours.length; i++) {
      const w = reference[i] ?? 0;
      const g = ours[i] ?? 0;
      if (!(Math.abs(g - w) <= tolerance(tensor.out, w, scale))) {
        expect.fail(`${method.name}, ${tensor.name} [${tensor.shape.join()}], element ${i}: ${g} instead of ${w}`);
      }
    }
  }
}

function modelsOf({ models }: Method): number {
  return Math.min(models.max, Math.max(models.min, 2));
}

describe.each([...METHODS.values()])('$name', (method) => {
  it.each(casesOf(method))('agrees with its reference: $name', async (one) => {
    const checkpoints = gridFamily(modelsOf(method), 'F32');
    await agrees(method, recipeOf(method, one, modelsOf(method), 'float32'), checkpoints);
  });

  it.each(BLENDED_DTYPES)('agrees with its reference in %s', async (dtype) => {
    const [, middle] = casesOf(method);
    if (!middle) throw new Error('no case');
    const checkpoints = gridFamily(modelsOf(method), dtype, 11);
    await agrees(method, recipeOf(method, middle, modelsOf(method), TORCH_NAMES[dtype]), checkpoints);
  });

  it('takes as many models as it says', async () => {
    const [, middle] = casesOf(method);
    const models = Math.min(method.models.max, 5);
    if (!middle) throw new Error('no case');
    const text = recipeOf(method, middle, models, 'float32');
    const bits = await merged(lineUp(text, gridFamily(models, 'BF16', 3)));
    for (const [name, bytes] of bits) expect(decode(bytes, 'F32').every(Number.isFinite), name).toBe(true);
  });

  it('gives the same bits whatever the chunk size, and again', async () => {
    const [, middle] = casesOf(method);
    if (!middle) throw new Error('no case');
    const checkpoints = gridFamily(modelsOf(method), 'F16', 5);
    const lineup = lineUp(recipeOf(method, middle, modelsOf(method), 'bfloat16'), checkpoints);
    const whole = await merged(lineup);
    expectSame(await merged(lineup), whole);
    for (const batchBytes of [1, 40_000]) expectSame(await merged(lineup, batchBytes), whole);
  });
});
