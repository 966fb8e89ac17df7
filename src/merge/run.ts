/**
 * Run: obeys a layout. Groups of batches are read, looked through, merged and handed on, with several under way at
 * once, in order, and stop between two batches when asked. A group that fits is held at the place while its passes run,
 * so that its bytes are read once; a larger one is read again for each. Sources may stay there altogether
 * (`Residents`), so that the next run reads nothing. It decides nothing: layout, method and place come from outside.
 */

import { throwIfCancelled } from '../bytes/fault.ts';
import { elementBytes } from '../formats/dtype.ts';
import type { Arithmetic, LoadedBatch, MergeWork, MergedPiece } from './arithmetic.ts';
import { EvidenceFinder } from './evidence.ts';
import { Holding, type Loan, type Residents } from './holding.ts';
import { inOrder, type Limits } from './in-order.ts';
import type { Group, Piece } from './layout.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import type { LiveWeights } from './live-weights.ts';
import { isMeasuringDue, type MeasureWish } from './measure-wish.ts';
import { Permits } from './permits.ts';
import type { Plan } from './plan.ts';
import { readPieces } from './reading.ts';
import type { Station, Visit } from './station.ts';
import type { Statistics } from './statistics.ts';
import { signature, type TensorWeights } from './weights.ts';

/** What a run reports as it goes: source bytes finished since it began. */
export type OnBytes = (bytesDone: number) => void;

/** How a run may be stopped and watched. */
export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: OnBytes | undefined;
  /** What is measured beside what the method needs, while its tensors are at the place. Nothing, where left out. */
  readonly wish?: MeasureWish | undefined;
}

/** A merged piece on its way into a file. */
export interface OutputPiece {
  readonly tensor: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many elements are NaN or infinite. */
  readonly faulty: number;
  /** Σ x² of every source of the piece and, last, of the result; null where no audit was asked for. */
  readonly squares: Float64Array | null;
}

/** Sources that stay at the place and are more than a lineup takes, as after a mute. */
export interface WiderSources {
  /** The lineup's tensors with all those sources. */
  readonly tensors: readonly BlendTensor[];
  /** Per tensor, which of them the lineup takes. */
  readonly places: readonly (readonly number[])[];
  /** Tells these sources from others of the same batches. */
  readonly key: string;
}

/** One lineup, planned, at one place. */
export class Run {
  readonly lineup: Lineup;
  readonly #plan: Plan;
  readonly #arithmetic: Arithmetic;
  readonly #residents: Residents | null;
  readonly #statistics: Statistics;
  readonly #wider: WiderSources | null;
  /** Groups and their batches are under way side by side: together no more of them than the place is kept busy with. */
  readonly #permits: Permits;
  /** Weights that `mergeRange` found, by tensor. */
  readonly #weights = new Map<number, Promise<TensorWeights>>();

  /**
   * @param residents where sources stay between runs; null where they are read again each time.
   * @param wider where what stays there is more than the lineup takes; the plan is then of all of it.
   */
  constructor(
    lineup: Lineup,
    plan: Plan,
    arithmetic: Arithmetic,
    residents: Residents | null,
    statistics: Statistics,
    wider: WiderSources | null = null,
  ) {
    this.lineup = lineup;
    this.#wider = wider;
    this.#plan = plan;
    this.#arithmetic = arithmetic;
    this.#residents = residents;
    this.#statistics = statistics;
    this.#permits = new Permits(arithmetic.depth);
  }

