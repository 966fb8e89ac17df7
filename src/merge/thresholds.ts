/**
 * Thresholds: finds the exact thresholds of a selection pass on the tensors of some stations. Where the place can
 * collect keys, from a window guessed by a sample, in one pass; where it cannot, or the guess was wrong, by counting
 * digit after digit. The bookkeeping is `selection.ts` and `window.ts`.
 */

import { BLOCK_ELEMENTS, type PieceShape } from '../methods/kernel.ts';
import type { SelectPass } from '../methods/method.ts';
import type { Arithmetic, Caught, LoadedBatch, PieceWork, SampleOrder, WindowQuery, Windows } from './arithmetic.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { DIGITS, Selection } from './selection.ts';
import { type Station, stopsOf, type Visit, visitDue, workAt } from './station.ts';
import type { RawPass } from './statistics.ts';
import type { NumbersSoFar } from './weights.ts';
import { EVERYTHING, thresholdIn, windowOf } from './window.ts';

const NO_BITS = new Uint32Array();

/** Tensors up to this size are collected altogether instead of being sampled. */
const SMALL_ELEMENTS = 2 ** 15;

/** Keys of a sample: runs of neighbours, spread over the pieces of a tensor. */
const SAMPLE_RUNS = 16;
const RUN_ELEMENTS = 2048;

/** Of a sampled tensor's keys no more than this share is collected: beyond it, counting is cheaper on memory. */
const COLLECTED_SHARE = 1 / 6;

type SoFar = ReadonlyMap<number, NumbersSoFar>;
type Selections = ReadonlyMap<number, Selection>;

/** Finds thresholds for one lineup at one place. */
export class ThresholdFinder {
  readonly #lineup: Lineup;
  readonly #arithmetic: Arithmetic;
  readonly #visit: Visit;

  constructor(lineup: Lineup, arithmetic: Arithmetic, visit: Visit) {
    this.#lineup = lineup;
    this.#arithmetic = arithmetic;
    this.#visit = visit;
  }

