/**
 * TileRunner: runs a kernel over a part of a piece, tile by tile: brings sources, ranks and random numbers into memory
 * and ends runs where numbers or totals change. Not what comes of the results (`kernels.ts`, `piece-sums.ts`).
 */

import { elementBytes } from '../formats/dtype.ts';
import { BLOCK_ELEMENTS, type KernelNumbers, type LoadedPiece } from '../methods/kernel.ts';
import { RANDOM_OFFSET } from './accessors.ts';
import type { CompiledKernel } from './compiled-kernel.ts';
import type { KernelMemory } from './kernel-memory.ts';
import { ranksAreShort } from './kernel-shape.ts';
import { PHILOX_GROUP, philoxModule } from './philox.ts';
import { TensorNumbers } from './tensor-numbers.ts';
import { TILE_ELEMENTS } from './tile-loop.ts';
import { functionOf } from './wasm.ts';

/**
 * Per model of a piece: the position of |δ| within its row, ascending from 0, of every element of the piece. 16 bits do
 * where `ranksAreShort`.
 */
export type Ranks = readonly (Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>)[];

/** A kernel that can be run: see `CompiledKernel.module`. */
export interface Kernel extends CompiledKernel {
  readonly run: (from: number, to: number, absolute: number, shift: number) => void;
}

/** What kernels are run over. */
export interface Subject {
  readonly piece: LoadedPiece;
  /** Null of the statistics, which read none. */
  readonly numbers: KernelNumbers | null;
  /** For methods that declare `ranks`; null for all others. */
  readonly ranks: Ranks | null;
}

/** A part of a piece, and what is done on the way. */
export interface Job extends Subject {
  /** Elements of the piece, [from, to). */
  readonly from: number;
  readonly to: number;
  /** Where runs end beside at a tile's end: at rows, at the tensor's blocks. */
  readonly atRows: boolean;
  readonly atBlocks: boolean;
  /** After a run of elements of the piece, [from, to). */
  readonly after?: (from: number, to: number) => void;
  /** After a tile. */
  readonly tile?: (from: number, to: number) => void;
}

type Fill = (address: number, block: number, groups: number, key0: number, key1: number) => void;

/** Runs kernels in one memory. */
export class TileRunner {
  readonly #memory: KernelMemory;
  #fill: Fill | null = null;

  constructor(memory: KernelMemory) {
    this.#memory = memory;
  }

  /**
   * Runs a kernel over a part of a piece.
   * @throws RangeError where bytes, ranks, random streams or lines are not as many as the piece needs.
   */
  run(kernel: Kernel, job: Job): void {
    requireWhole(kernel, job);
    const { piece, to } = job;
    const { start, rowElements } = piece;
    const { window } = kernel;
    const hasColumns = kernel.columns.length > 0 || kernel.totalsStride > 0;
    const numbers = job.numbers ? new TensorNumbers(this.#memory, kernel, piece, job.numbers) : null;
    let row = Math.floor((start + job.from) / rowElements);
    numbers?.writeTensor();
    numbers?.writeRow(row);
    let windowAt = -1;
    for (let at = job.from; at < to; ) {
      let end = Math.min(to, at + TILE_ELEMENTS);
      if (hasColumns && rowElements > window) {
        // A tile stays within its row's window.
        const column = (start + at) % rowElements;
        end = Math.min(end, at + window - (column % window), at + rowElements - column);
      }
      this.#load(kernel, job, at, end);
      for (let from = at; from < end; ) {
        let stop = end;
        if (job.atRows) stop = Math.min(stop, from + rowElements - ((start + from) % rowElements));
        if (job.atBlocks) stop = Math.min(stop, from + BLOCK_ELEMENTS - ((start + from) % BLOCK_ELEMENTS));
        let shift = 0;
        if (job.atRows) {
          const own = Math.floor((start + from) / rowElements);
          if (own !== row) numbers?.writeRow(own);
          row = own;
          if (hasColumns) {
            const column = (start + from) % rowElements;
            const first = column - (column % window);
            if (first !== windowAt) numbers?.writeColumns(first);
            windowAt = first;
            shift = column - first - (from - at);
          }
        }
        kernel.run(from - at, stop - at, (start + at) | 0, shift);
        job.after?.(from, stop);
        from = stop;
      }
      job.tile?.(at, end);
      at = end;
    }
  }

  /** Brings what a tile reads into memory. */
  #load(kernel: Kernel, { piece, numbers, ranks }: Job, from: number, to: number): void {
    const { memory, u8, u16, u32 } = this.#memory;
    for (const { what, address } of kernel.sources) {
      const size = elementBytes(piece.dtypes[what] ?? 'F32');
      const bytes = piece.bytes[what];
      if (bytes) u8.set(bytes.subarray(from * size, to * size), address);
    }
    for (const { what, address } of kernel.ranks) {
      const own = ranks?.[what];
      if (!own) continue;
      if (ranksAreShort(piece.rowElements)) u16.set(own.subarray(from, to), address / 2);
      else u32.set(own.subarray(from, to), address / 4);
    }
    const first = piece.start + from;
    // A block of random numbers belongs to four elements; the tile's first may be any of them.
    const lane = first % 4;
    for (const { what, address } of kernel.randoms) {
      const key = numbers?.streams[what];
      if (!key) continue;
      const groups = Math.ceil((lane + to - from) / PHILOX_GROUP);
      this.#fill ??= functionOf<Fill>(philoxModule(), memory);
      this.#fill(address + RANDOM_OFFSET - 4 * lane, Math.floor(first / 4) | 0, groups, key[0] | 0, key[1] | 0);
    }
  }
}

function requireWhole(kernel: Kernel, { piece, numbers, ranks }: Job): void {
  piece.dtypes.forEach((dtype, s) => {
    const wanted = piece.elements * elementBytes(dtype);
    if (piece.bytes[s]?.length !== wanted) {
      throw new RangeError(`${piece.tensor}: source ${s} has ${piece.bytes[s]?.length} bytes, not ${wanted}`);
    }
  });
  for (const { what } of kernel.ranks) {
    if (ranks?.[what]?.length !== piece.elements) throw new RangeError(`${piece.tensor}: model ${what} has no ranks`);
  }
  for (const { what } of kernel.randoms) {
    if (!numbers?.streams[what]) throw new RangeError(`${piece.tensor}: model ${what} has no random stream`);
  }
}
