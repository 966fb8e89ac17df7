/**
 * Recommend: a recipe to begin with, computed from a survey: a method of those that there are, its parameters, and why.
 * Pure: from its figures. It is where to start, not what is best: that only shows in what the blend says. Not the
 * findings (`insights.ts`).
 */

import type { Scalar } from '../recipe/recipe.ts';
import { distancesOf } from './distance.ts';
import { cosineText, largestCosineText, movedModels, namesOf, percentText, timesText } from './insight-words.ts';
import { outlierOf } from './insights.ts';
import { isDisjoint, opposedPairs, type Pair, pairsIn } from './pair-insights.ts';
import type { RecommendedStart } from './survey.ts';
import { listedNames } from './survey-parts.ts';
import { FAR_CHANGE, ORTHOGONAL_COSINE, SHARED_COSINE } from './survey-thresholds.ts';
import type { SurveyFigures } from './surveying.ts';

/** Above this cosine changes differ so little that their plain average is as good as anything finer. */
const SOUP_COSINE = 0.9;

/** Of one fine-tune: halfway, where both the base and the model are still heard. */
const HALFWAY = 0.5;

/** What a task vector method keeps of each model where they disagree: half, between TIES' own fifth and all. */
const DENSITY = 0.5;

/** Where more of the weights stayed, a change is thin already, and trimming it would drop what it is. */
const DENSE_SHARE = 0.5;

/** Weights are told in steps that a slider has. */
const STEP = 0.05;

/** A recipe to begin with; null where nothing was measured or nothing changed. */
export function recommendedStart(figures: SurveyFigures): RecommendedStart | null {
  const moved = movedModels(figures);
  const [first] = moved;
  if (first === undefined) return null;
  const far = moved.filter((k) => (distancesOf(figures)[k]?.size ?? 0) >= FAR_CHANGE);
  // With slices not all models meet in a tensor; what was not compared is not spoken of.
  const pairs = pairsIn(figures);
  if (figures.models.length === 1) return ofOne(figures, first, far.length > 0);
  if (far.length > 0) return ofStrangers(figures, far);
  if (moved.length === 1) return ofOneAmongMany(figures, first);
  if (pairs.length === 0) return null;
  const cosines = pairs.map(({ cosine }) => cosine);
  const least = Math.min(...cosines);
  if (opposedPairs(figures).length > 0) return ofOpposed(figures, opposedPairs(figures));
  if (pairs.every(isDisjoint)) return ofDisjoint(figures, moved);
  if (least >= SOUP_COSINE) return ofOneRun(figures, moved, least);
  if (least >= SHARED_COSINE) return ofRelatives(figures, moved, least);
  if (Math.max(...cosines) <= ORTHOGONAL_COSINE) return ofOrthogonal(figures, moved, Math.max(...cosines));
  return ofMixed(cosines);
}

function start(
  method: string,
  reason: string,
  parameters: Readonly<Record<string, Scalar>> = {},
  perModel: RecommendedStart['perModel'] = {},
): RecommendedStart {
  return { method, parameters, perModel, reason };
}

/** To the nearest step, and at least one. */
function stepped(value: number): number {
  return Number((Math.max(1, Math.round(value / STEP)) * STEP).toFixed(2));
}

/** ` by 3 % of its size`; empty where the base has no size. */
function changeText(change: number): string {
  return Number.isFinite(change) ? ` by ${percentText(change)} of its size` : '';
}

function ofOne(figures: SurveyFigures, model: number, isFar: boolean): RecommendedStart {
  const name = figures.models[model] ?? '';
  const change = changeText(distancesOf(figures)[model]?.size ?? Number.NaN);
  if (isFar) {
    const reason = `${name} differs from the base${change}, so that a blend of the two may well fail. Of all ways, the one along the arc keeps the weights’ length; start halfway.`;
    return start('slerp', reason, { t: HALFWAY });
  }
  const whole = changeText(figures.totals.relativeChange[model] ?? Number.NaN);
  const reason = `One fine-tune, which changed the base${whole}. Half of that change keeps something of both; a weight of 1 is the fine-tune itself.`;
  return start('task_arithmetic', reason, {}, { [name]: { weight: HALFWAY } });
}

function ofOneAmongMany(figures: SurveyFigures, model: number): RecommendedStart {
  const name = figures.models[model] ?? '';
  const reason = `Only ${name} differs from the base. The others add nothing; half of its change keeps something of both.`;
  return start('task_arithmetic', reason, {}, { [name]: { weight: HALFWAY } });
}

