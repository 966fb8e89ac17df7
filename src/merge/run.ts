/**
 * Run: obeys a layout. Batches are read, computed and handed on with several under way at once, in order, and
 * stop between two of them when asked. Sources may stay at the arithmetic (`Residents`), so that the next run
 * reads nothing. It decides nothing: weights, layout and place come from outside.
 */

import { MalformedFault, throwIfCancelled } from '../bytes/fault.ts';
import { readTensor } from '../formats/checkpoint.ts';
import type { RowSums } from '../methods/method.ts';
import type { Arithmetic, LoadedBatch, LoadedPiece, PieceWork } from './arithmetic.ts';
import type { Batch, Piece } from './layout.ts';
import { BLOCK_ELEMENTS } from './layout.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import type { LiveWeights } from './live-weights.ts';
import { quantityCount, sumBlocks, type Statistics } from './statistics.ts';
import type { TensorWeights } from './weights.ts';

/** What a run reports as it goes: source bytes finished since it began. */
export type OnBytes = (bytesDone: number) => void;

/** How a run may be stopped and watched. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: OnBytes | undefined;
}

/** Batches kept where the arithmetic is, by their index in one layout. */
export class Residents {
  readonly #batches = new Map<number, LoadedBatch>();

  get(index: number): LoadedBatch | undefined {
    return this.#batches.get(index);
  }

  keep(index: number, batch: LoadedBatch): void {
    this.#batches.set(index, batch);
  }

