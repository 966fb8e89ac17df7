/**
 * Reduction: how a sum over pieces is divided into items (blocks, or columns of blocks of rows: see sums.wgsl), cut to
 * what one buffer may hold, and put together again in float64. Pure. Not what is summed.
 */

import { BLOCK_ELEMENTS, COLUMN_BLOCK_ROWS, rowsOf, type PieceShape } from '../methods/kernel.ts';
import type { Axis } from '../methods/method.ts';
import type { PieceFields } from './submission.ts';

/** Threads per workgroup of sums.wgsl. */
const SUM_LANES = 64;

/** What is summed over one piece. */
export interface Reduction {
  readonly shape: PieceShape;
  readonly over: Axis;
  readonly quantities: number;
  readonly isMaximum: boolean;
}

/** Some of a reduction's items, done by one dispatch. */
export interface ReductionPart {
  /** Index of the reduction. */
  readonly of: number;
  readonly firstItem: number;
  readonly items: number;
  /** Words that it writes. */
  readonly words: number;
}

/** How many blocks of rows a piece touches. */
function rowBlocks(shape: PieceShape): number {
  const { first, count } = rowsOf(shape);
  return Math.floor((first + count - 1) / COLUMN_BLOCK_ROWS) - Math.floor(first / COLUMN_BLOCK_ROWS) + 1;
}

/** Along what blocks are counted: the row where lines are rows, else the tensor. */
export function spanOf({ shape, over }: Pick<Reduction, 'shape' | 'over'>): number {
  return over === 'row' ? shape.rowElements : shape.tensorElements;
}

/** How many blocks a piece touches, counted along spans. */
export function blocksAlong(shape: PieceShape, span: number): number {
  const perSpan = Math.ceil(span / BLOCK_ELEMENTS);
  const blockOf = (at: number) => Math.floor(at / span) * perSpan + Math.floor((at % span) / BLOCK_ELEMENTS);
  const first = shape.start % span;
  return shape.elements === 0 ? 0 : blockOf(first + shape.elements - 1) - blockOf(first) + 1;
}

/** How many items a reduction has. */
export function itemsOf(reduction: Reduction): number {
  const { shape, over } = reduction;
  if (over !== 'column') return blocksAlong(shape, spanOf(reduction));
  return shape.elements === 0 ? 0 : rowBlocks(shape) * shape.rowElements;
}

/** A reduction cut into dispatches of which each writes at most `mostWords`. */
export function* partsOf(reduction: Reduction, of: number, mostWords: number): Generator<ReductionPart> {
  const all = itemsOf(reduction);
  const most = Math.max(1, Math.floor(mostWords / reduction.quantities));
  for (let firstItem = 0; firstItem < all; firstItem += most) {
    const items = Math.min(most, all - firstItem);
    yield { of, firstItem, items, words: items * reduction.quantities };
  }
}

/** The fields of a part's dispatch, and how many workgroups it takes. */
export function dispatchFields(
  reduction: Reduction,
  { firstItem, items }: Pick<ReductionPart, 'firstItem' | 'items'>,
): { readonly fields: Partial<PieceFields>; readonly groups: number } {
  const span = spanOf(reduction);
  return {
    fields: { firstItem, items, spanElements: span, spanFirst: reduction.shape.start % span },
    groups: reduction.over === 'column' ? Math.ceil(items / SUM_LANES) : items,
  };
}

/** Room for a reduction's result: blocks × quantities over a tensor, else quantities × lines. */
export function emptyResult(reduction: Reduction): Float64Array {
  const { shape, over, quantities } = reduction;
  const lines = { tensor: itemsOf(reduction), row: rowsOf(shape).count, column: shape.rowElements }[over];
  return new Float64Array(shape.elements === 0 && over === 'tensor' ? 0 : quantities * lines);
}

/** Adds a part's partial sums to the result, in order. */
export function addPart(reduction: Reduction, part: ReductionPart, partials: Float32Array, result: Float64Array): void {
  const { shape, over, quantities, isMaximum } = reduction;
  const { firstItem, items } = part;
  if (over === 'tensor') {
    result.set(partials, firstItem * quantities);
    return;
  }
  const add = (at: number, value: number) => {
    const before = result[at] ?? 0;
    result[at] = isMaximum ? Math.max(before, value) : before + value;
  };
  if (over === 'column') {
    const columns = shape.rowElements;
    for (let q = 0; q < quantities; q++) {
      for (let n = 0; n < items; n++) add(q * columns + ((firstItem + n) % columns), partials[q * items + n] ?? 0);
    }
    return;
  }
  const rows = rowsOf(shape).count;
  const perRow = Math.ceil(shape.rowElements / BLOCK_ELEMENTS);
  const firstBlock = Math.floor((shape.start % shape.rowElements) / BLOCK_ELEMENTS) + firstItem;
  for (let n = 0; n < items; n++) {
    const row = Math.floor((firstBlock + n) / perRow);
    for (let q = 0; q < quantities; q++) add(q * rows + row, partials[n * quantities + q] ?? 0);
  }
}
