/**
 * Arithmetic: the contract between a merge and the place that computes it: WGSL kernels on the GPU
 * (`gpu-arithmetic.ts`), or the same kernels compiled to WebAssembly on the CPU (`cpu-arithmetic.ts`). Bytes in, bytes
 * and sums out; it knows no recipe, no file and no order of work.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { KernelNumbers, LoadedPiece, MeasuredPiece, MeasureKind, PieceShape } from '../methods/kernel.ts';
import type { Method, SelectPass, SumPass } from '../methods/method.ts';
import type { LiveWeights, LiveWish } from './live-weights.ts';

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
  readonly numbers: KernelNumbers;
}

/** A piece to be merged. */
export interface MergeWork extends PieceWork {
  readonly out: BlendedDtype;
}

/** Result of one piece. */
export interface MergedPiece {
  /** As it lies in a file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many elements are NaN or infinite. */
  readonly faulty: number;
  /** Σ x² of every source and, last, of the result as rounded; null where no audit was asked for. */
  readonly squares: Float64Array | null;
}

/** A group of keys of one piece to be counted: those whose bits above the digit equal `prefix`. */
export interface DigitQuery {
  readonly key: number;
  /** bits >>> (shift + width). */
  readonly prefix: number;
}

/** Keys to be looked at in a sample: so many runs of neighbours, spread evenly over a piece. */
export interface SampleOrder {
  readonly keys: readonly number[];
  readonly runs: number;
  readonly runElements: number;
}

/** Keys to be collected: those whose bits lie in [low, high]. */
export interface WindowQuery {
  readonly key: number;
  readonly low: number;
  readonly high: number;
}

/** What a window caught of one piece. */
export interface Caught {
  /** How many keys have bits above the window, and how many in it. */
  readonly above: number;
  readonly inside: number;
  /** The bits inside, in order; null where there were more than the limit. */
  readonly bits: Uint32Array | null;
}

/** Selection in one pass, for places where collecting a few keys is cheaper than counting all of them repeatedly. */
export interface Windows {
  /** Bits of sampled keys. Per piece and key of its order. */
  sample(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly order: SampleOrder })[],
  ): Promise<Uint32Array[][]>;
  /** Collects keys. Per piece and query; at most `limit` bits of each. */
  collect(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly WindowQuery[]; readonly limit: number })[],
  ): Promise<Caught[][]>;
  /** Where in its piece the `nth` (from 1) key with exactly these bits stands. */
  locate(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: PieceWork & { readonly key: number; readonly bits: number; readonly nth: number },
  ): Promise<number>;
}

/** The place that computes. */
export interface Arithmetic {
  readonly place: 'gpu' | 'cpu';
  /** Most source bytes of one batch that the place takes well. */
  readonly batchBytes: number;
  /** How many batches it is worth having under way at once. */
  readonly depth: number;
  /** Brings a batch's bytes to the place. The arrays may be transferred: the caller must not use them again. */
  load(pieces: readonly LoadedPiece[]): Promise<LoadedBatch>;
  /**
   * Some sources of a loaded batch as a batch of their own, over the same bytes: it is released by itself, and before the
   * batch that it is of.
   * @param sources per piece, which of its sources, the base among them where there is one.
   */
  select(batch: LoadedBatch, sources: readonly (readonly number[])[]): LoadedBatch;
  /** Statistics of some pieces of a loaded batch, in the order of `pieces`. */
  measure(batch: LoadedBatch, pieces: readonly number[], kind: MeasureKind): Promise<MeasuredPiece[]>;
  /**
   * A sums pass. Per piece, over the tensor: blocks × quantities; over rows or columns: quantities × lines, where lines
   * are the rows that the piece touches, or all columns.
   */
  sums(batch: LoadedBatch, method: Method, pass: SumPass, work: readonly PieceWork[]): Promise<Float64Array[]>;
  /** Null where thresholds are found by counting digits alone. */
  readonly windows: Windows | null;
  /** Counts keys by a digit of their bits, `(bits >>> shift) & (2^width − 1)`. Per piece: queries × 2^width. */
  histogram(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly DigitQuery[] })[],
    digit: { readonly shift: number; readonly width: number },
  ): Promise<Uint32Array[]>;
  /** Counts keys with exactly these bits. Per piece: queries × blocks of the tensor as one row. */
  countEqual(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly { readonly key: number; readonly bits: number }[] })[],
  ): Promise<Uint32Array[]>;
  /** The bits of key `key` of elements [from, to) of a piece, at most one block of them. */
  keys(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: PieceWork & { readonly key: number; readonly from: number; readonly to: number },
  ): Promise<Uint32Array>;
  /** Merges pieces into bytes for a file, in the order of `work`. */
  merge(
    batch: LoadedBatch,
    method: Method,
    work: readonly MergeWork[],
    options?: { readonly isAudited: boolean },
  ): Promise<MergedPiece[]>;
  /**
   * Merges pieces into live weights, quantised where they are held in blocks: such a piece is whole blocks, or all rows
   * of 32 (transposed). Resolves with the faulty elements per piece of `work`.
   */
  mergeInto(batch: LoadedBatch, method: Method, work: readonly MergeWork[], live: LiveWeights): Promise<number[]>;
  /** Makes room for live weights. The CPU holds float32 whatever the form. Throws BudgetFault where there is none. */
  allocate(tensors: readonly LiveWish[]): Promise<LiveWeights>;
  /** Gives memory back that is held and not in use. */
  trim(): void;
  dispose(): void;
}
