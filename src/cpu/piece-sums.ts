/**
 * PieceSums: a kernel's totals over the blocks, rows or columns of one piece, as `MeasuredPiece` and sums passes want
 * them. Not which kernel (`kernels.ts`).
 */

import { BLOCK_ELEMENTS, blockCount, rowsOf } from '../methods/kernel.ts';
import type { KernelMemory } from './kernel-memory.ts';
import type { Kernel, Subject, TileRunner } from './tile-runner.ts';

/** Sums pieces, by kernels of one memory. */
export class PieceSums {
  readonly #memory: KernelMemory;
  readonly #runner: TileRunner;

  constructor(memory: KernelMemory, runner: TileRunner) {
    this.#memory = memory;
    this.#runner = runner;
  }

  /**
   * Blocks × quantities, the blocks counted over the tensor as one row.
   * @param atRows whether the kernel's numbers differ by row or column.
   */
  overBlocks(kernel: Kernel, subject: Subject, atRows: boolean): Float64Array<ArrayBuffer> {
    const memory = this.#memory;
    const { piece } = subject;
    const { quantities } = kernel;
    const out = new Float64Array(blockCount(piece, piece.tensorElements, BLOCK_ELEMENTS) * quantities);
    const firstBlock = Math.floor(piece.start / BLOCK_ELEMENTS);
    memory.clear(kernel);
    this.#runner.run(kernel, {
      ...subject,
      ...{ from: 0, to: piece.elements, atRows, atBlocks: true },
      after: (from, to) => {
        if ((piece.start + to) % BLOCK_ELEMENTS !== 0 && to !== piece.elements) return;
        const block = Math.floor((piece.start + from) / BLOCK_ELEMENTS) - firstBlock;
        for (let q = 0; q < quantities; q++) out[block * quantities + q] = memory.total(kernel, q);
        memory.clear(kernel);
      },
    });
    return out;
  }

  /** Quantities × rows that the piece touches. */
  overRows(kernel: Kernel, subject: Subject): Float64Array<ArrayBuffer> {
    const memory = this.#memory;
    const { piece } = subject;
    const { first, count } = rowsOf(piece);
    const out = new Float64Array(kernel.quantities * count);
    memory.clear(kernel);
    this.#runner.run(kernel, {
      ...subject,
      ...{ from: 0, to: piece.elements, atRows: true, atBlocks: false },
      after: (from, to) => {
        if ((piece.start + to) % piece.rowElements !== 0 && to !== piece.elements) return;
        const row = Math.floor((piece.start + from) / piece.rowElements) - first;
        for (let q = 0; q < kernel.quantities; q++) out[q * count + row] = memory.total(kernel, q);
        memory.clear(kernel);
      },
    });
    return out;
  }

  /**
   * Quantities × columns.
   * @throws RangeError where the piece's rows are not whole.
   */
  overColumns(kernel: Kernel, subject: Subject): Float64Array<ArrayBuffer> {
    const { piece } = subject;
    const { rowElements, elements, start } = piece;
    if (start % rowElements !== 0 || elements % rowElements !== 0) {
      throw new RangeError(`${piece.tensor}: a sum over columns needs whole rows`);
    }
    const out = new Float64Array(kernel.quantities * rowElements);
    const { window, totals, totalsStride } = kernel;
    for (let column = 0; column < rowElements; column += window) {
      const end = Math.min(rowElements, column + window);
      this.#memory.clear(kernel);
      // Of rows that fit, as many at once as there are; of longer ones the window's part of each.
      const isWhole = end - column === rowElements;
      const step = isWhole ? elements : rowElements;
      for (let at = 0; at < elements; at += step) {
        const [from, to] = isWhole ? [0, elements] : [at + column, at + end];
        this.#runner.run(kernel, { ...subject, from, to, atRows: true, atBlocks: false });
      }
      for (let q = 0; q < kernel.quantities; q++) {
        const address = (totals + q * totalsStride) / 8;
        out.set(this.#memory.f64.subarray(address, address + end - column), q * rowElements + column);
      }
    }
    return out;
  }
}
