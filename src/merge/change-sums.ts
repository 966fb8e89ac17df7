/**
 * ChangeSums: what a survey tells of one tensor's changes beside their `Sums`: the base's size, how often models moved
 * an element in opposite directions, and how large the changes are. Not where it is counted (`shaders/measure.wgsl`,
 * `cpu/measure.ts`), nor what is made of it (`surveying.ts`).
 */

import { FIRST_SIZE_EXPONENT, measuredQuantities, SIZE_BINS, surveyQuantities } from '../methods/kernel.ts';

/** Counts by size, without the bins at either end that are empty for all models. */
export interface SizeCounts {
  /** The first bin that is kept, and how many are. */
  readonly first: number;
  readonly bins: number;
  /** Per model and kept bin. */
  readonly counts: Uint32Array;
}

/** Figures of one tensor with a base. */
export interface ChangeSums {
  /** Σ base². Infinite or NaN where the base's values are too large to square. */
  readonly baseSquares: number;
  /** Per pair of models, in the order (0,1), (0,2), (1,2), (0,3) …: elements that both changed, in opposite directions. */
  readonly opposed: Float64Array;
  /** Elements that any two models changed in opposite directions. */
  readonly contested: number;
  readonly sizes: SizeCounts;
}

/** Index of a pair of different models in columns by pair. */
export function pairOf(j: number, k: number): number {
  const [low, high] = j < k ? [j, k] : [k, j];
  return (high * (high - 1)) / 2 + low;
}

/** Pairs of different models. */
export function pairsOf(models: number): number {
  return (models * (models - 1)) / 2;
}

/** Exponent of the smallest changes that a bin holds; the first one also holds all smaller ones. */
export function exponentOf(bin: number): number {
  return FIRST_SIZE_EXPONENT + bin;
}

/**
 * Adds blocks of partial sums up, in order, in float64.
 * @param partials blocks × (measured and survey quantities): see `MeasuredPiece.plain`.
 * @param sizes models × SIZE_BINS.
 */
export function sumChanges(partials: Float64Array, models: number, sizes: Float64Array): ChangeSums {
  const own = measuredQuantities(models, true);
  const stride = own + surveyQuantities(models);
  const totals = new Float64Array(surveyQuantities(models));
  for (let at = own; at < partials.length; at += stride) {
    for (let q = 0; q < totals.length; q++) totals[q] = (totals[q] ?? 0) + (partials[at + q] ?? 0);
  }
  const pairs = pairsOf(models);
  return {
    opposed: totals.slice(0, pairs),
    contested: totals[pairs] ?? 0,
    baseSquares: totals[pairs + 1] ?? 0,
    sizes: trimmed(sizes, models),
  };
}

function trimmed(sizes: Float64Array, models: number): SizeCounts {
  let first = SIZE_BINS;
  let end = 0;
  for (let at = 0; at < sizes.length; at++) {
    if (sizes[at] === 0) continue;
    first = Math.min(first, at % SIZE_BINS);
    end = Math.max(end, (at % SIZE_BINS) + 1);
  }
  first = Math.min(first, end);
  const bins = end - first;
  const counts = new Uint32Array(models * bins);
  for (let k = 0; k < models; k++) {
    for (let bin = 0; bin < bins; bin++) counts[k * bins + bin] = sizes[k * SIZE_BINS + first + bin] ?? 0;
  }
  return { first, bins, counts };
}
