/**
 * Layout: how the work is cut. Tensors are split into pieces that fit the device, small pieces are gathered into
 * batches that travel together. Pure. Where a piece ends never changes a result: merging is element by element,
 * and statistics are summed over blocks of a fixed size, at which every cut is made, in a fixed order.
 */

import { wholeWords } from '../gpu/buffers.ts';
import type { BlendTensor } from './lineup.ts';

/** Elements of one block of statistics; the same number stands in shaders/measure.wgsl. */
export const BLOCK_ELEMENTS = 4096;

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

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * The positions at which a tensor is cut, both ends included. Cuts fall on block boundaries of the whole tensor
 * and of its rows at once where that is possible, so that one layout serves both kinds of statistics.
 */
export function cuts(elements: number, rowElements: number, mostElements: number, byRows: boolean): number[] {
  const limit = Math.max(BLOCK_ELEMENTS, mostElements);
  if (elements <= limit) return [0, elements];
  const both = (rowElements / greatestCommonDivisor(rowElements, BLOCK_ELEMENTS)) * BLOCK_ELEMENTS;
  const positions = [0];
  if (both <= limit || !byRows || rowElements <= limit) {
    const unit = both <= limit ? both : byRows ? rowElements : BLOCK_ELEMENTS;
    const step = Math.floor(limit / unit) * unit;
    for (let at = step; at < elements; at += step) positions.push(at);
  } else {
    // Rows longer than a piece: cut within each row, at the row's own blocks.
    const step = Math.floor(limit / BLOCK_ELEMENTS) * BLOCK_ELEMENTS;
    for (let row = 0; row < elements; row += rowElements) {
      for (let at = row === 0 ? step : row; at < Math.min(row + rowElements, elements); at += step) positions.push(at);
    }
  }
  positions.push(elements);
  return positions;
}

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
 * Cuts tensors into batches.
 * @param batchBytes most source bytes of one batch, and so of one binding; at least one block is always taken.
 * @param byRows whether statistics are needed per row.
 */
export function layOut(tensors: readonly BlendTensor[], batchBytes: number, byRows: boolean): Batch[] {
  const batches: Batch[] = [];
  let pieces: Piece[] = [];
  let filled = 0;
  const flush = () => {
    if (pieces.length > 0) batches.push({ pieces, sourceBytes: filled });
    pieces = [];
    filled = 0;
  };
  tensors.forEach((tensor, index) => {
    if (tensor.elements === 0) return;
    const most = Math.floor(batchBytes / sourceElementBytes(tensor));
    const positions = cuts(tensor.elements, tensor.rowElements, most, byRows);
    for (let p = 0; p + 1 < positions.length; p++) {
      const piece: Piece = { tensor: index, start: positions[p] ?? 0, end: positions[p + 1] ?? 0 };
      const bytes = pieceBytes(tensor, piece);
      if (filled + bytes > batchBytes) flush();
      pieces.push(piece);
      filled += bytes;
    }
  });
  flush();
  return batches;
}
