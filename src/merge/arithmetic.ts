/**
 * Arithmetic: the contract between a merge and the place that computes it: the GPU's kernels
 * (`gpu-arithmetic.ts`) or the methods' float64 references on the CPU (`cpu-arithmetic.ts`). Bytes in, bytes out;
 * it knows no recipe, no file and no order of work.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { Method } from '../methods/method.ts';
import type { LiveWeights } from './live-weights.ts';
import type { TensorWeights } from './weights.ts';

/** A piece with all that is needed to compute it. */
export interface PieceShape {
  readonly tensor: string;
  /** Position of its first element in the tensor, and how many there are. */
  readonly start: number;
  readonly elements: number;
  readonly tensorElements: number;
  readonly rowElements: number;
  /** Dtypes of the sources, the base first where the method has one. */
  readonly dtypes: readonly BlendedDtype[];
}

/** A piece and its sources' bytes. */
export interface LoadedPiece extends PieceShape {
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
}

/** Bytes of a batch that are where the arithmetic is. Released once, by whoever loaded it. */
export interface LoadedBatch {
  readonly pieces: readonly PieceShape[];
  /** Bytes held. */
  readonly bytes: number;
  release(): void;
}

/** What to do with one piece of a loaded batch. */
export interface PieceWork {
  /** Index into the batch's pieces. */
  readonly piece: number;
  readonly weights: TensorWeights;
  readonly out: BlendedDtype;
}

/** Result of one piece. */
export interface MergedPiece {
  /** As it lies in a file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many elements are NaN or infinite. */
  readonly faulty: number;
}

/** Partial sums of one piece, blocks × quantityCount(models), unscaled. */
export interface MeasuredPiece {
  /** Blocks counted over the tensor as one row; null where only rows were asked for. */
  readonly plain: Float64Array | null;
  /** Blocks counted along rows; null where rows were not asked for. */
  readonly byRow: Float64Array | null;
}

/** The place that computes. */
export interface Arithmetic {
  readonly place: 'gpu' | 'cpu';
  /** Most source bytes of one batch that the place takes well. */
  readonly batchBytes: number;
  /** How many batches it is worth having under way at once. */
  readonly depth: number;
  /** Brings a batch's bytes to the place. */
  load(pieces: readonly LoadedPiece[]): Promise<LoadedBatch>;
  /** Statistics of pieces of a loaded batch whose first source is the base. */
  measure(batch: LoadedBatch, kind: { readonly plain: boolean; readonly byRow: boolean }): Promise<MeasuredPiece[]>;
  /** Merges pieces into bytes for a file, in the order of `work`. */
  merge(batch: LoadedBatch, method: Method, work: readonly PieceWork[]): Promise<MergedPiece[]>;
  /** Merges pieces into live weights; resolves with the faulty elements per piece of `work`. */
  mergeInto(batch: LoadedBatch, method: Method, work: readonly PieceWork[], live: LiveWeights): Promise<number[]>;
  /** Makes room for live weights: one F32 buffer per tensor. Throws BudgetFault where one cannot be had. */
  allocate(
    tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly elements: number }[],
  ): Promise<LiveWeights>;
  /** Gives memory back that is held and not in use. */
  trim(): void;
  dispose(): void;
}

/** The block boundaries of a piece counted along rows of `rowElements`: [start, end) within the piece. */
export function* blocksOf(piece: PieceShape, rowElements: number, blockElements: number): Generator<[number, number]> {
  let at = 0;
  let column = piece.start % rowElements;
  while (at < piece.elements) {
    const inRow = rowElements - column;
    const count = Math.min(blockElements - (column % blockElements), inRow, piece.elements - at);
    yield [at, at + count];
    at += count;
    column = count === inRow ? 0 : column + count;
  }
}

/** How many blocks `blocksOf` gives. */
export function blockCount(piece: PieceShape, rowElements: number, blockElements: number): number {
  let count = 0;
  for (const _ of blocksOf(piece, rowElements, blockElements)) count++;
  return count;
}

/** The coefficients of the rows that a piece touches, K × rows, and how many rows those are. */
export function coefficientsOf(piece: PieceShape, weights: TensorWeights): { rows: number; values: Float64Array } {
  if (weights.rows === 1) return { rows: 1, values: weights.coefficients };
  const first = Math.floor(piece.start / piece.rowElements);
  const last = Math.floor((piece.start + piece.elements - 1) / piece.rowElements);
  const rows = last - first + 1;
  const models = weights.perModel.length;
  const values = new Float64Array(models * rows);
  for (let k = 0; k < models; k++) {
    const from = k * weights.rows + first;
    values.set(weights.coefficients.subarray(from, from + rows), k * rows);
  }
  return { rows, values };
}
