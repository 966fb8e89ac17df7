/**
 * Statistics: what passes over the checkpoints found, per tensor, in float64: Gram matrices of the deltas or of the
 * sources themselves, sums and maxima, per row or column where those were asked for, and the results of the methods'
 * own passes. They are kept, so that a change of method, granularity or parameter reads no checkpoint again where
 * nothing new is asked. Not the passes themselves (`run.ts`, `evidence.ts`).
 */

import { measuredQuantities, pairCount } from '../methods/kernel.ts';
import type { LineSums, StatisticUnit, Sums } from '../methods/method.ts';
import { unitKey } from '../recipe/unit.ts';
import type { ChangeSums } from './change-sums.ts';

/** What was summed: changes from the base, or the sources' own values. */
export type Measured = 'deltas' | 'sources';

/** Sums of zero elements, to add to. */
export function emptySums(count: number): Sums {
  return {
    elements: 0,
    gram: new Float64Array(count * count),
    abs: new Float64Array(count),
    max: new Float64Array(count),
    changed: new Float64Array(count),
  };
}

/** a + b, as a new value. */
export function addSums(a: Sums, b: Sums): Sums {
  return {
    elements: a.elements + b.elements,
    gram: a.gram.map((v, i) => v + (b.gram[i] ?? 0)),
    abs: a.abs.map((v, i) => v + (b.abs[i] ?? 0)),
    max: a.max.map((v, i) => Math.max(v, b.max[i] ?? 0)),
    changed: a.changed.map((v, i) => v + (b.changed[i] ?? 0)),
  };
}

/** What a pass of a method found, before its `finds` made numbers of it. */
export interface RawPass {
  /** What it depended on; another text means that it has to run again. */
  readonly key: string;
  /** quantities × lines. */
  readonly totals: Float64Array;
  readonly lines: number;
  readonly bits: Uint32Array;
  readonly cuts: Uint32Array;
}

interface Kept {
  /** Which models take part in the tensor: only tensors of the same ones are pooled. */
  readonly group: string;
  readonly sums: Sums;
}

/** Why a tensor's change has no size. */
export interface Unmeasurable {
  /** A clause that begins with the tensor's name. */
  readonly reason: string;
  readonly models: readonly string[];
}

/** The statistics of one set of sources. */
export class Statistics {
  readonly #sums: Readonly<Record<Measured, Map<string, Kept>>> = { deltas: new Map(), sources: new Map() };
  readonly #lines = new Map<string, LineSums>();
  readonly #pooled = new Map<string, Sums>();
  readonly #passes = new Map<string, RawPass>();
  readonly #unmeasurable = new Map<string, Unmeasurable>();
  readonly #changes = new Map<string, ChangeSums>();

  /** Keeps what a survey tells of one tensor. */
  keepChanges(tensor: string, changes: ChangeSums): void {
    this.#changes.set(tensor, changes);
  }

  /** What a survey tells of one tensor, or null where it was not surveyed. */
  changesOf(tensor: string): ChangeSums | null {
    return this.#changes.get(tensor) ?? null;
  }

  /** Keeps why one tensor's change has no size. */
  keepUnmeasurable(tensor: string, reason: string, models: readonly string[]): void {
    this.#unmeasurable.set(tensor, { reason, models });
  }

  /** Why a tensor's change has no size, and the models by which it has none; null where nothing is known against it. */
  unmeasurable(tensor: string): Unmeasurable | null {
    return this.#unmeasurable.get(tensor) ?? null;
  }

  /** Keeps one tensor's sums. */
  keep(tensor: string, sums: Sums, from: Measured = 'deltas', group = ''): void {
    this.#sums[from].set(tensor, { group, sums });
    this.#pooled.clear();
  }

  /** Keeps one tensor's sums along its rows or columns. */
  keepLines(tensor: string, lines: LineSums, from: Measured = 'deltas'): void {
    this.#lines.set(`${from} ${lines.axis} ${tensor}`, lines);
  }

  has(tensor: string, from: Measured = 'deltas'): boolean {
    return this.#sums[from].has(tensor);
  }

  hasLines(tensor: string, axis: 'row' | 'column', from: Measured = 'deltas'): boolean {
    return this.#lines.has(`${from} ${axis} ${tensor}`);
  }

  /** One tensor's sums, or null where it was not measured. */
  of(tensor: string, from: Measured = 'deltas'): Sums | null {
    return this.#sums[from].get(tensor)?.sums ?? null;
  }

