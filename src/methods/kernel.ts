/**
 * Kernel: what kernels are given and give back, wherever they run: a piece of a tensor with its sources' bytes, the
 * numbers that they read, and partial sums. Not the kernels (`shaders/`), nor the places (`gpu/`, `cpu/`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { Axis, Values } from './method.ts';
import type { StreamKey } from './random.ts';

/** Elements of one block of partial sums; the same number stands in the shaders. */
export const BLOCK_ELEMENTS = 4096;

/** Rows that a sum over columns adds in float32 before float64 takes over; the same number stands in the shaders. */
export const COLUMN_BLOCK_ROWS = 32;

/**
 * How kernels see a parameter that is not set (`is_set`): float32's lowest number, since WGSL may take NaN to be absent.
 */
export const UNSET = -3.4028234663852886e38;

/** Between `UNSET` and every number that a parameter may have. */
export const LEAST_SET = Math.fround(-3e38);

/** A parameter as kernels see it. */
export function settled(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? UNSET : value;
}

/** A piece with all that is needed to compute it. */
export interface PieceShape {
  readonly tensor: string;
  /** Position of its first element in the tensor, and how many there are. */
  readonly start: number;
  readonly elements: number;
  readonly tensorElements: number;
  readonly rowElements: number;
  /** Whether the first source is a base. */
  readonly hasBase: boolean;
  /** Dtypes of the sources, the base first where there is one. */
  readonly dtypes: readonly BlendedDtype[];
}

/** Pieces with some of their sources only: per piece which, the base being the first where there is one. */
export function selectShapes(
  pieces: readonly PieceShape[],
  sources: readonly (readonly number[])[],
): readonly PieceShape[] {
  return pieces.map((piece, p) => ({
    ...piece,
    dtypes: (sources[p] ?? []).map((source) => {
      const dtype = piece.dtypes[source];
      if (dtype === undefined) throw new Error(`a piece of ${piece.tensor} has no source ${source}`);
      return dtype;
    }),
  }));
}

/** A piece and its sources' bytes. */
export interface LoadedPiece extends PieceShape {
  readonly bytes: readonly Uint8Array<ArrayBuffer>[];
}

/** Numbers that lie along an axis of a tensor: `n * lines + line` for n < width. */
export interface Lines {
  readonly over: Axis;
  readonly width: number;
  readonly lines: number;
  readonly values: Float64Array;
}

/** A selection's thresholds as kernels take them. */
export interface Slots {
  /** Per slot the bits of the float32 threshold; 0xffffffff where nothing belongs to the slot. */
  readonly bits: Uint32Array;
  /** Per slot: elements with exactly these bits belong to it where their index in the tensor is below this. */
  readonly cuts: Uint32Array;
}

/** All numbers that kernels read of one tensor. */
export interface KernelNumbers {
  readonly params: Values;
  /** One entry per model. */
  readonly perModel: readonly Values[];
  readonly coefficients: Lines;
  /** By pass; passes that were not needed or have no findings are absent, and read as zeros. */
  readonly found: ReadonlyMap<string, Lines>;
  /** By pass; selections that were not needed are absent, and every element belongs to all of their slots. */
  readonly slots: ReadonlyMap<string, Slots>;
  /** One per model. */
  readonly streams: readonly StreamKey[];
}

/** Pairs of `count` values, each with itself included: the upper triangle of a Gram matrix. */
export function pairCount(count: number): number {
  return (count * (count + 1)) / 2;
}

/** Quantities that are measured of `count` values: pairs and sums of |v|; plain ones also maxima and counts. */
export function measuredQuantities(count: number, isPlain: boolean): number {
  return pairCount(count) + (isPlain ? 3 : 1) * count;
}

/** A survey counts changes by size in bins of one power of two each; the outer bins hold all that is beyond. */
export const SIZE_BINS = 48;

/** Bin b holds sizes from 2^(FIRST_SIZE_EXPONENT + b) up to twice that; the same numbers stand in the shaders. */
export const FIRST_SIZE_EXPONENT = -40;

/**
 * Quantities that a survey adds to the measured ones of `models` deltas: per pair of different models the elements that
 * both changed in opposite directions, then the elements that any two did, then the base's squares.
 */
export function surveyQuantities(models: number): number {
  return (models * (models - 1)) / 2 + 2;
}

/** What to measure of a batch's pieces: see `Sums` in `methods/method.ts`. */
export interface MeasureKind {
  /** Blocks over the tensor as one row. */
  readonly plain: boolean;
  /** Sums along rows or columns, or null. */
  readonly axis: 'row' | 'column' | null;
  /** Changes from the base, or the sources' own values (the base being one of them). */
  readonly from: 'deltas' | 'sources';
  /** Whether a survey's figures are wanted too; only with `plain`, of deltas of pieces with a base. */
  readonly isSurveyed?: boolean;
}

/** Partial sums of one piece, unscaled. */
export interface MeasuredPiece {
  /**
   * Blocks × measuredQuantities(count, true), counted over the tensor as one row; null where not asked for. With a survey
   * each block has surveyQuantities(count) more behind these.
   */
  readonly plain: Float64Array | null;
  /**
   * (pairs + count) × lines, quantity by quantity: the Gram matrix's upper triangle column by column, then Σ |v|. Lines
   * are the rows that the piece touches, or all columns of it (its rows being whole). Null where not asked for.
   */
  readonly lines: Float64Array | null;
  /** With a survey: models × SIZE_BINS, the changes of each size; else null. */
  readonly sizes: Float64Array | null;
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

/** The first row that a piece touches, and how many it does. */
export function rowsOf(piece: PieceShape): { readonly first: number; readonly count: number } {
  const first = Math.floor(piece.start / piece.rowElements);
  const last = Math.floor((piece.start + piece.elements - 1) / piece.rowElements);
  return { first, count: Math.max(1, last - first + 1) };
}

/** The part of a tensor's lines that a piece reads: all of them, but of rows only those that it touches. */
export function linesOf(piece: PieceShape, lines: Lines): Lines {
  if (lines.over !== 'row' || lines.lines === 1) return lines;
  const { first, count } = rowsOf(piece);
  const values = new Float64Array(lines.width * count);
  for (let n = 0; n < lines.width; n++) {
    const from = n * lines.lines + first;
    values.set(lines.values.subarray(from, from + count), n * count);
  }
  return { ...lines, lines: count, values };
}