  #tensor(index: number): BlendTensor {
    const tensor = this.lineup.tensors[index];
    if (!tensor) throw new Error(`no tensor ${index}`);
    return tensor;
  }

  /** Brings a batch to the place. */
  async #load(index: number, signal: AbortSignal | undefined): Promise<Loan> {
    throwIfCancelled(signal);
    const kept = this.#residents?.get(index);
    if (kept) return { batch: this.#taken(index, kept), end: () => undefined };
    const pieces = this.#plan.layout.batches[index]?.pieces ?? [];
    const read = await readPieces(pieces, (tensor) => this.#wider?.tensors[tensor] ?? this.#tensor(tensor));
    throwIfCancelled(signal);
    const batch = await this.#arithmetic.load(read);
    if (!this.#residents) return { batch, end: () => batch.release() };
    this.#residents.keep(index, batch);
    return { batch: this.#taken(index, batch), end: () => undefined };
  }

  /** What the lineup takes of a batch that stays. */
  #taken(index: number, batch: LoadedBatch): LoadedBatch {
    const wider = this.#wider;
    if (!wider || !this.#residents) return batch;
    const pieces = this.#plan.layout.batches[index]?.pieces ?? [];
    return this.#residents.selection(index, wider.key, () =>
      this.#arithmetic.select(
        batch,
        pieces.map(({ tensor }) => wider.places[tensor] ?? []),
      ),
    );
  }

  #hold(group: Group, signal: AbortSignal | undefined): Holding {
    const indices = Array.from({ length: group.count }, (_, i) => group.first + i);
    const isHeld = group.count === 1 || this.#plan.heldGroups.has(group);
    return new Holding(indices, this.#plan, isHeld, this.#permits, (index) => this.#load(index, signal));
  }

  #visit(signal: AbortSignal | undefined): Visit {
    const { depth } = this.#arithmetic;
    return (stations, task) =>
      inOrder(stations, { depth }, signal, async (station) => ({ station, value: await task(station) }));
  }

  #finder(signal: AbortSignal | undefined): EvidenceFinder {
    return new EvidenceFinder(this.lineup, this.#arithmetic, this.#statistics, this.#visit(signal));
  }

  /** Groups under way: as many as keep the place busy, and no more bytes than may be held. */
  #groupLimits(): Limits<Group> {
    const { heldGroups, holdBytes } = this.#plan;
    return {
      depth: this.#arithmetic.depth,
      // What is not held costs its batches under way.
      costOf: (group) => (heldGroups.has(group) ? group.sourceBytes : 0),
      mostCost: holdBytes,
    };
  }

  /** Takes groups in turn, several under way; each is held while its task runs, and told of when it is done. */
  async #eachGroup(
    groups: readonly Group[],
    { signal, onBytes }: RunOptions,
    task: (holding: Holding) => Promise<void>,
  ): Promise<void> {
    const done = inOrder(groups, this.#groupLimits(), signal, async (group) => {
      const holding = this.#hold(group, signal);
      try {
        await task(holding);
      } finally {
        await holding.releaseAll();
      }
      return group.sourceBytes;
    });
    let bytesDone = 0;
    for await (const bytes of done) {
      bytesDone += bytes;
      onBytes?.(bytesDone);
    }
  }

  /** Measures everything that is not known yet, group by group. Throws as `EvidenceFinder.measure`. */
  async measure(wish: MeasureWish | null, options: RunOptions = {}): Promise<void> {
    const finder = this.#finder(options.signal);
    const due = this.#plan.layout.groups.filter((group) =>
      this.#tensorsOf(group).some((tensor) => isMeasuringDue(this.lineup, this.#statistics, tensor, wish)),
    );
    await this.#eachGroup(due, options, (holding) => finder.measure(holding.stations, wish));
  }

  #tensorsOf(group: Group): BlendTensor[] {
    const batches = this.#plan.layout.batches.slice(group.first, group.first + group.count);
    const indices = new Set(batches.flatMap((batch) => batch.pieces.map(({ tensor }) => tensor)));
    return [...indices].map((index) => this.#tensor(index));
  }

  /** The weights of all tensors by name, after everything that they need was found: what `merge` would find first. */
  async weights(options: RunOptions = {}): Promise<Map<string, TensorWeights>> {
    const out = new Map<string, TensorWeights>();
    await this.#eachGroup(this.#plan.layout.groups, options, async (holding) => {
      const weights = await this.#weigh(holding, options);
      for (const [index, own] of weights) out.set(this.#tensor(index).name, own);
    });
    return out;
  }

  /** The weights of a group's tensors, after everything that they need was found. */
  async #weigh(holding: Holding, { signal, wish }: RunOptions): Promise<Map<number, TensorWeights>> {
    const finder = this.#finder(signal);
    await finder.measure(holding.stations, wish ?? null);
    return finder.weigh(holding.stations);
  }

  /** Work on the pieces of a batch whose tensors have weights. */
  #workOf(pieces: readonly Piece[], weights: ReadonlyMap<number, TensorWeights>): (MergeWork & { piece: number })[] {
    return pieces.flatMap(({ tensor }, piece) => {
      const own = weights.get(tensor);
      return own ? [{ piece, numbers: own.numbers, out: this.#tensor(tensor).out }] : [];
    });
  }

  /**
   * Merges into live weights. A tensor is written only where what it would hold is not what it holds.
   * @returns faulty elements of the tensors that were written, those without any included.
   */
  async mergeInto(live: LiveWeights, sourcesKey: string, options: RunOptions = {}): Promise<Map<string, number>> {
    const faulty = new Map<string, number>();
    await this.#eachGroup(this.#plan.layout.groups, options, async (holding) => {
      const weights = await this.#weigh(holding, options);
      const due = new Map<number, TensorWeights>();
      const wanted = new Map<string, string>();
      for (const [index, own] of weights) {
        const tensor = this.#tensor(index);
        const text = `${sourcesKey}|${signature(this.lineup, tensor, own)}`;
        wanted.set(tensor.name, text);
        if (live.holds.get(tensor.name) !== text) {
          due.set(index, own);
          live.holds.delete(tensor.name);
          faulty.set(tensor.name, 0);
        }
      }
      await this.#writeLive(holding, due, live, faulty, options.signal);
      for (const [name, text] of wanted) {
        live.holds.set(name, text);
        live.written.add(name);
      }
    });
    return faulty;
  }

  async #writeLive(
    holding: Holding,
    due: ReadonlyMap<number, TensorWeights>,
    live: LiveWeights,
    faulty: Map<string, number>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const stations = holding.stations.filter((station) => station.pieces.some(({ tensor }) => due.has(tensor)));
    const written = this.#visit(signal)(stations, async (station) => {
      const work = this.#workOf(station.pieces, due);
      const counts = await station.with((batch) => this.#arithmetic.mergeInto(batch, this.lineup.method, work, live));
      work.forEach(({ piece }, n) => {
        const { name } = this.#tensor(station.pieces[piece]?.tensor ?? -1);
        faulty.set(name, (faulty.get(name) ?? 0) + (counts[n] ?? 0));
      });
    });
    for await (const _ of written);
  }

  /** Merges everything into bytes, piece by piece in the lineup's order. */
  async *merge(isAudited: boolean, options: RunOptions = {}): AsyncGenerator<OutputPiece> {
    const { signal } = options;
    const open = new Set<Holding>();
    let done = 0;
    const mergeStation = async (station: Station, weights: ReadonlyMap<number, TensorWeights>) => {
      const work = this.#workOf(station.pieces, weights);
      const merged = await station.with((batch) =>
        this.#arithmetic.merge(batch, this.lineup.method, work, { isAudited }),
      );
      return work.map(({ piece }, n) => this.#output(station.pieces[piece], merged[n]));
    };
    const prepared = inOrder(this.#plan.layout.groups, this.#groupLimits(), signal, async (group) => {
      const holding = this.#hold(group, signal);
      open.add(holding);
      const weights = await this.#weigh(holding, options);
      const [station] = holding.stations;
      if (group.count > 1 || !station) return { group, holding, weights, pieces: null };
      // One batch is merged at once: its result is small, and the place is kept busy by the next groups.
      const pieces = await mergeStation(station, weights);
      await holding.releaseAll();
      open.delete(holding);
      return { group, holding, weights, pieces };
    });
    try {
      for await (const { group, holding, weights, pieces } of prepared) {
        // Told before they are handed on: after the last piece nobody asks again.
        if (pieces) {
          done += group.sourceBytes;
          options.onBytes?.(done);
          yield* pieces;
          continue;
        }
        const { depth } = this.#arithmetic;
        const merged = inOrder(holding.stations, { depth }, signal, async (station) => {
          const own = await mergeStation(station, weights);
          await holding.release(station.index);
          return { index: station.index, own };
        });
        for await (const { index, own } of merged) {
          done += this.#plan.layout.batches[index]?.sourceBytes ?? 0;
          options.onBytes?.(done);
          yield* own;
        }
        open.delete(holding);
      }
    } finally {
      // After a stop or a failure, what was made ready and not merged is still held.
      await Promise.all([...open].map((holding) => holding.releaseAll()));
    }
  }

  /**
   * The merged bytes of elements [start, end) of one tensor, by its index: for whoever reads a result before it is
   * written. What has to be known of the whole tensor is found once. Shared weights have to be measured before.
   */
  async mergeRange(index: number, start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const tensor = this.#tensor(index);
    const weights = await this.#weightsOf(index, signal);
    // Ranks are taken over whole rows.
    const row = this.lineup.method.ranks ? tensor.rowElements : 1;
    const piece: Piece = {
      tensor: index,
      start: Math.floor(start / row) * row,
      end: Math.min(tensor.elements, Math.ceil(end / row) * row),
    };
    const batch = await this.#arithmetic.load(await readPieces([piece], () => tensor));
    try {
      throwIfCancelled(signal);
      const work = [{ piece: 0, numbers: weights.numbers, out: tensor.out }];
      const [merged] = await this.#arithmetic.merge(batch, this.lineup.method, work);
      const size = elementBytes(tensor.out);
      return this.#output(piece, merged).bytes.slice((start - piece.start) * size, (end - piece.start) * size);
    } finally {
      batch.release();
    }
  }

  /** The weights of one tensor by its index, found with those of its group and kept. */
  async #weightsOf(index: number, signal: AbortSignal | undefined): Promise<TensorWeights> {
    let known = this.#weights.get(index);
    if (!known) {
      const { batches, groups } = this.#plan.layout;
      const group = groups.find(({ first, count }) =>
        batches.slice(first, first + count).some(({ pieces }) => pieces.some(({ tensor }) => tensor === index)),
      );
      if (!group) throw new Error(`tensor ${index} lies in no group`);
      const holding = this.#hold(group, signal);
      const finding = this.#weigh(holding, { signal }).finally(() => holding.releaseAll());
      for (const batch of batches.slice(group.first, group.first + group.count)) {
        for (const { tensor } of batch.pieces) {
          const own = finding.then((weights) => weights.get(tensor) as TensorWeights);
          // A failure is told to whoever asked; the next one tries again.
          own.catch(() => this.#weights.delete(tensor));
          this.#weights.set(tensor, own);
        }
      }
      known = this.#weights.get(index);
    }
    if (!known) throw new Error(`no weights for tensor ${index}`);
    return known;
  }

  #output(piece: Piece | undefined, merged: MergedPiece | undefined): OutputPiece {
    if (!piece || !merged) throw new Error('a piece was not merged');
    return { tensor: this.#tensor(piece.tensor).name, ...merged };
  }
}
