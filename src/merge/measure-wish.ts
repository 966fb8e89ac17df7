/**
 * MeasureWish: what is measured of a tensor beside what its method needs, and what of both is not known yet. Not the
 * measuring (`evidence.ts`).
 */

import type { BlendTensor, Lineup } from './lineup.ts';
import type { Measured, Statistics } from './statistics.ts';
import { measuredOf, unitOf } from './weights.ts';

/**
 * What is measured beside a method's own needs: figures of change for the weights map, and those of a survey. A change
 * without a size is kept as such: nothing depends on it.
 */
export interface MeasureWish {
  readonly deltas: boolean;
  /** `along`: wherever deltas are measured; `always`: also where they alone are known. Nowhere, where left out. */
  readonly survey?: 'along' | 'always';
}

/** For the weights map. */
export const MAP_WISH: MeasureWish = { deltas: true, survey: 'along' };

/** For a blend that a page shows: what its method measures anyway serves the survey, too. */
export const PAGE_WISH: MeasureWish = { deltas: false, survey: 'along' };

/** For a survey. */
export const SURVEY_WISH: MeasureWish = { deltas: true, survey: 'always' };

/** One kind of sums that a tensor lacks. */
export interface Due {
  readonly from: Measured;
  readonly axis: 'row' | 'column' | null;
  /** True where they are only wished for. */
  readonly isWish: boolean;
  readonly isSurveyed: boolean;
}

/** What `EvidenceFinder.measure` still has to find for a tensor. */
export function dueOf(lineup: Lineup, statistics: Statistics, tensor: BlendTensor, wish: MeasureWish | null): Due[] {
  const unit = unitOf(lineup, tensor);
  const from = measuredOf(lineup, tensor);
  const { name } = tensor;
  const out: Due[] = [];
  const axis = unit === 'row' || unit === 'column' ? unit : null;
  const needsPlain = unit !== null && unit !== 'element' && axis === null;
  const isLinesDue = axis !== null && !statistics.hasLines(name, axis, from);
  const canSurvey = tensor.hasBase && wish?.survey !== undefined;
  if (isLinesDue || (needsPlain && !statistics.has(name, from))) {
    const isSurveyed = canSurvey && from === 'deltas';
    out.push({ from, axis: isLinesDue ? axis : null, isWish: false, isSurveyed });
  }
  const isUnmeasurable = statistics.unmeasurable(name) !== null;
  const isDue = !statistics.has(name, 'deltas') || (wish?.survey === 'always' && statistics.changesOf(name) === null);
  if (wish?.deltas && tensor.hasBase && !isUnmeasurable && isDue && !out.some((due) => due.from === 'deltas')) {
    out.push({ from: 'deltas', axis: null, isWish: true, isSurveyed: canSurvey });
  }
  return out;
}

/** True where `EvidenceFinder.measure` would read anything of a tensor. */
export function isMeasuringDue(
  lineup: Lineup,
  statistics: Statistics,
  tensor: BlendTensor,
  wish: MeasureWish | null,
): boolean {
  return tensor.elements > 0 && dueOf(lineup, statistics, tensor, wish).length > 0;
}
