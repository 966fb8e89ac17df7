/**
 * Evidence: finds out what has to be known of whole tensors before any part of them can be merged: Gram sums, and the
 * passes that their method declares. It asks the place for partial sums and counts, adds them up in order in float64,
 * and keeps what was found, so that the same question is not asked of the files twice. Not which question
 * (`methods/`), nor how the pieces come to the place (`run.ts`).
 */

import { MalformedFault } from '../bytes/fault.ts';
import { rowsOf, surveyQuantities } from '../methods/kernel.ts';
import type { LineSums, Pass, SumPass } from '../methods/method.ts';
import { readsOf } from '../methods/reads.ts';
import type { Arithmetic } from './arithmetic.ts';
import { sumChanges } from './change-sums.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { type Due, dueOf, type MeasureWish } from './measure-wish.ts';
import { type Station, type Visit, visitDue, workAt } from './station.ts';
import { ThresholdFinder } from './thresholds.ts';
import { addLines, emptyLines, type RawPass, type Statistics, sumBlocks } from './statistics.ts';
import { groupOf, lineCount, measuredCount, NumbersSoFar, passesOf, type TensorWeights } from './weights.ts';

const NO_BITS = new Uint32Array();

/** Finds evidence for the tensors of some stations. */
export class EvidenceFinder {
  readonly #lineup: Lineup;
  readonly #arithmetic: Arithmetic;
  readonly #statistics: Statistics;
  readonly #visit: Visit;
  readonly #thresholds: ThresholdFinder;

  constructor(lineup: Lineup, arithmetic: Arithmetic, statistics: Statistics, visit: Visit) {
    this.#lineup = lineup;
    this.#arithmetic = arithmetic;
    this.#statistics = statistics;
    this.#visit = visit;
    this.#thresholds = new ThresholdFinder(lineup, arithmetic, visit);
  }

