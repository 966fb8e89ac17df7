import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockCount, blocksOf, type PieceShape } from './arithmetic.ts';
import { BLOCK_ELEMENTS, cuts, layOut } from './layout.ts';
import type { BlendTensor } from './lineup.ts';
import { family } from './test/checkpoints.ts';

function shape(start: number, end: number, elements: number, rowElements: number): PieceShape {
  return { tensor: 't', start, elements: end - start, tensorElements: elements, rowElements, dtypes: ['F32'] };
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
        fc.boolean(),
        (rows, rowElements, most, byRows) => {
          const elements = rows * rowElements;
          const positions = cuts(elements, rowElements, most, byRows);
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

  it('fall on blocks of rows and of the whole tensor at once where that is possible', () => {
    const positions = cuts(64 * 896, 896, 30_000, false);
    expect(positions).toEqual(cuts(64 * 896, 896, 30_000, true));
    expect(positions.length).toBeGreaterThan(2);
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
  it('hold every element of every tensor once, small tensors together', () => {
    const [base, one] = family(1);
    const tensors: BlendTensor[] = [...(base?.tensors.values() ?? [])].map((entry) => ({
      name: entry.name,
      shape: entry.shape,
      elements: entry.elements,
      rowElements: entry.elements / (entry.shape[0] ?? 1),
      sources: [entry, one?.tensors.get(entry.name) ?? entry],
      dtypes: ['F32', 'F32'],
      out: 'F32',
    }));
    const batches = layOut(tensors, 20_000, false);
    expect(batches.length).toBeGreaterThan(1);
    expect(batches.length).toBeLessThan(tensors.length);
    const seen = new Map<number, number>();
    for (const batch of batches) {
      expect(batch.sourceBytes).toBeLessThanOrEqual(20_000);
      for (const piece of batch.pieces) {
        expect(piece.start).toBe(seen.get(piece.tensor) ?? 0);
        seen.set(piece.tensor, piece.end);
      }
    }
    tensors.forEach((tensor, i) => expect(seen.get(i)).toBe(tensor.elements));
  });
});