  /** Bytes kept. */
  get bytes(): number {
    let bytes = 0;
    for (const batch of this.#batches.values()) bytes += batch.bytes;
    return bytes;
  }

  /** Gives everything back. */
  dispose(): void {
    for (const batch of this.#batches.values()) batch.release();
    this.#batches.clear();
  }
}

/** The task's results in the order of their index, with at most `depth` tasks under way. */
export async function* inOrder<T>(
  indices: readonly number[],
  depth: number,
  signal: AbortSignal | undefined,
  task: (index: number) => Promise<T>,
): AsyncGenerator<T> {
  const underWay: Promise<T>[] = [];
  let next = 0;
  try {
    while (next < indices.length || underWay.length > 0) {
      throwIfCancelled(signal);
      while (next < indices.length && underWay.length < depth) {
        const started = task(indices[next++] ?? 0);
        // Awaited below, in order; until then a rejection is nobody's and must not end the process.
        started.catch(() => undefined);
        underWay.push(started);
      }
      const head = underWay[0];
      if (head) yield await head;
      underWay.shift();
    }
  } finally {
    // What is still under way holds buffers: it has to end before its owner can let go of them.
    await Promise.allSettled(underWay);
  }
}

/** Reads a piece's sources, all at once. */
async function readPiece(tensor: BlendTensor, piece: Piece): Promise<LoadedPiece> {
  const bytes = await Promise.all(
    tensor.sources.map((source) => {
      const size = (source.end - source.start) / tensor.elements;
      return readTensor(source, piece.start * size, piece.end * size);
    }),
  );
  return {
    tensor: tensor.name,
    start: piece.start,
    elements: piece.end - piece.start,
    tensorElements: tensor.elements,
    rowElements: tensor.rowElements,
    dtypes: tensor.dtypes,
    bytes,
  };
}

/** One lineup, cut by one layout, at one place. */
export class Run {
  readonly lineup: Lineup;
  readonly batches: readonly Batch[];
  readonly #arithmetic: Arithmetic;
  readonly #residents: Residents | null;

  /** @param residents where sources stay between runs; null where they are read again each time. */
  constructor(lineup: Lineup, batches: readonly Batch[], arithmetic: Arithmetic, residents: Residents | null) {
    this.lineup = lineup;
    this.batches = batches;
    this.#arithmetic = arithmetic;
    this.#residents = residents;
  }

  #tensor(piece: Piece): BlendTensor {
    const tensor = this.lineup.tensors[piece.tensor];
    if (!tensor) throw new Error(`no tensor ${piece.tensor}`);
    return tensor;
  }

  async #withBatch<T>(
    index: number,
    signal: AbortSignal | undefined,
    use: (batch: LoadedBatch) => Promise<T>,
  ): Promise<T> {
    throwIfCancelled(signal);
    const kept = this.#residents?.get(index);
    if (kept) return use(kept);
    const pieces = this.batches[index]?.pieces ?? [];
    const read = await Promise.all(pieces.map((piece) => readPiece(this.#tensor(piece), piece)));
    throwIfCancelled(signal);
    const batch = await this.#arithmetic.load(read);
    if (this.#residents) {
      this.#residents.keep(index, batch);
      return use(batch);
    }
    try {
      return await use(batch);
    } finally {
      batch.release();
    }
  }

  /**
   * One statistics pass over the tensors that are not measured yet.
   * Throws MalformedFault where a source holds NaN or infinity, since its change then has no size.
   */
  async measure(statistics: Statistics, byRow: boolean, options: RunOptions = {}): Promise<void> {
    const models = this.lineup.models.length;
    const quantities = quantityCount(models);
    const dueTensors = new Set(
      this.lineup.tensors
        .map((tensor) => tensor.name)
        .filter((name) => !statistics.has(name) || (byRow && !statistics.hasRows(name))),
    );
    // Sums that are kept are never taken again: a change of granularity must not change them in the last bit.
    const plain = this.lineup.tensors.some(({ name }) => dueTensors.has(name) && !statistics.has(name));
    const isDue = (piece: Piece) => dueTensors.has(this.#tensor(piece).name);
    const due = this.batches.flatMap((batch, index) => (batch.pieces.some(isDue) ? [index] : []));
    const measured = inOrder(due, this.#arithmetic.depth, options.signal, (index) =>
      this.#withBatch(index, options.signal, async (batch) => ({
        index,
        pieces: await this.#arithmetic.measure(batch, { plain, byRow }),
      })),
    );
    let blocks: Float64Array[] = [];
    let rows: RowSums | null = null;
    let done = 0;
    for await (const { index, pieces } of measured) {
      const batch = this.batches[index];
      batch?.pieces.forEach((piece, p) => {
        if (!isDue(piece)) return;
        const tensor = this.#tensor(piece);
        if (piece.start === 0) {
          blocks = [];
          rows = byRow ? emptyRows(tensor, models) : null;
        }
        const found = pieces[p];
        if (found?.plain) blocks.push(found.plain);
        if (found?.byRow && rows) addRows(rows, found.byRow, piece, quantities, models);
        if (piece.end < tensor.elements) return;
        if (rows) statistics.keepRows(tensor.name, rows);
        if (statistics.has(tensor.name)) return;
        const sums = sumBlocks(joined(blocks), models, tensor.elements);
        if (![...sums.gram, ...sums.abs].every(Number.isFinite)) {
          const models = this.lineup.models
            .filter((_, k) => !Number.isFinite(sums.abs[k] ?? 0))
            .map((model) => model.name);
          throw new MalformedFault(
            `${tensor.name} holds NaN, infinity or numbers too large to square in ${models.join(', ') || 'one of the models'}, so its change from the base cannot be measured; leave that model out or export it again.`,
            { tensors: [tensor.name], models },
          );
        }
        statistics.keep(tensor.name, sums);
      });
      done += batch?.sourceBytes ?? 0;
      options.onBytes?.(done);
    }
  }

  #work(
    index: number,
    weights: ReadonlyMap<string, TensorWeights>,
    isWanted: (tensor: string) => boolean,
  ): PieceWork[] {
    return (this.batches[index]?.pieces ?? []).flatMap((piece, p) => {
      const tensor = this.#tensor(piece);
      const own = weights.get(tensor.name);
      return own && isWanted(tensor.name) ? [{ piece: p, weights: own, out: tensor.out }] : [];
    });
  }