  /** One tensor's sums along its rows or columns, or null where they were not measured. */
  linesOf(tensor: string, axis: 'row' | 'column', from: Measured = 'deltas'): LineSums | null {
    return this.#lines.get(`${from} ${axis} ${tensor}`) ?? null;
  }

  /** Sums pooled over the unit that a tensor belongs to; null where the tensor was not measured. */
  pooled(tensor: string, unit: StatisticUnit, from: Measured = 'deltas'): Sums | null {
    const own = this.#sums[from].get(tensor);
    if (!own) return null;
    if (unit === 'tensor' || unit === 'row' || unit === 'column' || unit === 'element') return own.sums;
    const keyOf = (name: string, group: string) => `${from}\n${unit}\n${group}\n${unitKey(name, unit)}`;
    const key = keyOf(tensor, own.group);
    const known = this.#pooled.get(key);
    if (known) return known;
    const sums = new Map<string, Sums>();
    for (const [name, kept] of this.#sums[from]) {
      const at = keyOf(name, kept.group);
      const before = sums.get(at);
      sums.set(at, before ? addSums(before, kept.sums) : kept.sums);
    }
    for (const [at, pooled] of sums) this.#pooled.set(at, pooled);
    return this.#pooled.get(key) ?? null;
  }

  /** What a method's pass found on a tensor, where it depended on the same things; else null. */
  pass(tensor: string, method: string, pass: string, key: string): RawPass | null {
    const kept = this.#passes.get(`${method} ${pass} ${tensor}`);
    return kept?.key === key ? kept : null;
  }

  /** Keeps what a method's pass found on a tensor, in place of what it found before. */
  keepPass(tensor: string, method: string, pass: string, found: RawPass): void {
    this.#passes.set(`${method} ${pass} ${tensor}`, found);
  }
}

/**
 * Adds blocks of partial sums up, in order, in float64.
 * @param partials blocks × measuredQuantities(count, true): pairs, |v|, maxima, changed.
 * @param more quantities of each block behind these, which are not for here.
 */
export function sumBlocks(partials: Float64Array, count: number, elements: number, more = 0): Sums {
  const quantities = measuredQuantities(count, true);
  const totals = new Float64Array(quantities);
  const pairs = pairCount(count);
  for (let at = 0; at < partials.length; at += quantities + more) {
    for (let q = 0; q < quantities; q++) {
      const value = partials[at + q] ?? 0;
      const isMaximum = q >= pairs + count && q < pairs + 2 * count;
      totals[q] = isMaximum ? Math.max(totals[q] ?? 0, value) : (totals[q] ?? 0) + value;
    }
  }
  const sums = emptySums(count);
  let q = 0;
  for (let k = 0; k < count; k++) {
    for (let j = 0; j <= k; j++) {
      sums.gram[j * count + k] = totals[q] ?? 0;
      sums.gram[k * count + j] = totals[q] ?? 0;
      q++;
    }
  }
  sums.abs.set(totals.subarray(pairs, pairs + count));
  sums.max.set(totals.subarray(pairs + count, pairs + 2 * count));
  sums.changed.set(totals.subarray(pairs + 2 * count));
  return { ...sums, elements };
}

/** Line sums of nothing yet, to add to. */
export function emptyLines(axis: 'row' | 'column', lines: number, lineElements: number, count: number): LineSums {
  return {
    axis,
    lines,
    lineElements,
    gram: new Float64Array(count * count * lines),
    abs: new Float64Array(count * lines),
  };
}

/**
 * Adds one piece's line sums.
 * @param part (pairs + count) × `width`, as `MeasuredPiece.lines` has it; its first line is line `first` of the whole.
 */
export function addLines(sums: LineSums, part: Float64Array, first: number, width: number, count: number): void {
  const { lines, gram, abs } = sums;
  let q = 0;
  const add = (to: Float64Array, at: number) => {
    for (let l = 0; l < width; l++) {
      to[at * lines + first + l] = (to[at * lines + first + l] ?? 0) + (part[q * width + l] ?? 0);
    }
  };
  for (let k = 0; k < count; k++) {
    for (let j = 0; j <= k; j++) {
      add(gram, j * count + k);
      if (j !== k) add(gram, k * count + j);
      q++;
    }
  }
  for (let k = 0; k < count; k++) {
    add(abs, k);
    q++;
  }
}