function ofStrangers(figures: SurveyFigures, far: readonly number[]): RecommendedStart {
  const names = listedNames(namesOf(figures, far));
  const change = changeText(Math.max(...far.map((k) => distancesOf(figures)[k]?.size ?? 0)));
  const [differ, most] = far.length === 1 ? ['differs', change] : ['differ', change.replace(' by ', ' by up to ')];
  const reason = `${names} ${differ} from the base${most}: sums of changes will most likely fail. A mean of directions keeps the weights’ length; expect little, and try it.`;
  return start('karcher', reason);
}

function ofOpposed(figures: SurveyFigures, opposed: readonly Pair[]): RecommendedStart {
  const [worst] = opposed;
  if (!worst) throw new Error('no pair is opposed');
  const names = listedNames(namesOf(figures, [worst.j, worst.k]));
  const { unchangedShare } = figures.totals;
  const isDense = [worst.j, worst.k].every((k) => (unchangedShare[k] ?? 0) <= DENSE_SHARE);
  const moved = percentText(worst.conflict);
  const share = Number.isNaN(worst.conflict) ? '' : `, ${moved} of the weights against each other`;
  const why = `${names} pull in opposite directions (cosine ${cosineText(worst.cosine)}${share}).`;
  if (isDense) {
    const parts = 'their largest changes, weight by weight where they agree on a sign';
    return start('ties', `${why} TIES adds up ${parts}.`, {}, everyModel(figures, { density: DENSITY }));
  }
  const parts = 'Few weights changed, so that none are dropped: only signs are settled';
  return start('ties', `${why} ${parts}.`, {}, everyModel(figures, { density: 1 }));
}

function everyModel(
  { models }: SurveyFigures,
  own: Readonly<Record<string, Scalar>>,
): Record<string, Readonly<Record<string, Scalar>>> {
  return Object.fromEntries(models.map((model) => [model, own]));
}

function ofDisjoint(figures: SurveyFigures, moved: readonly number[]): RecommendedStart {
  const names = listedNames(namesOf(figures, moved));
  const reason = `${names} changed different weights, so that the sum of their changes keeps all of each.`;
  return start('task_arithmetic', reason);
}

function ofOneRun(figures: SurveyFigures, moved: readonly number[], least: number): RecommendedStart {
  const names = listedNames(namesOf(figures, moved));
  const reason = `${names} changed the base in nearly the same way (cosine ${moved.length === 2 ? '' : 'at least '}${cosineText(least)}), like stages of one run: their plain average loses nothing.`;
  return start('linear', reason);
}

function ofRelatives(figures: SurveyFigures, moved: readonly number[], least: number): RecommendedStart {
  const names = listedNames(namesOf(figures, moved));
  const reason = `${names} share much of their change (cosine ${moved.length === 2 ? '' : 'at least '}${cosineText(least)}). Model stock goes from the base to their average as far as they agree.`;
  return start('model_stock', reason);
}

/**
 * Changes at right angles: the sum of N of equal length is √N times as long as one, so that 1/√N of each keeps to the
 * distance that training went. A change that is far longer than the others is scaled down to the next first.
 */
function ofOrthogonal(figures: SurveyFigures, moved: readonly number[], most: number): RecommendedStart {
  const names = listedNames(namesOf(figures, moved));
  const far = outlierOf(figures, moved);
  const angles = `The changes of ${names} are nearly at right angles (cosine ${largestCosineText(most, moved.length === 2)})`;
  if (far) {
    const [name = ''] = namesOf(figures, [far.model]);
    const reason = `${angles}, but ${name} moved ${timesText(far.ratio)} as far as the next: a smaller weight brings it to the others’ size.`;
    const least = stepped(1 / far.ratio);
    return start('task_arithmetic', reason, {}, { [name]: { weight: least } });
  }
  const lambda = stepped(1 / Math.sqrt(moved.length));
  const change = Math.max(...moved.map((k) => figures.totals.relativeChange[k] ?? Number.NaN));
  const size = Number.isFinite(change) ? `, and small (at most ${percentText(change)} of the base)` : '';
  const reason = `${angles}${size}, so that they add up. A lambda of ${lambda} makes the sum about as long as one change.`;
  return start('task_arithmetic', reason, { lambda });
}

function ofMixed(cosines: readonly number[]): RecommendedStart {
  const [low, high] = [Math.min(...cosines), Math.max(...cosines)].map(cosineText);
  const range = low === high ? `cosine ${low}` : `cosines ${low} to ${high}`;
  const reason = `The changes meet in part (${range}). VaRM weighs the models in every tensor by how far they moved it, without anything to set.`;
  return start('varm', reason);
}
