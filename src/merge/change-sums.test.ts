/** What a survey counts, on the CPU, against plain loops in float64; and how partial sums are put together. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLENDED_DTYPES } from '../formats/dtype.ts';
import { type LoadedPiece, SIZE_BINS } from '../methods/kernel.ts';
import { type ChangeSums, pairOf, pairsOf, sumChanges } from './change-sums.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import { sumBlocks } from './statistics.ts';
import { surveyQuantities } from '../methods/kernel.ts';
import { changePiece, expectedChanges, RAGGED_LENGTHS } from './test/change-cases.ts';

const cpu = new CpuArithmetic([]);

async function surveyed(piece: LoadedPiece): Promise<{ changes: ChangeSums; changed: number[]; sizes: number[] }> {
  const batch = await cpu.load([{ ...piece, bytes: piece.bytes.map((own) => own.slice()) }]);
  const [found] = await cpu.measure(batch, [0], { plain: true, axis: null, from: 'deltas', isSurveyed: true });
  batch.release();
  if (!found?.plain || !found.sizes) throw new Error('nothing was measured');
  const models = piece.dtypes.length - 1;
  const { changed } = sumBlocks(found.plain, models, piece.elements, surveyQuantities(models));
  return { changes: sumChanges(found.plain, models, found.sizes), changed: [...changed], sizes: [...found.sizes] };
}

async function holds(piece: LoadedPiece): Promise<void> {
  const want = expectedChanges(piece);
  const { changes, changed, sizes } = await surveyed(piece);
  expect([...changes.opposed]).toEqual(want.opposed);
  expect(changes.contested).toBe(want.contested);
  expect(changed).toEqual(want.changed);
  expect(sizes).toEqual(want.sizes);
  expect(Math.abs(changes.baseSquares - want.baseSquares)).toBeLessThanOrEqual(1e-12 * want.baseSquares);
}

describe('what a survey counts', () => {
  it.each(RAGGED_LENGTHS)(
    'is right in %i elements, in every dtype, subnormals and edges included',
    async (elements) => {
      for (const [seed] of BLENDED_DTYPES.entries()) {
        await holds(changePiece({ models: 3, elements, seed, hasSubnormals: true }));
        const dtypes = Array.from({ length: 3 }, () => BLENDED_DTYPES[seed] ?? 'F32');
        await holds(changePiece({ models: 2, elements, seed, dtypes, hasSubnormals: true }));
      }
    },
  );

  it('is right for any number of models and wherever a piece begins', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9000 }),
        fc.integer({ min: 0, max: 9000 }),
        fc.integer({ min: 1, max: 1000 }),
        (models, elements, start, seed) => holds(changePiece({ models, elements, start, seed, hasSubnormals: true })),
      ),
      { numRuns: 30 },
    );
  });

  it('begins anew with every piece', async () => {
    const piece = changePiece({ models: 2, elements: 5000 });
    const first = await surveyed(piece);
    expect(await surveyed(piece)).toEqual(first);
  });

  it('is measured with the same sums as without', async () => {
    const piece = changePiece({ models: 3, elements: 9000, dtypes: ['BF16', 'BF16', 'BF16', 'BF16'] });
    const batch = await cpu.load([piece]);
    const [plain] = await cpu.measure(batch, [0], { plain: true, axis: null, from: 'deltas' });
    const [found] = await cpu.measure(batch, [0], { plain: true, axis: null, from: 'deltas', isSurveyed: true });
    batch.release();
    expect(plain?.sizes).toBeNull();
    const sums = sumBlocks(plain?.plain ?? new Float64Array(), 3, 9000);
    expect(sumBlocks(found?.plain ?? new Float64Array(), 3, 9000, surveyQuantities(3))).toEqual(sums);
  });
});

describe('counts by size', () => {
  it('are kept without the empty bins at either end', () => {
    const sizes = new Float64Array(2 * SIZE_BINS);
    sizes[10] = 5;
    sizes[SIZE_BINS + 12] = 7;
    const { sizes: kept } = sumChanges(new Float64Array(), 2, sizes);
    expect(kept).toEqual({ first: 10, bins: 3, counts: Uint32Array.of(5, 0, 0, 0, 0, 7) });
    const none = sumChanges(new Float64Array(), 2, new Float64Array(2 * SIZE_BINS)).sizes;
    expect(none.bins).toBe(0);
  });
});

describe('pairs of models', () => {
  it('stand in the order (0,1), (0,2), (1,2), (0,3) …, whichever is named first', () => {
    const order = [
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 3],
      [1, 3],
      [2, 3],
    ] as const;
    order.forEach(([j, k], n) => {
      expect(pairOf(j, k)).toBe(n);
      expect(pairOf(k, j)).toBe(n);
    });
    expect(pairsOf(4)).toBe(order.length);
  });
});
