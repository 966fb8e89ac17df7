/** The statistics, against plain loops in float64. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlendedDtype } from '../formats/dtype.ts';
import { BLOCK_ELEMENTS, blocksOf, type LoadedPiece } from '../methods/kernel.ts';
import { CpuKernels } from './kernels.ts';
import { decodedOf, pieceOf, wave, waves } from './test/kernel-bench.ts';

describe('statistics', () => {
  /** What `measure` gives, in plain loops. */
  function expected(
    piece: LoadedPiece,
    from: 'deltas' | 'sources',
    groups: readonly number[][],
    isPlain: boolean,
  ): number[][] {
    const sources = decodedOf(piece);
    const values = (i: number) =>
      from === 'sources'
        ? sources.map((s) => s[i] ?? 0)
        : sources.slice(1).map((s) => (s[i] ?? 0) - (sources[0]?.[i] ?? 0));
    const count = values(0).length;
    return groups.map((group) => {
      const gram: number[] = [];
      for (let k = 0; k < count; k++) {
        for (let j = 0; j <= k; j++)
          gram.push(group.reduce((sum, i) => sum + (values(i)[j] ?? 0) * (values(i)[k] ?? 0), 0));
      }
      const each = (make: (x: number[]) => number) =>
        Array.from({ length: count }, (_, k) => make(group.map((i) => Math.abs(values(i)[k] ?? 0))));
      const abs = each((x) => x.reduce((a, b) => a + b, 0));
      if (!isPlain) return [...gram, ...abs];
      return [...gram, ...abs, ...each((x) => Math.max(...x)), ...each((x) => x.filter((v) => v > 0).length)];
    });
  }

  function close(got: ArrayLike<number> | null, want: readonly number[]): void {
    expect(got?.length).toBe(want.length);
    want.forEach((value, n) => {
      if (!(Math.abs((got?.[n] ?? 0) - value) <= 1e-10 * (1 + Math.abs(value))))
        expect.fail(`${n}: ${got?.[n]} instead of ${value}`);
    });
  }

  it('are all products, absolute values, maxima and changes, by block, row and column', () => {
    fc.assert(
      fc.property(
        ...([
          fc.integer({ min: 1, max: 12 }),
          fc.integer({ min: 1, max: 900 }),
          fc.integer({ min: 1, max: 3 }),
        ] as const),
        ...([
          fc.constantFrom('deltas' as const, 'sources' as const),
          fc.constantFrom('row' as const, 'column' as const),
        ] as const),
        (rows, rowElements, models, from, axis) => {
          const elements = rows * rowElements;
          const dtypes = (['BF16', 'F32', 'F16', 'BF16'] as BlendedDtype[]).slice(0, models + 1);
          const start = rowElements * 2;
          const piece = pieceOf(waves(models + 1, elements), {
            ...{ hasBase: true, dtypes, start, rowElements, tensorElements: start + elements },
          });
          const got = new CpuKernels().measure(piece, { plain: true, axis, from });
          const range = (a: number, b: number) => Array.from({ length: b - a }, (_, n) => a + n);
          const blocks = [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)].map(([a, b]) => range(a, b));
          close(got.plain, expected(piece, from, blocks, true).flat());
          const groups =
            axis === 'row'
              ? range(0, rows).map((r) => range(r * rowElements, (r + 1) * rowElements))
              : range(0, rowElements).map((c) => range(0, rows).map((r) => r * rowElements + c));
          const lines = expected(piece, from, groups, false);
          close(
            got.lines,
            (lines[0] ?? []).flatMap((_, q) => lines.map((line) => line[q] ?? 0)),
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  it('know deltas far below float32’s squares', () => {
    const base = new Float32Array(100);
    const piece = pieceOf([base, base.map(() => 1e-30)], { hasBase: true });
    const { plain } = new CpuKernels().measure(piece, { plain: true, axis: null, from: 'deltas' });
    expect(plain?.[0]).toBeCloseTo(100 * Math.fround(1e-30) ** 2, 70);
    expect(plain?.[0]).toBeGreaterThan(0);
    expect(plain?.[3]).toBe(100);
  });

  it('are NaN where a source is, the maximum too', () => {
    const model = wave(5000, 2);
    model[4999] = Number.NaN;
    const piece = pieceOf([wave(5000, 1), model], { hasBase: true });
    const { plain } = new CpuKernels().measure(piece, { plain: true, axis: null, from: 'deltas' });
    expect([...(plain ?? [])].map(Number.isNaN)).toEqual([false, false, false, false, true, true, true, false]);
  });

  it('take as many sources as a merge may have', () => {
    const piece = pieceOf(waves(17, 130), { hasBase: true });
    const { plain } = new CpuKernels().measure(piece, { plain: true, axis: 'row', from: 'sources' });
    close(plain, expected(piece, 'sources', [Array.from({ length: 130 }, (_, i) => i)], true).flat());
  });
});
