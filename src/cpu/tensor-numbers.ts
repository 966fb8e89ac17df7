/**
 * TensorNumbers: a tensor's numbers (parameters, coefficients, findings, thresholds) put where a kernel reads them: one
 * word each where a run's elements share it, a window of columns where every element has its own. Which numbers a
 * kernel reads is in `accessors.ts`.
 */

import { rowsOf, settled, type KernelNumbers, type Lines, type PieceShape } from '../methods/kernel.ts';
import { isLined, type CompiledKernel, type LinedSource, type NumberSource } from './compiled-kernel.ts';
import type { KernelMemory } from './kernel-memory.ts';

/** The numbers of one piece's tensor, for one kernel. */
export class TensorNumbers {
  readonly #memory: KernelMemory;
  readonly #kernel: CompiledKernel;
  readonly #piece: PieceShape;
  readonly #numbers: KernelNumbers;

  constructor(memory: KernelMemory, kernel: CompiledKernel, piece: PieceShape, numbers: KernelNumbers) {
    this.#memory = memory;
    this.#kernel = kernel;
    this.#piece = piece;
    this.#numbers = numbers;
  }

  /** Writes the numbers that are the same all over the tensor. */
  writeTensor(): void {
    this.#kernel.numbers.forEach((source, slot) => {
      if (!isLined(source)) {
        this.#writeOne(slot, source);
        return;
      }
      const lines = linesFor(source, this.#numbers);
      if (lines?.lines === 1) this.#memory.f32[slot] = lines.values[source.n] ?? 0;
    });
  }

  /**
   * Writes the numbers that are the same all over a row of the tensor.
   * @throws RangeError where there are others than the tensor's rows, or those that the piece touches.
   */
  writeRow(row: number): void {
    this.#kernel.numbers.forEach((source, slot) => {
      if (!isLined(source)) return;
      const lines = linesFor(source, this.#numbers);
      if (!lines || lines.lines === 1) return;
      this.#memory.f32[slot] = lines.values[lineAt(this.#piece, lines, source.n, row)] ?? 0;
    });
  }

  /**
   * Writes the numbers along columns of the window that begins at `first`.
   * @throws RangeError where there are not as many as columns.
   */
  writeColumns(first: number): void {
    const { tensor, rowElements } = this.#piece;
    const end = Math.min(rowElements, first + this.#kernel.window);
    for (const { what, address } of this.#kernel.columns) {
      const lines = linesFor(what, this.#numbers);
      if (!lines) continue;
      if (lines.lines !== rowElements) {
        throw new RangeError(`${tensor}: ${lines.lines} columns of numbers, not ${rowElements}`);
      }
      const from = what.n * lines.lines;
      this.#memory.f32.set(lines.values.subarray(from + first, from + end), address / 4);
    }
  }

  #writeOne(slot: number, source: Exclude<NumberSource, LinedSource>): void {
    const { f32, u32 } = this.#memory;
    const { params, perModel, slots } = this.#numbers;
    switch (source.kind) {
      case 'param':
        f32[slot] = settled(params[source.name]);
        break;
      case 'model':
        f32[slot] = settled(perModel[source.model]?.[source.name]);
        break;
      case 'bits':
        u32[slot] = slots.get(source.pass)?.bits[source.slot] ?? 0;
        break;
      case 'cut':
        u32[slot] = slots.get(source.pass)?.cuts[source.slot] ?? 0;
        break;
      case 'rowElements':
        u32[slot] = this.#piece.rowElements;
        break;
    }
  }
}

/** The lines that a number is one of; null of a pass without findings. */
function linesFor(source: LinedSource, numbers: KernelNumbers): Lines | null {
  return source.kind === 'coefficient' ? numbers.coefficients : (numbers.found.get(source.pass) ?? null);
}

/** Index of number n of a row: of the whole tensor's lines, or of those that the piece touches. */
function lineAt(piece: PieceShape, lines: Lines, n: number, row: number): number {
  const all = piece.tensorElements / piece.rowElements;
  if (lines.lines === all) return n * lines.lines + row;
  const { first, count } = rowsOf(piece);
  if (lines.lines !== count) throw new RangeError(`${piece.tensor}: ${lines.lines} rows of numbers, not ${all}`);
  return n * lines.lines + row - first;
}

/** Whether a kernel's numbers differ from row to row or from column to column. */
export function isByLines(kernel: CompiledKernel, numbers: KernelNumbers): boolean {
  if (kernel.columns.length > 0) return true;
  return kernel.numbers.some((source) => isLined(source) && (linesFor(source, numbers)?.lines ?? 1) > 1);
}