  /** Merges the wanted tensors into live weights; resolves with the faulty elements per tensor that has any. */
  async mergeInto(
    live: LiveWeights,
    weights: ReadonlyMap<string, TensorWeights>,
    isWanted: (tensor: string) => boolean,
    options: RunOptions = {},
  ): Promise<Map<string, number>> {
    const faulty = new Map<string, number>();
    const due = this.batches.flatMap((_, index) => (this.#work(index, weights, isWanted).length > 0 ? [index] : []));
    const merged = inOrder(due, this.#arithmetic.depth, options.signal, (index) => {
      const work = this.#work(index, weights, isWanted);
      return this.#withBatch(index, options.signal, async (batch) => ({
        index,
        work,
        counts: await this.#arithmetic.mergeInto(batch, this.lineup.method, work, live),
      }));
    });
    let done = 0;
    for await (const { index, work, counts } of merged) {
      work.forEach((item, n) => this.#count(faulty, index, item, counts[n] ?? 0));
      done += this.batches[index]?.sourceBytes ?? 0;
      options.onBytes?.(done);
    }
    return faulty;
  }

  #count(faulty: Map<string, number>, index: number, item: PieceWork, count: number): void {
    const piece = this.batches[index]?.pieces[item.piece];
    if (!piece || count === 0) return;
    const { name } = this.#tensor(piece);
    faulty.set(name, (faulty.get(name) ?? 0) + count);
  }

  /** Merges everything into bytes, piece by piece in the lineup's order. */
  async *merge(
    weights: ReadonlyMap<string, TensorWeights>,
    faulty: Map<string, number>,
    options: RunOptions = {},
  ): AsyncGenerator<{ readonly tensor: string; readonly bytes: Uint8Array<ArrayBuffer> }> {
    const all = this.batches.map((_, index) => index);
    const merged = inOrder(all, this.#arithmetic.depth, options.signal, (index) => {
      const work = this.#work(index, weights, () => true);
      return this.#withBatch(index, options.signal, async (batch) => ({
        index,
        work,
        pieces: await this.#arithmetic.merge(batch, this.lineup.method, work),
      }));
    });
    let done = 0;
    for await (const { index, work, pieces } of merged) {
      // Told before they are handed on: after the last piece nobody asks again.
      done += this.batches[index]?.sourceBytes ?? 0;
      options.onBytes?.(done);
      for (const [n, item] of work.entries()) {
        const piece = this.batches[index]?.pieces[item.piece];
        const result = pieces[n];
        if (!piece || !result) continue;
        this.#count(faulty, index, item, result.faulty);
        yield { tensor: this.#tensor(piece).name, bytes: result.bytes };
      }
    }
  }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function emptyRows(tensor: BlendTensor, models: number): RowSums {
  const rows = tensor.elements / tensor.rowElements;
  return {
    rows,
    rowElements: tensor.rowElements,
    square: new Float64Array(models * rows),
    abs: new Float64Array(models * rows),
  };
}

/** Adds a piece's blocks to the rows that they lie in, in order. */
function addRows(sums: RowSums, partials: Float64Array, piece: Piece, quantities: number, models: number): void {
  const pairs = (models * (models + 1)) / 2;
  const blocksPerRow = Math.ceil(sums.rowElements / BLOCK_ELEMENTS);
  const firstRow = Math.floor(piece.start / sums.rowElements);
  const firstBlock = Math.floor((piece.start % sums.rowElements) / BLOCK_ELEMENTS);
  for (let b = 0; b * quantities < partials.length; b++) {
    const row = firstRow + Math.floor((firstBlock + b) / blocksPerRow);
    for (let k = 0; k < models; k++) {
      const at = k * sums.rows + row;
      // The diagonal of Gram's upper triangle, column by column.
      const diagonal = (k * (k + 1)) / 2 + k;
      sums.square[at] = (sums.square[at] ?? 0) + (partials[b * quantities + diagonal] ?? 0);
      sums.abs[at] = (sums.abs[at] ?? 0) + (partials[b * quantities + pairs + k] ?? 0);
    }
  }
}
