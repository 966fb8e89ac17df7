import { describe, expect, it } from 'vitest';
import { encode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { LoadedPiece } from '../methods/kernel.ts';
import { RankSorter } from './cpu-ranks.ts';
import { random } from './test/checkpoints.ts';

/** Whole rows of a base and models, as a batch has them. */
function pieceOf(sources: readonly Float64Array[], rowElements: number, dtype: BlendedDtype, hasBase: boolean) {
  const elements = sources[0]?.length ?? 0;
  return {
    tensor: 't',
    start: 0,
    elements,
    tensorElements: elements,
    rowElements,
    hasBase,
    dtypes: sources.map(() => dtype),
    bytes: sources.map((values) => encode(values, dtype)),
  } satisfies LoadedPiece;
}

/** Ranks by sorting, ties by index. */
function sorted(sizes: Float64Array, rowElements: number): number[] {
  const out: number[] = [];
  for (let at = 0; at < sizes.length; at += rowElements) {
    const order = Array.from({ length: rowElements }, (_, i) => i);
    order.sort((a, b) => (sizes[at + a] ?? 0) - (sizes[at + b] ?? 0) || a - b);
    order.forEach((element, rank) => {
      out[at + element] = rank;
    });
  }
  return out;
}

describe('ranks', () => {
  // Every way of sorting: pairs, four passes of eight bits, three of eleven; tiles of many rows and rows of many tiles.
  it.each([
    [1, 40],
    [7, 30],
    [24, 9],
    [25, 9],
    [100, 200],
    [1023, 5],
    [1024, 3],
    [5000, 4],
    [20_000, 2],
  ])('of rows of %i elements are those that sorting gives', (rowElements, rows) => {
    const next = random(rowElements);
    const sorter = new RankSorter();
    for (const spread of [1, 2 ** -20]) {
      // Numbers on a grid, so that there are many ties, some of them at zero and of either sign.
      const values = () =>
        Float64Array.from({ length: rowElements * rows }, () => Math.round((next() - 0.5) * 200) * spread);
      const [base, ...models] = [values(), values(), values()] as [Float64Array, Float64Array, Float64Array];
      const got = sorter.ranks(pieceOf([base, ...models], rowElements, 'F32', true));
      models.forEach((model, k) => {
        const sizes = model.map((x, i) => Math.abs(x - (base[i] ?? 0)));
        expect([...(got[k] ?? [])]).toEqual(sorted(sizes, rowElements));
      });
    }
  });

  it.each(['BF16', 'F16', 'F32'] as const)('are those of the values themselves without a base, in %s', (dtype) => {
    const values = Float64Array.from({ length: 3 * 50 }, (_, i) => ((i * 37) % 64) * (i % 2 === 0 ? 1 : -1));
    const [ranks] = new RankSorter().ranks(pieceOf([values], 50, dtype, false));
    expect([...(ranks ?? [])]).toEqual(sorted(values.map(Math.abs), 50));
  });

  it('take zero and negative zero for the same, and infinity for the largest', () => {
    const values = Float64Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 0 : -0));
    values[3] = Number.NEGATIVE_INFINITY;
    values[5] = 2 ** -149;
    const [ranks] = new RankSorter().ranks(pieceOf([values], 40, 'F32', false));
    expect([...(ranks ?? [])]).toEqual(sorted(values.map(Math.abs), 40));
  });

  it('refuse parts of rows', () => {
    const piece = { ...pieceOf([new Float64Array(60)], 30, 'F32', false), start: 15 };
    expect(() => new RankSorter().ranks(piece)).toThrow('whole rows');
  });
});
