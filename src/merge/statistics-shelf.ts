/**
 * StatisticsShelf: the statistics of the last few sets of sources. A set whose models are some of another's, in any
 * order, needs no reading for what that one knows: a mute or a solo is answered at once. Not the statistics themselves
 * (`statistics.ts`).
 */

import type { TensorEntry } from '../formats/checkpoint.ts';
import type { LineSums, Sums } from '../methods/method.ts';
import { type ChangeSums, pairOf } from './change-sums.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { type Measured, Statistics } from './statistics.ts';
import { groupOf } from './weights.ts';

/** Sets of sources whose statistics are kept. */
const MOST_SETS = 8;

interface Shelved {
  readonly lineup: Lineup;
  readonly statistics: Statistics;
}

/** Statistics by sets of sources. */
export class StatisticsShelf {
  readonly #sets = new Map<string, Shelved>();

  /** @param key the same for the same sources in the same order. */
  of(key: string, lineup: Lineup): Statistics {
    const known = this.#sets.get(key);
    if (known) return known.statistics;
    const statistics = new Statistics();
    this.#sets.set(key, { lineup, statistics });
    // Recipes with computed sources have a key of their own each time: what nobody asks for again must not pile up.
    for (const old of this.#sets.keys()) if (this.#sets.size > MOST_SETS) this.#sets.delete(old);
    this.takeOver(key);
    return statistics;
  }

  /** Takes over what other sets know of the same sources by now. */
  takeOver(key: string): void {
    const own = this.#sets.get(key);
    if (!own) return;
    for (const [other, { lineup, statistics }] of this.#sets) {
      if (other !== key) takeOver(own, { lineup, statistics });
    }
  }

  /** Forgets sets. */
  forget(isGone: (key: string) => boolean): void {
    for (const key of this.#sets.keys()) if (isGone(key)) this.#sets.delete(key);
  }
}

function isSame(a: TensorEntry | undefined, b: TensorEntry | undefined): boolean {
  return a !== undefined && b !== undefined && a.file === b.file && a.start === b.start && a.end === b.end;
}

/** Where each source of `own` stands among the sources of `other`; null where one is missing, or the bases differ. */
export function placesIn(own: BlendTensor, other: BlendTensor): number[] | null {
  if (own.hasBase !== other.hasBase || own.rowElements !== other.rowElements) return null;
  const places = own.sources.map((source) => other.sources.findIndex((one) => isSame(source, one)));
  if (places.includes(-1) || (own.hasBase && places[0] !== 0)) return null;
  return new Set(places).size === places.length ? places : null;
}

function takeOver(to: Shelved, from: Shelved): void {
  const others = new Map(from.lineup.tensors.map((tensor) => [tensor.name, tensor]));
  for (const tensor of to.lineup.tensors) {
    const other = others.get(tensor.name);
    const places = other ? placesIn(tensor, other) : null;
    if (!places) continue;
    for (const measured of ['deltas', 'sources'] as const) {
      // The base is one of the sources, and none of the deltas.
      const rows = measured === 'deltas' && tensor.hasBase ? places.slice(1).map((place) => place - 1) : places;
      takeSums(to.statistics, from.statistics, tensor, measured, rows);
    }
    const changes = from.statistics.changesOf(tensor.name);
    const some = changes && to.statistics.changesOf(tensor.name) === null ? changesAt(changes, places) : null;
    if (some) to.statistics.keepChanges(tensor.name, some);
  }
}

function takeSums(
  to: Statistics,
  from: Statistics,
  tensor: BlendTensor,
  measured: Measured,
  rows: readonly number[],
): void {
  const { name } = tensor;
  const sums = from.of(name, measured);
  if (sums && !to.has(name, measured)) to.keep(name, sumsAt(sums, rows), measured, groupOf(tensor));
  for (const axis of ['row', 'column'] as const) {
    const lines = from.linesOf(name, axis, measured);
    if (lines && !to.hasLines(name, axis, measured)) to.keepLines(name, linesAt(lines, rows), measured);
  }
}

/** Sums of some of the vectors. */
function sumsAt(sums: Sums, rows: readonly number[]): Sums {
  const count = sums.abs.length;
  const at = (column: Float64Array) => Float64Array.from(rows, (row) => column[row] ?? 0);
  const gram = rows.flatMap((a) => rows.map((b) => sums.gram[a * count + b] ?? 0));
  const { elements, abs, max, changed } = sums;
  return { elements, gram: Float64Array.from(gram), abs: at(abs), max: at(max), changed: at(changed) };
}

function linesAt(sums: LineSums, rows: readonly number[]): LineSums {
  const { axis, lines, lineElements } = sums;
  const count = sums.abs.length / lines;
  const gram = new Float64Array(rows.length * rows.length * lines);
  const abs = new Float64Array(rows.length * lines);
  rows.forEach((row, i) => {
    abs.set(sums.abs.subarray(row * lines, (row + 1) * lines), i * lines);
    rows.forEach((column, j) => {
      const from = (row * count + column) * lines;
      gram.set(sums.gram.subarray(from, from + lines), (i * rows.length + j) * lines);
    });
  });
  return { axis, lines, lineElements, gram, abs };
}

/** What a survey tells of some of the models; null where that does not follow: three may disagree in many ways. */
function changesAt(changes: ChangeSums, places: readonly number[]): ChangeSums | null {
  const models = places.slice(1).map((place) => place - 1);
  const { baseSquares, sizes } = changes;
  const { first, bins } = sizes;
  const before = bins === 0 ? models.length : sizes.counts.length / bins;
  if (models.length > 2 && models.length < before) return null;
  const opposed = Float64Array.from(
    models.flatMap((model, k) => models.slice(0, k).map((other) => changes.opposed[pairOf(other, model)] ?? 0)),
  );
  const counts = Uint32Array.from(
    models.flatMap((model) => Array.from(sizes.counts.subarray(model * bins, (model + 1) * bins))),
  );
  const contested = models.length <= 2 ? (opposed[0] ?? 0) : changes.contested;
  return { baseSquares, opposed, contested, sizes: { first, bins, counts } };
}
