/** KernelBench: declarations, pieces and numbers for tests of kernels, and kernels from a text that stands in a test. */

import fc from 'fast-check';
import { decodeFloat32, encode } from '../../formats/codec.ts';
import type { BlendedDtype } from '../../formats/dtype.ts';
import type { KernelNumbers, Lines, LoadedPiece } from '../../methods/kernel.ts';
import { choice, number, type Axis, type Method, type Pass } from '../../methods/method.ts';
import { CpuKernels } from '../kernels.ts';

/** A declaration with a parameter `p`, a per-model number `weight` and a choice `mode` of `one` and `two`. */
export function methodFor(options: Partial<Method> & { passes?: readonly Pass[] } = {}): Method {
  return {
    name: 'tested',
    title: '',
    family: 'Evidence',
    summary: '',
    paper: null,
    inMergekit: false,
    base: 'optional',
    models: { min: 1, max: 16 },
    params: {
      p: number({ min: 0, max: 1, default: 1, help: '' }),
      mode: choice({ options: { one: '', two: '' }, default: 'one', help: '' }),
    },
    perModel: { weight: number({ min: 0, max: 1, default: 1, help: '' }) },
    handle: null,
    statistics: () => null,
    coefficients: () => new Float64Array(0),
    reference: () => new Float64Array(0),
    ...options,
  };
}

/** Kernels whose method file is `text`. */
export function kernelsOf(text: string): CpuKernels {
  return new CpuKernels(() => text);
}

/** What a piece of a test may differ in; by default it is a whole tensor of one row, in F32, without a base. */
export interface PieceOptions {
  readonly hasBase?: boolean;
  readonly start?: number;
  readonly tensorElements?: number;
  readonly rowElements?: number;
  readonly dtypes?: readonly BlendedDtype[];
}

/** A piece of these sources, the base first where there is one. */
export function pieceOf(sources: readonly Float32Array[], options: PieceOptions = {}): LoadedPiece {
  const elements = sources[0]?.length ?? 0;
  const start = options.start ?? 0;
  const tensorElements = options.tensorElements ?? start + elements;
  const dtypes = options.dtypes ?? sources.map((): BlendedDtype => 'F32');
  return {
    tensor: 't',
    start,
    elements,
    tensorElements,
    rowElements: options.rowElements ?? tensorElements,
    hasBase: options.hasBase ?? false,
    dtypes,
    bytes: sources.map((values, s) => encode(values, dtypes[s] ?? 'F32')),
  };
}

/** The sources of a piece as kernels see them. */
export function decodedOf(piece: LoadedPiece): Float32Array[] {
  return piece.bytes.map((bytes, s) => decodeFloat32(bytes, piece.dtypes[s] ?? 'F32'));
}

/** Numbers along an axis. */
export function linesFor(over: Axis, width: number, lines: number, value: (n: number, line: number) => number): Lines {
  const values = new Float64Array(width * lines);
  for (let n = 0; n < width; n++) for (let line = 0; line < lines; line++) values[n * lines + line] = value(n, line);
  return { over, width, lines, values };
}

/** Numbers of nothing in particular. */
export function numbersFor(models: number, options: Partial<KernelNumbers> = {}): KernelNumbers {
  return {
    params: { p: 1, mode: 0 },
    perModel: Array.from({ length: models }, (_, k) => ({ weight: k + 1 })),
    coefficients: linesFor('tensor', models, 1, (n) => n + 0.5),
    found: new Map(),
    slots: new Map(),
    streams: Array.from({ length: models }, (_, k) => [k * 77 + 5, 0xdeadbeef - k] as const),
    ...options,
  };
}

/** Fails where two arrays differ in a bit. `expect` compares long arrays too slowly. */
export function sameBits(got: Uint8Array | Float32Array, want: Uint8Array | Float32Array): void {
  const [a, b] = [got, want].map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  if (a?.length !== b?.length) throw new Error(`${a?.length} bytes instead of ${b?.length}`);
  const size = got instanceof Float32Array ? 4 : 1;
  const at = a?.findIndex((byte, n) => byte !== b?.[n]) ?? -1;
  if (at >= 0)
    throw new Error(
      `item ${Math.floor(at / size)}: ${got[Math.floor(at / size)]} instead of ${want[Math.floor(at / size)]}`,
    );
}

/** What `merge` makes of a text, in float32. */
export function mergedBy(text: string, piece: LoadedPiece, numbers: KernelNumbers, method = methodFor()): Float32Array {
  return kernelsOf(text).merge(piece, method, numbers, 'F32', 'float32', { isAudited: false, ranks: null }).values;
}

/** Smooth numbers with nothing special among them. */
export function wave(elements: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: elements },
    (_, n) => Math.sin(n * 0.37 + seed) * 0.5 + Math.sin(n * 0.011 * seed),
  );
}

/** Waves of different seeds. */
export function waves(count: number, elements: number): Float32Array<ArrayBuffer>[] {
  return Array.from({ length: count }, (_, s) => wave(elements, s + 1));
}

/** A cut of a tensor of several rows: any start, any length. */
export const pieces = fc
  .tuple(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 700 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  .map(([rows, rowElements, from, part]) => {
    const tensorElements = rows * rowElements;
    const start = Math.min(tensorElements - 1, Math.floor(from * tensorElements));
    const elements = Math.max(1, Math.floor(part * (tensorElements - start)));
    return { rows, rowElements, tensorElements, start, elements };
  });

/** Any axis. */
export const axes = fc.constantFrom<Axis>('tensor', 'row', 'column');

/** How many lines a tensor has along an axis. */
export function linesAlong(axis: Axis, rows: number, columns: number): number {
  return { tensor: 1, row: rows, column: columns }[axis];
}
