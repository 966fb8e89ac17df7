import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_ELEMENTS, blockCount, blocksOf, COLUMN_BLOCK_ROWS, type PieceShape } from '../methods/kernel.ts';
import { cuts, layOut } from './layout.ts';
import type { BlendTensor } from './lineup.ts';
import { family } from './test/checkpoints.ts';

function shape(start: number, end: number, elements: number, rowElements: number): PieceShape {
  return {
    tensor: 't',
    start,
    elements: end - start,
    tensorElements: elements,
    rowElements,
    hasBase: false,
    dtypes: ['F32'],
  };
}

/** Block boundaries in the whole tensor, as cut into pieces. */
function boundaries(positions: readonly number[], elements: number, rowElements: number, along: number): number[] {
  const out: number[] = [];
  for (let p = 0; p + 1 < positions.length; p++) {
    const start = positions[p] ?? 0;
    const piece = shape(start, positions[p + 1] ?? 0, elements, rowElements);
    for (const [from] of blocksOf(piece, along, BLOCK_ELEMENTS)) out.push(start + from);
  }
  return out;
}

describe('cuts', () => {
  it('cover a tensor without gaps, within the limit, and never move a block of the statistics', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.constantFrom('block' as const, 'row' as const),
        (rows, rowElements, most, rule) => {
          const byRows = rule === 'row';
          const elements = rows * rowElements;
          const positions = cuts(elements, rowElements, most, rule);
          expect(positions[0]).toBe(0);
          expect(positions.at(-1)).toBe(elements);
          for (let p = 0; p + 1 < positions.length; p++) {
            const size = (positions[p + 1] ?? 0) - (positions[p] ?? 0);
            expect(size).toBeGreaterThan(0);
            expect(size).toBeLessThanOrEqual(Math.max(BLOCK_ELEMENTS, most));
          }
          const along = byRows ? rowElements : elements;
          expect(boundaries(positions, elements, rowElements, along)).toEqual(
            boundaries([0, elements], elements, rowElements, along),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keep bands of rows together, under every rule, and never move a block of the statistics', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.constantFrom('block' as const, 'row' as const, 'whole-row' as const, 'row-block' as const),
        (bands, rowBlocks, most, rule) => {
          const rowElements = 32 * rowBlocks;
          const elements = bands * 32 * rowElements;
          const positions = cuts(elements, rowElements, most, rule, 32);
          expect([positions[0], positions.at(-1)]).toEqual([0, elements]);
          for (const at of positions) expect(at % (32 * rowElements)).toBe(0);
          const sizes = positions.slice(1).map((end, p) => end - (positions[p] ?? 0));
          // Bands that end where blocks of the statistics do.
          expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.max(BLOCK_ELEMENTS, most, 128 * rowElements));
          expect(Math.min(...sizes)).toBeGreaterThan(0);
          const along = rule === 'row' ? rowElements : elements;
          if (rule === 'whole-row' || rule === 'row-block') return;
          expect(boundaries(positions, elements, rowElements, along)).toEqual(
            boundaries([0, elements], elements, rowElements, along),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('fall on blocks of rows and of the whole tensor at once where that is possible', () => {
    const positions = cuts(256 * 896, 896, 60_000, 'row');
    expect(positions.length).toBeGreaterThan(2);
    expect(positions).toEqual(cuts(256 * 896, 896, 60_000, 'block'));
    for (const at of positions) expect([at % 896, at % BLOCK_ELEMENTS]).toEqual([0, 0]);
  });

  it('never part a row where ranks are wanted, and keep blocks of rows where columns are summed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 9000 }),
        fc.integer({ min: 1, max: 60_000 }),
        (rows, rowElements, most) => {
          const whole = cuts(rows * rowElements, rowElements, most, 'whole-row');
          expect(whole.every((at) => at % rowElements === 0)).toBe(true);
          expect(new Set(whole).size).toBe(whole.length);
          const columns = cuts(rows * rowElements, rowElements, most, 'row-block');
          const unit = rowElements * COLUMN_BLOCK_ROWS <= Math.max(BLOCK_ELEMENTS, most) ? COLUMN_BLOCK_ROWS : 1;
          expect(columns.slice(0, -1).every((at) => (at / rowElements) % unit === 0)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('blocks', () => {
  it('are counted as they are listed', () => {
    expect(blockCount(shape(0, 10_000, 10_000, 5000), 5000, 4096)).toBe(4);
    expect([...blocksOf(shape(4096, 10_000, 10_000, 5000), 5000, 4096)]).toEqual([
      [0, 904],
      [904, 5000],
      [5000, 5904],
    ]);
  });
});

describe('batches', () => {
  it('of tiny tensors end before they are thousands of dispatches', () => {
    const [base] = family(1);
    const [entry] = base?.tensors.values() ?? [];
    if (!entry) throw new Error('no tensor');
    const tiny: BlendTensor = {
      ...{ name: entry.name, shape: [2], elements: 2, rowElements: 2, hasBase: false, modelOf: [0], params: {} },
      ...{ sources: [{ ...entry, elements: 2, end: entry.start + 8 }], perModel: [{}], dtypes: ['F32'], out: 'F32' },
    };
    const { batches, groups } = layOut(Array<BlendTensor>(10_000).fill(tiny), 2 ** 24, () => 'block');
    expect(batches.reduce((sum, { pieces }) => sum + pieces.length, 0)).toBe(10_000);
    expect(Math.max(...batches.map(({ pieces }) => pieces.length))).toBe(2048);
    expect(groups).toHaveLength(batches.length);
  });

  it('hold every element of every tensor once, small tensors together', () => {
    const [base, one] = family(1);
    const tensors: BlendTensor[] = [...(base?.tensors.values() ?? [])].map((entry) => ({
      name: entry.name,
      shape: entry.shape,
      elements: entry.elements,
      rowElements: entry.elements / (entry.shape[0] ?? 1),
      sources: [entry, one?.tensors.get(entry.name) ?? entry],
      hasBase: true,
      modelOf: [0],
      params: {},
      perModel: [{}],
      dtypes: ['F32', 'F32'],
      out: 'F32',
    }));
    for (const batchBytes of [20_000, 2_000_000]) {
      const { batches, groups } = layOut(tensors, batchBytes, () => 'block');
      const seen = new Map<number, number>();
      for (const batch of batches) {
        expect(batch.sourceBytes).toBeLessThanOrEqual(Math.max(batchBytes, BLOCK_ELEMENTS * 8));
        for (const piece of batch.pieces) {
          expect(piece.start).toBe(seen.get(piece.tensor) ?? 0);
          seen.set(piece.tensor, piece.end);
        }
      }
      tensors.forEach((tensor, i) => expect(seen.get(i)).toBe(tensor.elements));
      // A group is one batch of whole tensors, or all batches of one tensor.
      expect(groups.reduce((sum, group) => sum + group.count, 0)).toBe(batches.length);
      for (const { first, count, sourceBytes } of groups) {
        const own = batches.slice(first, first + count);
        expect(sourceBytes).toBe(own.reduce((sum, batch) => sum + batch.sourceBytes, 0));
        const touched = new Set(own.flatMap((batch) => batch.pieces.map(({ tensor }) => tensor)));
        if (count > 1) expect(touched.size).toBe(1);
        for (const index of touched) {
          const ends = own.flatMap((batch) => batch.pieces.filter(({ tensor }) => tensor === index));
          expect(ends[0]?.start).toBe(0);
          expect(ends.at(-1)?.end).toBe(tensors[index]?.elements);
        }
      }
    }
  });
});
