/** Numbers along rows and columns, as kernels read them. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linesOf } from '../methods/kernel.ts';
import type { Axis, SumPass } from '../methods/method.ts';
import {
  axes,
  decodedOf,
  linesAlong,
  linesFor,
  mergedBy,
  methodFor,
  numbersFor,
  pieceOf,
  pieces,
  wave,
  waves,
} from './test/kernel-bench.ts';

describe('numbers along an axis', () => {
  it('are each element’s own, wherever the piece begins', () => {
    fc.assert(
      fc.property(pieces, axes, axes, fc.boolean(), (cut, axis, other, isCut) => {
        const { rows, rowElements, start, elements } = cut;
        const finding = { over: other, width: () => 3, from: () => new Float64Array() };
        const pass: SumPass = { kind: 'sums', name: 'look', over: 'tensor', quantities: () => 1, finds: finding };
        const method = methodFor({ passes: [pass], extraCoefficients: 1 });
        const piece = pieceOf(waves(2, elements), cut);
        const value = (n: number, line: number) => n * 1000 + line;
        const coefficients = linesFor(axis, 3, linesAlong(axis, rows, rowElements), value);
        const found = linesFor(other, 3, linesAlong(other, rows, rowElements), value);
        const numbers = numbersFor(2, {
          coefficients: isCut ? linesOf(piece, coefficients) : coefficients,
          found: new Map([['look', isCut ? linesOf(piece, found) : found]]),
        });
        const text = `fn look(i: u32) { add(0u, 1.0); }
          fn merge(i: u32) -> f32 { return coefficient(2u, i) + 8000.0 * found_look(1u, i); }`;
        const got = mergedBy(text, piece, numbers, method);
        const at = (along: Axis, i: number) =>
          along === 'tensor' ? 0 : along === 'row' ? Math.floor((start + i) / rowElements) : (start + i) % rowElements;
        for (let i = 0; i < elements; i++) {
          const want = Math.fround(value(2, at(axis, i)) + Math.fround(8000 * value(1, at(other, i))));
          if (got[i] !== want) expect.fail(`element ${i}: ${got[i]} instead of ${want}`);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('along more columns than are in memory at once', () => {
    const rowElements = 70_003;
    const piece = pieceOf(waves(1, rowElements + 500), { start: 69_900, tensorElements: 3 * rowElements, rowElements });
    const numbers = numbersFor(1, { coefficients: linesFor('column', 1, rowElements, (_, line) => line) });
    const got = mergedBy('fn merge(i: u32) -> f32 { return coefficient(0u, i); }', piece, numbers);
    got.forEach((value, i) => {
      if (value !== (69_900 + i) % rowElements) expect.fail(`element ${i}: ${value}`);
    });
  });

  it('of a pass that was not needed are zero', () => {
    const finding = { over: 'row' as const, width: () => 1, from: () => new Float64Array() };
    const pass: SumPass = { kind: 'sums', name: 'look', over: 'row', quantities: () => 1, finds: finding };
    const text = 'fn look(i: u32) {} fn merge(i: u32) -> f32 { return model(0u, i) + found_look(0u, i); }';
    const piece = pieceOf([wave(7, 1)]);
    expect(mergedBy(text, piece, numbersFor(1), methodFor({ passes: [pass] }))).toEqual(decodedOf(piece)[0]);
  });

  it('of another length than the tensor’s are refused', () => {
    const piece = pieceOf([wave(12, 1)], { rowElements: 4, start: 0, tensorElements: 40 });
    const numbers = numbersFor(1, { coefficients: linesFor('row', 1, 5, () => 1) });
    expect(() => mergedBy('fn merge(i: u32) -> f32 { return coefficient(0u, i); }', piece, numbers)).toThrow(
      RangeError,
    );
  });
});