  #tensor(index: number): BlendTensor {
    const tensor = this.#lineup.tensors[index];
    if (!tensor) throw new Error(`no tensor ${index}`);
    return tensor;
  }

  /** The tensors of stations, each once, in order. */
  static tensorsOf(stations: readonly Station[]): number[] {
    return [...new Set(stations.flatMap((station) => station.pieces.map(({ tensor }) => tensor)))];
  }

  /**
   * Measures what the tensors of the stations still lack. Throws MalformedFault where a source holds NaN or infinity and
   * the method needs the size of its change, which it then has not.
   */
  async measure(stations: readonly Station[], wish: MeasureWish | null): Promise<void> {
    const kinds = new Map<string, Due & { readonly due: Set<number> }>();
    for (const index of EvidenceFinder.tensorsOf(stations)) {
      for (const own of dueOf(this.#lineup, this.#statistics, this.#tensor(index), wish)) {
        const key = `${own.from} ${own.axis} ${own.isWish} ${own.isSurveyed}`;
        const kind = kinds.get(key) ?? { ...own, due: new Set<number>() };
        kind.due.add(index);
        kinds.set(key, kind);
      }
    }
    for (const kind of kinds.values()) await this.#measureKind(stations, kind);
  }

  async #measureKind(stations: readonly Station[], kind: Due & { readonly due: ReadonlySet<number> }): Promise<void> {
    const { from, axis, due, isSurveyed } = kind;
    const blocks = new Map([...due].map((index) => [index, [] as Float64Array[]]));
    const lines = new Map([...due].map((index) => [index, this.#emptyLines(index, kind)]));
    const sizes = new Map<number, Float64Array>();
    const visited = visitDue(this.#visit, stations, due, (batch, stops) =>
      this.#arithmetic.measure(
        batch,
        stops.map(({ index }) => index),
        { plain: true, axis, from, isSurveyed },
      ),
    );
    for await (const { value } of visited) {
      value.stops.forEach(({ index, tensor }, s) => {
        const found = value.result[s];
        const shape = value.batch.pieces[index];
        if (!found || !shape) throw new Error('a piece was not measured');
        if (found.plain) blocks.get(tensor)?.push(found.plain);
        const sums = lines.get(tensor);
        const count = measuredCount(this.#tensor(tensor), from);
        if (found.sizes) {
          const before = sizes.get(tensor);
          sizes.set(tensor, before ? before.map((v, i) => v + (found.sizes?.[i] ?? 0)) : found.sizes);
        }
        if (found.lines && sums) {
          const { first, count: rows } = rowsOf(shape);
          const isRows = axis === 'row';
          addLines(sums, found.lines, isRows ? first : 0, isRows ? rows : sums.lines, count);
        }
      });
    }
    for (const index of due) {
      const own = joined(blocks.get(index) ?? []);
      if (!this.#keep(index, kind, own, lines.get(index) ?? null)) continue;
      const counted = sizes.get(index);
      const { name } = this.#tensor(index);
      const count = measuredCount(this.#tensor(index), from);
      if (counted) this.#statistics.keepChanges(name, sumChanges(own, count, counted));
    }
  }

  #emptyLines(index: number, { from, axis }: Due) {
    if (axis === null) return null;
    const tensor = this.#tensor(index);
    const lines = lineCount(tensor, axis);
    return emptyLines(axis, lines, tensor.elements / lines, measuredCount(tensor, from));
  }

  /** Keeps what was measured of a tensor. @returns false where its change has no size */
  #keep(index: number, { from, isWish, isSurveyed }: Due, blocks: Float64Array, lines: LineSums | null): boolean {
    const tensor = this.#tensor(index);
    const count = measuredCount(tensor, from);
    const sums = sumBlocks(blocks, count, tensor.elements, isSurveyed ? surveyQuantities(count) : 0);
    if (![...sums.gram, ...sums.abs].every(Number.isFinite)) {
      const shift = from === 'sources' && tensor.hasBase ? 1 : 0;
      const models = Array.from(sums.abs)
        .flatMap((sum, j) => (Number.isFinite(sum) ? [] : [j - shift]))
        .map((k) => (k < 0 ? this.#lineup.base : this.#lineup.models[tensor.modelOf[k] ?? -1])?.name ?? 'one model');
      const reason = `${tensor.name} holds NaN, infinity or numbers too large to square in ${models.join(', ') || 'one of the models'}`;
      if (isWish) {
        this.#statistics.keepUnmeasurable(tensor.name, reason, models);
        return false;
      }
      throw new MalformedFault(`${reason}, so it cannot be measured; leave that model out or export it again.`, {
        tensors: [tensor.name],
        models,
      });
    }
    this.#statistics.keep(tensor.name, sums, from, groupOf(tensor));
    if (lines) this.#statistics.keepLines(tensor.name, lines, from);
    return true;
  }

  /**
   * The weights of the tensors of some stations, after everything that they need was found.
   * Throws RecipeFault where weights are not finite.
   */
  async weigh(stations: readonly Station[]): Promise<Map<number, TensorWeights>> {
    const tensors = EvidenceFinder.tensorsOf(stations);
    const soFar = new Map(
      tensors.map((index) => [index, new NumbersSoFar(this.#lineup, this.#tensor(index), this.#statistics)]),
    );
    const keys = new Map<string, string>();
    for (const pass of this.#lineup.method.passes ?? []) {
      const wanted = tensors.filter((index) => passesOf(this.#lineup, this.#tensor(index)).includes(pass));
      await this.#findPass(stations, pass, wanted, soFar, keys);
    }
    return new Map(
      tensors.map((index) => {
        const numbers = soFar.get(index);
        if (!numbers) throw new Error(`no numbers for tensor ${index}`);
        return [index, numbers.weights()] as const;
      }),
    );
  }

  /** Finds a pass on the tensors on which it is not known yet, and hands it to all of them. */
  async #findPass(
    stations: readonly Station[],
    pass: Pass,
    tensors: readonly number[],
    soFar: ReadonlyMap<number, NumbersSoFar>,
    keys: Map<string, string>,
  ): Promise<void> {
    const { method } = this.#lineup;
    const due = new Set<number>();
    for (const index of tensors) {
      const key = this.#passKey(pass, index, soFar, keys);
      keys.set(`${pass.name} ${index}`, key);
      if (!this.#statistics.pass(this.#tensor(index).name, method.name, pass.name, key)) due.add(index);
    }
    if (due.size > 0) {
      const found =
        pass.kind === 'sums'
          ? await this.#sums(stations, pass, due, soFar)
          : await this.#thresholds.find(stations, pass, due, soFar);
      for (const [index, raw] of found) {
        const key = keys.get(`${pass.name} ${index}`) ?? '';
        this.#statistics.keepPass(this.#tensor(index).name, method.name, pass.name, { ...raw, key });
      }
    }
    for (const index of tensors) {
      const key = keys.get(`${pass.name} ${index}`) ?? '';
      const raw = this.#statistics.pass(this.#tensor(index).name, method.name, pass.name, key);
      if (!raw) throw new Error(`pass ${pass.name} found nothing on ${this.#tensor(index).name}`);
      soFar.get(index)?.take(pass, raw);
    }
  }

  /** All that a pass's result on a tensor depends on, as a text. */
  #passKey(
    pass: Pass,
    index: number,
    soFar: ReadonlyMap<number, NumbersSoFar>,
    keys: ReadonlyMap<string, string>,
  ): string {
    const { params, perModel, modelOf, hasBase } = this.#tensor(index);
    const reads = readsOf(this.#lineup.method, pass.name);
    const numbers = soFar.get(index);
    return JSON.stringify([
      hasBase,
      modelOf,
      reads.params.map((name) => params[name]),
      reads.perModel.map((name) => perModel.map((values) => values[name])),
      reads.isRandom ? (params.seed ?? 0) : null,
      reads.passes.map((name) => keys.get(`${name} ${index}`) ?? null),
      pass.kind === 'select' && numbers ? pass.select(numbers.evidence) : null,
    ]);
  }

  async #sums(
    stations: readonly Station[],
    pass: SumPass,
    due: ReadonlySet<number>,
    soFar: ReadonlyMap<number, NumbersSoFar>,
  ): Promise<Map<number, RawPass>> {
    const { method } = this.#lineup;
    const out = new Map<number, RawPass>();
    for (const index of due) {
      const tensor = this.#tensor(index);
      const lines = lineCount(tensor, pass.over);
      const totals = new Float64Array(pass.quantities(tensor.modelOf.length) * lines);
      out.set(index, { key: '', totals, lines, bits: NO_BITS, cuts: NO_BITS });
    }
    const visited = visitDue(this.#visit, stations, due, (batch, stops) =>
      this.#arithmetic.sums(batch, method, pass, workAt(stops, soFar)),
    );
    for await (const { value } of visited) {
      value.stops.forEach(({ index, tensor }, s) => {
        const to = out.get(tensor);
        const part = value.result[s];
        const shape = value.batch.pieces[index];
        if (!to || !part || !shape) throw new Error('a piece was not summed');
        const quantities = pass.quantities(this.#tensor(tensor).modelOf.length);
        const rows = rowsOf(shape);
        const width = pass.over === 'row' ? rows.count : to.lines;
        const first = pass.over === 'row' ? rows.first : 0;
        const add = (at: number, value: number) => {
          const before = to.totals[at] ?? 0;
          to.totals[at] = pass.isMaximum ? Math.max(before, value) : before + value;
        };
        if (pass.over === 'tensor') part.forEach((value, i) => add(i % quantities, value));
        else part.forEach((value, i) => add(Math.floor(i / width) * to.lines + first + (i % width), value));
      });
    }
    return out;
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
