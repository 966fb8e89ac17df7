/** ChangeCases: pieces with every kind of change, and what a survey counts of them in plain float64 loops. Not shipped. */

import { decodeFloat32, encode } from '../../formats/codec.ts';
import { BLENDED_DTYPES, type BlendedDtype } from '../../formats/dtype.ts';
import { BLOCK_ELEMENTS, FIRST_SIZE_EXPONENT, type LoadedPiece, SIZE_BINS } from '../../methods/kernel.ts';
import { random } from './checkpoints.ts';

/** Values that stand for kinds: zeros of both signs, subnormals of F16, what float32 can barely hold. */
const EDGES = [0, -0, 2 ** -24, -(2 ** -24), 2 ** -14, 1, -1, 65504, -65504, 1e-20, -3e-13, 1e30, -1e30];

/** float32's own subnormals, which a graphics device may take for zero. */
const SUBNORMALS = [1e-40, -1e-42, 2 ** -149, 0, -0];

/** The values as they are, but none beyond F16's largest number where they become F16. */
function within(values: Float64Array, dtype: BlendedDtype | undefined): Float64Array {
  return dtype === 'F16' ? values.map((value) => Math.max(-65504, Math.min(65504, value))) : values;
}

/** A base and models over it: some elements as they were, some moved a little, some edges. */
export function changePiece(options: {
  readonly models: number;
  readonly elements: number;
  readonly start?: number;
  readonly seed?: number;
  readonly dtypes?: readonly BlendedDtype[];
  readonly hasSubnormals?: boolean;
}): LoadedPiece {
  const { models, elements, start = 0, seed = 1, hasSubnormals = false } = options;
  const next = random(seed * 7919 + models * 31 + elements);
  const edges = hasSubnormals ? [...EDGES, ...SUBNORMALS] : EDGES;
  const pick = () => edges[Math.floor(next() * edges.length)] ?? 0;
  const base = Float64Array.from({ length: elements }, () => (next() < 0.05 ? pick() : (next() - 0.5) / 8));
  const moved = () =>
    base.map((value) => {
      const kind = next();
      if (kind < 0.3) return value;
      if (kind < 0.35) return pick();
      return value + (next() - 0.5) * 2 ** -Math.floor(next() * 20);
    });
  const sources = [base, ...Array.from({ length: models }, moved)];
  const dtypes = options.dtypes ?? sources.map((_, s) => BLENDED_DTYPES[(s + seed) % BLENDED_DTYPES.length] ?? 'F32');
  return {
    tensor: 'changed',
    start,
    elements,
    tensorElements: start + elements,
    rowElements: Math.max(1, Math.floor((start + elements) / 3)),
    hasBase: true,
    dtypes,
    bytes: sources.map((values, s) => encode(within(values, dtypes[s]), dtypes[s] ?? 'F32')),
  };
}

/** What a survey counts of a piece. */
export interface ExpectedChanges {
  readonly opposed: readonly number[];
  readonly contested: number;
  readonly baseSquares: number;
  readonly changed: readonly number[];
  /** Per model and bin. */
  readonly sizes: readonly number[];
}

/** The float64 reference. Signs and sizes are of differences as float32 has them. */
export function expectedChanges(piece: LoadedPiece): ExpectedChanges {
  const [base, ...models] = piece.bytes.map((bytes, s) => decodeFloat32(bytes, piece.dtypes[s] ?? 'F32'));
  if (!base) throw new Error('a case without a base');
  const deltas = models.map((values) => Array.from(values, (value, i) => Math.fround(value - (base[i] ?? 0))));
  const at = (k: number, i: number) => deltas[k]?.[i] ?? 0;
  const indices = Array.from(base, (_, i) => i);
  const isOpposed = (j: number, k: number, i: number) => Math.sign(at(j, i)) * Math.sign(at(k, i)) === -1;
  const pairs = deltas.flatMap((_, k) => Array.from({ length: k }, (_, j) => [j, k] as const));
  const sizes = deltas.flatMap((own) => {
    const counts = new Array<number>(SIZE_BINS).fill(0);
    for (const delta of own) {
      if (delta === 0) continue;
      // Not by the logarithm's rounding: the power of two that is not above it.
      let exponent = Math.floor(Math.log2(Math.abs(delta)));
      if (2 ** exponent > Math.abs(delta)) exponent--;
      if (2 ** (exponent + 1) <= Math.abs(delta)) exponent++;
      const bin = Math.max(0, Math.min(SIZE_BINS - 1, exponent - FIRST_SIZE_EXPONENT));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    return counts;
  });
  return {
    opposed: pairs.map(([j, k]) => indices.filter((i) => isOpposed(j, k, i)).length),
    contested: indices.filter((i) => pairs.some(([j, k]) => isOpposed(j, k, i))).length,
    baseSquares: base.reduce((sum, value) => sum + value * value, 0),
    changed: deltas.map((own) => own.filter((delta) => delta !== 0).length),
    sizes,
  };
}

/** Lengths around vectors, blocks and tiles. */
export const RAGGED_LENGTHS = [1, 3, 5, 63, BLOCK_ELEMENTS - 1, BLOCK_ELEMENTS, BLOCK_ELEMENTS + 1, 8193, 20_001];
