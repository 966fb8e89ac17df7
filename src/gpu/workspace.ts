/**
 * Workspace: what every kind of work on a device shares: the pool, the kernels, the submission, the most that one
 * result may be, and the ranks that some methods' kernels ask for. Not the work.
 */

import type { Method } from '../methods/method.ts';
import type { Batch } from './batch.ts';
import { BlockQuantiser } from './block-quantising.ts';
import { BUFFER_USAGE, Buffers } from './buffers.ts';
import type { Device } from './device.ts';
import { type Kernels, kernelsOf } from './kernels.ts';
import { needsTurns, rankDispatches, rankWords } from './ranking.ts';
import { type BufferRange, type Dispatch, type ReadBack, startOf, Submission, type Wanted } from './submission.ts';

const RESULT_USAGE = BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST;

/** Takes a buffer from the pool for as long as the work takes. */
export type Take = (bytes: number) => BufferRange;

/** Ranks of some pieces: how they are made, and where each piece's begin. */
export interface Ranking {
  readonly dispatches: readonly Dispatch[];
  readonly range: BufferRange | null;
  readonly wordOf: (piece: number) => number;
}

/** Where nothing asks for ranks. */
export const NO_RANKING: Ranking = { dispatches: [], range: null, wordOf: () => 0 };

/** Cuts a list where one of its running sums would go beyond `most`; an item alone may. */
export function groupsWithin<T>(items: readonly T[], most: number, sizesOf: (item: T) => readonly number[]): T[][] {
  const groups: T[][] = [];
  let sums: number[] = [];
  for (const item of items) {
    const sizes = sizesOf(item);
    const group = groups.at(-1);
    if (!group || sizes.some((size, n) => (sums[n] ?? 0) + size > most)) {
      groups.push([item]);
      sums = [...sizes];
    } else {
      group.push(item);
      sums = sizes.map((size, n) => (sums[n] ?? 0) + size);
    }
  }
  return groups;
}

/** The shared means of one device. */
export class Workspace {
  readonly device: GPUDevice;
  readonly buffers: Buffers;
  readonly kernels: Kernels;
  readonly quantiser: BlockQuantiser;
  /** Most bytes of one result. */
  readonly limitBytes: number;
  readonly #submission: Submission;

  constructor(device: Device, limitBytes: number) {
    this.device = device.device;
    this.limitBytes = Math.min(limitBytes, device.bindingLimitBytes);
    this.buffers = new Buffers(device.device);
    this.kernels = kernelsOf(device.device);
    this.quantiser = new BlockQuantiser(device.device, this.buffers, device.bindingLimitBytes);
    this.#submission = new Submission(device.device, this.buffers, this.kernels.bindGroupLayout);
  }

  /** Runs dispatches over a batch. See `Submission.run`. */
  run(
    batch: Batch,
    dispatches: readonly Dispatch[],
    wanted: readonly Wanted[],
    counters: number,
    encodeLast?: (encoder: GPUCommandEncoder) => void,
  ): Promise<ReadBack> {
    return this.#submission.run(batch.words, dispatches, wanted, counters, encodeLast);
  }

  /** Lends buffers for as long as `use` takes. */
  async lend<T>(use: (take: Take) => Promise<T>): Promise<T> {
    const taken: GPUBuffer[] = [];
    try {
      return await use((bytes) => {
        const buffer = this.buffers.take(Math.max(4, bytes), RESULT_USAGE);
        taken.push(buffer);
        return startOf(buffer, bytes);
      });
    } finally {
      for (const buffer of taken) this.buffers.give(buffer);
    }
  }

  /** Bytes that a piece's ranks take, 0 where a method's kernels do not ask for them. */
  rankBytes(batch: Batch, method: Method | null, piece: number): number {
    return method?.ranks ? rankWords(batch.shape(piece)) * 4 : 0;
  }

  /** Ranks of the pieces that a method's kernels ask about. */
  async ranking(batch: Batch, method: Method | null, pieces: readonly number[], take: Take): Promise<Ranking> {
    if (!method?.ranks) return NO_RANKING;
    const words = new Map<number, number>();
    let total = 0;
    for (const piece of pieces) {
      if (words.has(piece)) continue;
      words.set(piece, total);
      total += rankWords(batch.shape(piece));
    }
    const range = take(total * 4);
    const isTurned = [...words.keys()].some((piece) => needsTurns(batch.shape(piece)));
    const turns = isTurned ? take(total * 4) : null;
    const pipelines = await this.kernels.ranks();
    const dispatches = [...words].flatMap(([piece, word]) =>
      rankDispatches(batch.shape(piece), batch.fields(piece), pipelines, word, range, turns),
    );
    return { dispatches, range, wordOf: (piece) => words.get(piece) ?? 0 };
  }
}
