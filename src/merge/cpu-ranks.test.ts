import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFloat32, encode } from '../formats/codec.ts';
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
  // Groups of many rows, groups of one row, rows of many tiles, and rows that sixteen bits cannot number.
  it.each([
    [1, 40],
    [7, 30],
    [24, 9],
    [25, 9],
    [100, 200],
    [1023, 5],
    [1024, 3],
    [5000, 4],
    [8191, 3],
    [8193, 3],
    [65_536, 2],
    [65_537, 2],
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

  it('take sixteen bits where rows are short enough, and memory that is handed in', () => {
    const sorter = new RankSorter();
    const spare = [new ArrayBuffer(4), new ArrayBuffer(1000), new ArrayBuffer(120)];
    const [ranks] = sorter.ranks(pieceOf([new Float64Array(60)], 30, 'F32', false), spare);
    expect(ranks).toBeInstanceOf(Uint16Array);
    expect(ranks?.buffer.byteLength).toBe(120);
    expect(spare.map(({ byteLength }) => byteLength)).toEqual([4, 1000]);
    const [long] = sorter.ranks(pieceOf([new Float64Array(70_000)], 70_000, 'BF16', false), spare);
    expect(long).toBeInstanceOf(Uint32Array);
    expect(spare).toHaveLength(2);
  });

  // How many bits tell numbers apart decides how many passes there are and how many rows go together.
  it('are those that sorting gives, whatever the numbers, the rows and the dtypes', () => {
    const dtype = fc.constantFrom<BlendedDtype>('BF16', 'F16', 'F32');
    const sorter = new RankSorter();
    fc.assert(
      fc.property(
        fc.record({
          rowElements: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 1500 })),
          rows: fc.integer({ min: 1, max: 12 }),
          dtypes: fc.tuple(dtype, dtype),
          hasBase: fc.boolean(),
          // Powers of two between which sizes lie, how many steps there are between two, and the share of zeros.
          powers: fc.integer({ min: 0, max: 30 }),
          steps: fc.constantFrom(1, 8, 256, 2 ** 23),
          zeros: fc.constantFrom(0, 0.5, 1),
          seed: fc.nat(),
        }),
        ({ rowElements, rows, dtypes, hasBase, powers, steps, zeros, seed }) => {
          const next = random(seed);
          const elements = rowElements * rows;
          const one = () => {
            const size = 2 ** -Math.floor(next() * (powers + 1)) * (1 + Math.floor(next() * steps) / steps);
            return next() < zeros ? 0 : next() < 0.5 ? -size : size;
          };
          const own = hasBase ? dtypes : [dtypes[1]];
          const bytes = own.map((name) => encode(Float64Array.from({ length: elements }, one), name));
          const piece = { ...pieceOf([new Float64Array(elements)], rowElements, 'F32', hasBase), dtypes: own, bytes };
          const values = own.map((name, n) => {
            const part = bytes[n];
            if (!part) throw new Error('no bytes');
            return decodeFloat32(part, name, new Float32Array(elements));
          });
          const model = values.at(-1) ?? new Float32Array();
          const sizes = Float64Array.from(model, (x, i) =>
            Math.abs(Math.fround(x - (hasBase ? (values[0]?.[i] ?? 0) : 0))),
          );
          const got = sorter.ranks(piece)[0];
          expect(sorted(sizes, rowElements).findIndex((rank, i) => rank !== got?.[i])).toBe(-1);
        },
      ),
      { numRuns: 60 },
    );
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

  it('are those of any finite bits, subnormal or huge', () => {
    const next = random(5);
    for (const rowElements of [3, 64, 4000, 9000]) {
      const elements = rowElements * 4;
      const bits = Uint32Array.from({ length: elements }, () => {
        const word = Math.floor(next() * 2 ** 32);
        return (word & 0x7f800000) === 0x7f800000 ? word & 0x807fffff : word;
      });
      const piece = {
        ...pieceOf([new Float64Array(elements)], rowElements, 'F32', false),
        bytes: [new Uint8Array(bits.buffer)],
      };
      const sizes = Float64Array.from(new Float32Array(bits.buffer), Math.abs);
      expect(Array.from(new RankSorter().ranks(piece)[0] ?? [])).toEqual(sorted(sizes, rowElements));
    }
  });

  it('refuse parts of rows', () => {
    const piece = { ...pieceOf([new Float64Array(60)], 30, 'F32', false), start: 15 };
    expect(() => new RankSorter().ranks(piece)).toThrow('whole rows');
  });
});