  #tensor(index: number): BlendTensor {
    const tensor = this.#lineup.tensors[index];
    if (!tensor) throw new Error(`no tensor ${index}`);
    return tensor;
  }

  /** The thresholds of `due` tensors, exact, ties settled by index. */
  async find(
    stations: readonly Station[],
    pass: SelectPass,
    due: ReadonlySet<number>,
    soFar: SoFar,
  ): Promise<Map<number, RawPass>> {
    const selections = new Map<number, Selection>();
    for (const index of due) {
      const evidence = soFar.get(index)?.evidence;
      if (!evidence) throw new Error(`no evidence of tensor ${index}`);
      const { elements } = this.#tensor(index);
      selections.set(index, new Selection(pass.select(evidence), elements, pass.finds !== undefined));
    }
    const open = new Set([...due].filter((index) => !selections.get(index)?.isTrivial));
    const { windows } = this.#arithmetic;
    if (windows) await this.#guess(windows, stations, pass, open, selections, soFar);
    const missed = new Set([...open].filter((index) => (selections.get(index)?.queries().length ?? 0) > 0));
    if (missed.size > 0) {
      for (const digit of DIGITS) await this.#countDigit(stations, pass, digit, missed, selections, soFar);
    }
    await this.#settleTies(stations, pass, open, selections, soFar);
    const out = new Map<number, RawPass>();
    for (const [index, selection] of selections) {
      out.set(index, { key: '', totals: new Float64Array(), lines: 1, ...selection.result() });
    }
    return out;
  }

  /** Puts a question about the keys of `due` tensors at every stop, and takes the answers in the stations' order. */
  async #ask<Question, Answer>(
    stations: readonly Station[],
    due: ReadonlySet<number>,
    soFar: SoFar,
    questionOf: (tensor: number, shape: PieceShape) => Question,
    put: (batch: LoadedBatch, work: readonly (PieceWork & Question)[]) => Promise<readonly Answer[]>,
    take: (answer: Answer, tensor: number, shape: PieceShape) => void,
  ): Promise<void> {
    const visited = visitDue(this.#visit, stations, due, async (batch, stops) => {
      const asked = workAt(stops, soFar).map((work, s) => {
        const shape = batch.pieces[work.piece];
        const tensor = stops[s]?.tensor;
        if (!shape || tensor === undefined) throw new Error(`no piece ${work.piece} to ask about`);
        return { work, tensor, shape };
      });
      const answers = await put(
        batch,
        asked.map(({ work, tensor, shape }) => ({ ...work, ...questionOf(tensor, shape) })),
      );
      return { asked, answers };
    });
    for await (const { value } of visited) {
      const { asked, answers } = value.result;
      asked.forEach(({ tensor, shape }, s) => {
        const answer = answers[s];
        if (answer === undefined) throw new Error('a question about keys was not answered');
        take(answer, tensor, shape);
      });
    }
  }

  /** Settles what a window can settle; what it misses stays open. */
  async #guess(
    windows: Windows,
    stations: readonly Station[],
    pass: SelectPass,
    open: ReadonlySet<number>,
    selections: Selections,
    soFar: SoFar,
  ): Promise<void> {
    const samples = await this.#sample(windows, stations, pass, open, selections, soFar);
    const queries = new Map<number, WindowQuery[]>();
    for (const index of open) {
      const { elements } = this.#tensor(index);
      const own = selections.get(index)?.wanted ?? [];
      queries.set(
        index,
        own.map(({ key, count }) => {
          const sample = samples.get(index)?.get(key);
          return { key, ...(sample ? windowOf(sample, elements, count) : EVERYTHING) };
        }),
      );
    }
    const caught = new Map([...queries].map(([index, own]) => [index, own.map((): Caught[] => [])]));
    await this.#ask(
      stations,
      open,
      soFar,
      (tensor, { elements }) => ({
        queries: queries.get(tensor) ?? [],
        limit: samples.has(tensor) ? Math.ceil(elements * COLLECTED_SHARE) : elements,
      }),
      (batch, work) => windows.collect(batch, this.#lineup.method, pass, work),
      (parts, tensor) => parts.forEach((part, q) => caught.get(tensor)?.[q]?.push(part)),
    );
    for (const [index, parts] of caught) {
      const selection = selections.get(index);
      for (const [q, { slot, key, count }] of selection?.wanted.entries() ?? []) {
        const query = queries.get(index)?.[q];
        const found = query ? thresholdIn(parts[q] ?? [], query, count) : null;
        if (!found || !selection) continue;
        selection.know(slot, found.bits, found.remaining, found.equal);
        if (found.remaining < found.equal) {
          const tie = { key, bits: found.bits, ...found.last };
          selection.settleAt(slot, (await this.#locate(windows, stations, pass, index, tie, soFar)) + 1);
        }
      }
    }
  }

  /** The index in its tensor of the `nth` key with some bits in the tensor's part `part`. */
  async #locate(
    windows: Windows,
    stations: readonly Station[],
    pass: SelectPass,
    tensor: number,
    { part, ...tie }: { key: number; bits: number; part: number; nth: number },
    soFar: SoFar,
  ): Promise<number> {
    const own = new Set([tensor]);
    const stops = stations.flatMap((station) => stopsOf(station, own).map((stop) => ({ station, stop })));
    const at = stops[part];
    if (!at) throw new Error(`no part ${part} of tensor ${tensor}`);
    const [work] = workAt([at.stop], soFar);
    if (!work) throw new Error(`no work on tensor ${tensor}`);
    const { method } = this.#lineup;
    const index = await at.station.with((batch) => windows.locate(batch, method, pass, { ...work, ...tie }));
    return (at.station.pieces[at.stop.index]?.start ?? 0) + index;
  }

  /** Sampled bits of the keys of tensors that are not small, by tensor and key. */
  async #sample(
    windows: Windows,
    stations: readonly Station[],
    pass: SelectPass,
    open: ReadonlySet<number>,
    selections: Selections,
    soFar: SoFar,
  ): Promise<Map<number, Map<number, Uint32Array[]>>> {
    const large = new Set([...open].filter((index) => this.#tensor(index).elements > SMALL_ELEMENTS));
    const parts = new Map<number, Map<number, Uint32Array[]>>();
    const stops = new Map<number, number>();
    for (const { pieces } of stations) {
      for (const { tensor } of pieces) stops.set(tensor, (stops.get(tensor) ?? 0) + 1);
    }
    const orderOf = (tensor: number): SampleOrder => ({
      keys: [...new Set(selections.get(tensor)?.wanted.map(({ key }) => key) ?? [])],
      runs: Math.max(1, Math.round(SAMPLE_RUNS / (stops.get(tensor) ?? 1))),
      runElements: RUN_ELEMENTS,
    });
    const orders = new Map([...large].map((index) => [index, orderOf(index)]));
    await this.#ask(
      sampled(stations),
      large,
      soFar,
      (tensor) => ({ order: orders.get(tensor) ?? { keys: [], runs: 0, runElements: 0 } }),
      (batch, work) => windows.sample(batch, this.#lineup.method, pass, work),
      (byKey, tensor) => {
        const own = parts.get(tensor) ?? new Map<number, Uint32Array[]>();
        parts.set(tensor, own);
        orders.get(tensor)?.keys.forEach((key, k) => {
          const bits = own.get(key) ?? [];
          own.set(key, bits);
          bits.push(byKey[k] ?? NO_BITS);
        });
      },
    );
    return parts;
  }

  async #countDigit(
    stations: readonly Station[],
    pass: SelectPass,
    digit: (typeof DIGITS)[number],
    open: ReadonlySet<number>,
    selections: Selections,
    soFar: SoFar,
  ): Promise<void> {
    const counts = new Map<number, Float64Array>();
    await this.#ask(
      stations,
      open,
      soFar,
      (tensor) => ({ queries: selections.get(tensor)?.queries() ?? [] }),
      (batch, work) => this.#arithmetic.histogram(batch, this.#lineup.method, pass, work, digit),
      (part, tensor) => {
        const sum = counts.get(tensor) ?? new Float64Array(part.length);
        for (let bin = 0; bin < part.length; bin++) sum[bin] = (sum[bin] ?? 0) + (part[bin] ?? 0);
        counts.set(tensor, sum);
      },
    );
    for (const [index, sum] of counts) selections.get(index)?.take(sum, digit);
  }

  async #settleTies(
    stations: readonly Station[],
    pass: SelectPass,
    open: ReadonlySet<number>,
    selections: Selections,
    soFar: SoFar,
  ): Promise<void> {
    const tied = new Set([...open].filter((index) => (selections.get(index)?.ties().length ?? 0) > 0));
    if (tied.size === 0) return;
    const counts = new Map<number, Float64Array>();
    await this.#ask(
      stations,
      tied,
      soFar,
      (tensor) => ({ queries: selections.get(tensor)?.ties() ?? [] }),
      (batch, work) => this.#arithmetic.countEqual(batch, this.#lineup.method, pass, work),
      (part, tensor, shape) => {
        const queries = selections.get(tensor)?.ties().length ?? 0;
        if (queries === 0) return;
        const blocks = Math.ceil(shape.tensorElements / BLOCK_ELEMENTS);
        const sum = counts.get(tensor) ?? new Float64Array(queries * blocks);
        const first = Math.floor(shape.start / BLOCK_ELEMENTS);
        const own = part.length / queries;
        for (let q = 0; q < queries; q++) {
          for (let b = 0; b < own; b++) {
            const at = q * blocks + first + b;
            sum[at] = (sum[at] ?? 0) + (part[q * own + b] ?? 0);
          }
        }
        counts.set(tensor, sum);
      },
    );
    for (const [index, sum] of counts) {
      const selection = selections.get(index);
      for (const { slot, tie, block, nth } of selection?.lastTies(sum) ?? []) {
        const bits = await this.#bitsOfBlock(stations, pass, index, tie.key, block, soFar);
        selection?.settle(slot, block, nth, bits);
      }
    }
  }

  /** The bits of a key over one block of a tensor, which may lie in two pieces. */
  async #bitsOfBlock(
    stations: readonly Station[],
    pass: SelectPass,
    tensor: number,
    key: number,
    block: number,
    soFar: SoFar,
  ): Promise<Uint32Array> {
    const start = block * BLOCK_ELEMENTS;
    const end = Math.min(start + BLOCK_ELEMENTS, this.#tensor(tensor).elements);
    const out = new Uint32Array(end - start);
    const numbers = soFar.get(tensor)?.numbers();
    if (!numbers) throw new Error(`no numbers for tensor ${tensor}`);
    for (const station of stations) {
      for (const stop of stopsOf(station, new Set([tensor]))) {
        const piece = station.pieces[stop.index];
        if (!piece || piece.end <= start || piece.start >= end) continue;
        await station.with(async (batch) => {
          const from = Math.max(start, piece.start);
          const to = Math.min(end, piece.end);
          const bits = await this.#arithmetic.keys(batch, this.#lineup.method, pass, {
            piece: stop.index,
            numbers,
            key,
            from: from - piece.start,
            to: to - piece.start,
          });
          out.set(bits, from - start);
        });
      }
    }
    return out;
  }
}

/** Few of many stations, evenly spread: a sample needs no more. */
function sampled(stations: readonly Station[]): Station[] {
  if (stations.length <= SAMPLE_RUNS) return [...stations];
  const step = stations.length / SAMPLE_RUNS;
  return Array.from({ length: SAMPLE_RUNS }, (_, n) => stations[Math.floor((n + 0.5) * step)]).filter(
    (station): station is Station => station !== undefined,
  );
}
