/**
 * Statistics: what one pass over the checkpoints found, per tensor, in float64: the Gram matrix of the deltas,
 * sums and maxima of |delta|, counts of changed elements; per row where rows were asked for. They are kept, so
 * that a change of method, granularity or parameter reads no checkpoint again. Not the pass itself (`run.ts`).
 */

import type { RowSums, Sums, Unit } from '../methods/method.ts';
import { unitKey } from '../recipe/unit.ts';

/** Sums of zero elements, to add to. */
export function emptySums(models: number): Sums {
  return {
    elements: 0,
    gram: new Float64Array(models * models),
    abs: new Float64Array(models),
    max: new Float64Array(models),
    changed: new Float64Array(models),
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

/** The statistics of one set of sources. */
export class Statistics {
  /** Number of models, the base not counted. */
  readonly models: number;
  readonly #sums = new Map<string, Sums>();
  readonly #rows = new Map<string, RowSums>();
  readonly #pooled = new Map<string, Sums>();

  constructor(models: number) {
    this.models = models;
  }

  /** Keeps one tensor's sums. */
  keep(tensor: string, sums: Sums): void {
    this.#sums.set(tensor, sums);
    this.#pooled.clear();
  }

  /** Keeps one tensor's sums per row. */
  keepRows(tensor: string, rows: RowSums): void {
    this.#rows.set(tensor, rows);
  }

  has(tensor: string): boolean {
    return this.#sums.has(tensor);
  }

  hasRows(tensor: string): boolean {
    return this.#rows.has(tensor);
  }

  /** One tensor's sums, or null where it was not measured. */
  of(tensor: string): Sums | null {
    return this.#sums.get(tensor) ?? null;
  }

  /** One tensor's sums per row, or null where they were not measured. */
  rowsOf(tensor: string): RowSums | null {
    return this.#rows.get(tensor) ?? null;
  }

  /** Sums pooled over the unit that a tensor belongs to; null where the tensor was not measured. */
  pooled(tensor: string, unit: Unit): Sums | null {
    if (!this.#sums.has(tensor)) return null;
    const key = `${unit}\n${unitKey(tensor, unit)}`;
    const known = this.#pooled.get(key);
    if (known) return known;
    const sums = new Map<string, Sums>();
    for (const [name, own] of this.#sums) {
      const at = `${unit}\n${unitKey(name, unit)}`;
      sums.set(at, addSums(sums.get(at) ?? emptySums(this.models), own));
    }
    for (const [at, pooled] of sums) this.#pooled.set(at, pooled);
    return this.#pooled.get(key) ?? null;
  }
}

/** Quantities in one block of partial sums, in the kernel's order: Gram's upper triangle, abs, max, changed. */
export function quantityCount(models: number): number {
  return (models * (models + 1)) / 2 + 3 * models;
}

/**
 * Adds blocks of partial sums up, in order, in float64.
 * @param partials blocks × quantityCount(models).
 */
export function sumBlocks(partials: Float64Array, models: number, elements: number): Sums {
  const quantities = quantityCount(models);
  const totals = new Float64Array(quantities);
  const pairs = (models * (models + 1)) / 2;
  for (let at = 0; at < partials.length; at += quantities) {
    for (let q = 0; q < quantities; q++) {
      const value = partials[at + q] ?? 0;
      const isMaximum = q >= pairs + models && q < pairs + 2 * models;
      totals[q] = isMaximum ? Math.max(totals[q] ?? 0, value) : (totals[q] ?? 0) + value;
    }
  }
  const sums = emptySums(models);
  let q = 0;
  for (let k = 0; k < models; k++) {
    for (let j = 0; j <= k; j++) {
      sums.gram[j * models + k] = totals[q] ?? 0;
      sums.gram[k * models + j] = totals[q] ?? 0;
      q++;
    }
  }
  sums.abs.set(totals.subarray(pairs, pairs + models));
  sums.max.set(totals.subarray(pairs + models, pairs + 2 * models));
  sums.changed.set(totals.subarray(pairs + 2 * models));
  return { ...sums, elements };
}
