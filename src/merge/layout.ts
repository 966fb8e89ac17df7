/**
 * Layout: how the work is cut. Tensors are split into pieces that fit the place; small tensors are gathered into
 * batches that travel together; a group is what has to be known at once: the batches of one large tensor, or one
 * batch of whole small ones. Pure. Where a piece ends does not change a result: merging is element by element, and
 * sums are taken over blocks of a fixed size, at which cuts are made, in a fixed order.
 */

import { BLOCK_ELEMENTS, COLUMN_BLOCK_ROWS } from '../methods/kernel.ts';
import { wholeWords } from '../gpu/buffers.ts';
import type { BlendTensor } from './lineup.ts';

/** A run of neighbouring elements of one tensor: [start, end). */
export interface Piece {
  /** Index into the lineup's tensors. */
  readonly tensor: number;
  readonly start: number;
  readonly end: number;
}

/** Pieces that are read, computed and written together. */
export interface Batch {
  readonly pieces: readonly Piece[];
  /** Bytes of all sources of all pieces, aligned. */
  readonly sourceBytes: number;
}

/** Neighbouring batches that hold whole tensors: one tensor in several batches, or several tensors in one. */
export interface Group {
  /** Index of its first batch, and how many there are. */
  readonly first: number;
  readonly count: number;
  readonly sourceBytes: number;
}

/** Batches in order, and the groups that they form, in order. */
export interface Layout {
  readonly batches: readonly Batch[];
  readonly groups: readonly Group[];
}

/**
 * Where a tensor may be cut. `block`: at any block. `row`: at rows where they fit, for sums along them. `whole-row`:
 * only between rows, however long they are, for ranks. `row-block`: only between rows, at blocks of rows where they
 * fit, for sums along columns.
 */
export type CutRule = 'block' | 'row' | 'whole-row' | 'row-block';

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function leastCommonMultiple(a: number, b: number): number {
  return (a / greatestCommonDivisor(a, b)) * b;
}

/**
 * How many elements lie between the places at which a tensor is cut best, within `limit` where that is possible. A
 * tensor in bands is cut between bands alone, however large they are.
 */
function cutUnit(rowElements: number, limit: number, rule: CutRule, bandRows: number): number {
  const band = rowElements * bandRows;
  // At a row's end and a block's end at once: then sums along rows and over the whole share one layout.
  const both = leastCommonMultiple(band, BLOCK_ELEMENTS);
  if (rule === 'block') return both <= limit || bandRows > 1 ? both : BLOCK_ELEMENTS;
  const columns = leastCommonMultiple(band, rowElements * COLUMN_BLOCK_ROWS);
  if (rule === 'row-block') return columns <= limit ? columns : band;
  return both <= limit ? both : band;
}

/**
 * The positions at which a tensor is cut, both ends included.
 * @param bandRows how many rows have to stay together, counted from the first.
 */
export function cuts(
  elements: number,
  rowElements: number,
  mostElements: number,
  rule: CutRule,
  bandRows = 1,
): number[] {
  const limit = Math.max(BLOCK_ELEMENTS, mostElements);
  if (elements <= limit) return [0, elements];
  const unit = cutUnit(rowElements, limit, rule, bandRows);
  const positions = [0];
  if (rule === 'row' && rowElements > limit && bandRows === 1) {
    // Rows longer than a piece: cut within each row, at the row's own blocks.
    const step = Math.floor(limit / BLOCK_ELEMENTS) * BLOCK_ELEMENTS;
    for (let row = 0; row < elements; row += rowElements) {
      for (let at = row === 0 ? step : row; at < Math.min(row + rowElements, elements); at += step) positions.push(at);
    }
  } else {
    const step = Math.max(1, Math.floor(limit / unit)) * unit;
    for (let at = step; at < elements; at += step) positions.push(at);
  }
  positions.push(elements);
  return positions;
}

/** Most pieces of one batch: every one is a dispatch, and a batch has to end soon after it is told to. */
const MOST_PIECES = 2048;

/** Bytes of all sources of one element. */
export function sourceElementBytes(tensor: BlendTensor): number {
  return tensor.sources.reduce((sum, source) => sum + (source.end - source.start) / Math.max(1, tensor.elements), 0);
}

/** Bytes that a piece takes in a batch's buffer. */
export function pieceBytes(tensor: BlendTensor, piece: Piece): number {
  return tensor.sources.reduce(
    (sum, source) =>
      sum + wholeWords(((source.end - source.start) / Math.max(1, tensor.elements)) * (piece.end - piece.start)),
    0,
  );
}

/**
 * Cuts tensors into batches and groups.
 * @param batchBytes most source bytes of one batch, and so of one binding; at least one block is always taken.
 * @param ruleOf where each tensor may be cut.
 * @param bandRowsOf how many rows of a tensor have to stay together.
 */
export function layOut(
  tensors: readonly BlendTensor[],
  batchBytes: number,
  ruleOf: (tensor: BlendTensor) => CutRule,
  bandRowsOf: (tensor: BlendTensor) => number = () => 1,
): Layout {
  const batches: Batch[] = [];
  const groups: Group[] = [];
  let pieces: Piece[] = [];
  let filled = 0;
  const flush = () => {
    if (pieces.length > 0) batches.push({ pieces, sourceBytes: filled });
    pieces = [];
    filled = 0;
  };
  const flushGroup = (first: number) => {
    flush();
    const own = batches.slice(first);
    const sourceBytes = own.reduce((sum, batch) => sum + batch.sourceBytes, 0);
    if (own.length > 0) groups.push({ first, count: own.length, sourceBytes });
  };
  tensors.forEach((tensor, index) => {
    if (tensor.elements === 0) return;
    const most = Math.floor(batchBytes / sourceElementBytes(tensor));
    const positions = cuts(tensor.elements, tensor.rowElements, most, ruleOf(tensor), bandRowsOf(tensor));
    const own = positions.slice(1).map((end, p): Piece => ({ tensor: index, start: positions[p] ?? 0, end }));
    const [only] = own;
    if (own.length === 1 && only) {
      const bytes = pieceBytes(tensor, only);
      if (filled + bytes > batchBytes || pieces.length === MOST_PIECES) flushGroup(batches.length);
      pieces.push(only);
      filled += bytes;
      return;
    }
    flushGroup(batches.length);
    const first = batches.length;
    for (const piece of own) {
      pieces.push(piece);
      filled = pieceBytes(tensor, piece);
      flush();
    }
    flushGroup(first);
  });
  flushGroup(batches.length);
  return { batches, groups };
}
