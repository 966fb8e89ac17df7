/** Sums passes over blocks, rows and columns, of any cut of a tensor. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_ELEMENTS, blocksOf, rowsOf, type LoadedPiece } from '../methods/kernel.ts';
import type { Axis, SumPass } from '../methods/method.ts';
import {
  axes,
  decodedOf,
  kernelsOf,
  linesAlong,
  linesFor,
  methodFor,
  numbersFor,
  pieceOf,
  pieces,
  wave,
  waves,
} from './test/kernel-bench.ts';

describe('sums', () => {
  const pass = (over: Axis, isMaximum = false): SumPass => ({
    ...{ kind: 'sums', name: 'look', over, isMaximum },
    quantities: (models) => models + 2,
  });
  const text = `fn look(i: u32) {
    for (var k = 0u; k < MODELS; k++) { add(k, abs(model(k, i))); }
    if (model(0u, i) > 0.25) {
      add(MODELS, coefficient(0u, i));
      if (model(1u, i) > 0.0) { return; }
    }
    add(MODELS + 1u, 1.0);
  }`;
  /** What the kernel adds, per element. */
  const added = (models: readonly Float32Array[], coefficient: (i: number) => number, i: number): number[] => {
    const [a = 0, b = 0] = models.map((own) => own[i] ?? 0);
    const isOver = a > 0.25;
    return [Math.abs(a), Math.abs(b), isOver ? coefficient(i) : 0, isOver && b > 0 ? 0 : 1];
  };

  function check(
    cut: { rows: number; rowElements: number; tensorElements: number; start: number; elements: number },
    over: Axis,
    along: Axis,
    isMaximum: boolean,
  ): void {
    const piece: LoadedPiece = pieceOf(waves(2, cut.elements), cut);
    const models = decodedOf(piece);
    const own = pass(over, isMaximum);
    const numbers = numbersFor(2, {
      coefficients: linesFor(along, 2, linesAlong(along, cut.rows, cut.rowElements), (_, line) => line + 0.5),
    });
    const got = kernelsOf(text).sums(piece, methodFor({ passes: [own] }), own, numbers, null);
    const column = (i: number) => (cut.start + i) % cut.rowElements;
    const row = (i: number) => Math.floor((cut.start + i) / cut.rowElements);
    const coefficient = (i: number) => (along === 'tensor' ? 0 : along === 'row' ? row(i) : column(i)) + 0.5;
    const blocks = [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)];
    const { first, count } = rowsOf(piece);
    const lines = { tensor: blocks.length, row: count, column: cut.rowElements }[over];
    const want = new Float64Array(4 * lines);
    for (let i = 0; i < cut.elements; i++) {
      const line =
        over === 'column' ? column(i) : over === 'row' ? row(i) - first : blocks.findIndex(([, end]) => i < end);
      added(models, coefficient, i).forEach((value, q) => {
        const at = over === 'tensor' ? line * 4 + q : q * lines + line;
        want[at] = isMaximum ? Math.max(want[at] ?? 0, value) : (want[at] ?? 0) + value;
      });
    }
    expect(got.length).toBe(want.length);
    got.forEach((value, n) => {
      if (Math.abs(value - (want[n] ?? 0)) > 1e-12 * (1 + Math.abs(want[n] ?? 0)))
        expect.fail(`${n}: ${value} instead of ${want[n]}`);
    });
  }

  it('over blocks and rows are those of any cut', () => {
    fc.assert(
      fc.property(pieces, fc.constantFrom<Axis>('tensor', 'row'), axes, fc.boolean(), (cut, over, along, isMaximum) =>
        check(cut, over, along, isMaximum),
      ),
      { numRuns: 120 },
    );
  });

  it('over columns are those of any rows', () => {
    fc.assert(
      fc.property(pieces, axes, fc.boolean(), ({ rows, rowElements }, along, isMaximum) => {
        const from = Math.floor(rows / 3);
        const cut = { rows, rowElements, tensorElements: rows * rowElements };
        check({ ...cut, start: from * rowElements, elements: (rows - from) * rowElements }, 'column', along, isMaximum);
      }),
      { numRuns: 60 },
    );
  });

  it('over more columns than there is room for at once', () => {
    const cut = { rows: 3, rowElements: 20_001, tensorElements: 60_003, start: 0, elements: 60_003 };
    for (const along of ['column', 'row'] as const) check(cut, 'column', along, false);
  });

  it('over columns of a part of a row are refused', () => {
    const piece = pieceOf([wave(10, 1)], { rowElements: 4, tensorElements: 40 });
    const own = pass('column');
    const run = () =>
      kernelsOf('fn look(i: u32) {}').sums(piece, methodFor({ passes: [own] }), own, numbersFor(1), null);
    expect(run).toThrow(RangeError);
  });

  it.each([true, false])('are NaN where one of the values is (maximum: %s)', (isMaximum) => {
    for (const at of [0, 5, 4095, 4100]) {
      const values = wave(4101, 1).fill(1);
      values[at] = Number.NaN;
      const own = pass('tensor', isMaximum);
      const kernels = kernelsOf('fn look(i: u32) { add(0u, abs(model(0u, i))); }');
      const got = kernels.sums(pieceOf([values]), methodFor({ passes: [own] }), own, numbersFor(1), null);
      expect(got[at < 4096 ? 0 : 3]).toBeNaN();
      expect(got[at < 4096 ? 3 : 0]).not.toBeNaN();
    }
  });
});
