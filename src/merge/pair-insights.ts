/**
 * PairInsights: what a survey says of pairs of models: the same change, opposite ones, changes that do not meet. Pure. Not
 * what it says of models one by one, nor the order (`insights.ts`).
 */

import { pairOf } from './change-sums.ts';
import { distancesOf } from './distance.ts';
import { cosineText, insight, largestCosineText, namesOf, percentText } from './insight-words.ts';
import type { Insight } from './survey.ts';
import { byModule, filterOf, listedNames, moduleWords } from './survey-parts.ts';
import {
  CHANCE_SHARE,
  OPPOSED_COSINE,
  OPPOSED_SHARE,
  ORTHOGONAL_COSINE,
  SAME_COSINE,
  SHARED_COSINE,
  STRANGER_CHANGE,
} from './survey-thresholds.ts';
import type { SurveyFigures } from './surveying.ts';

/** Of one kind of finding about pairs. */
const MOST_OF_A_KIND = 2;

/** A pair of models, in the survey's order. */
export interface Pair {
  readonly j: number;
  readonly k: number;
  readonly cosine: number;
  /** Share of elements that both changed, in opposite directions. */
  readonly conflict: number;
}

/** Pairs of models that both moved. */
export function pairsIn({ models, totals }: SurveyFigures): Pair[] {
  const count = models.length;
  return models.flatMap((_, k) =>
    Array.from({ length: k }, (_, j): Pair => {
      const at = j * count + k;
      return { j, k, cosine: totals.cosines[at] ?? Number.NaN, conflict: totals.conflicts[at] ?? Number.NaN };
    }).filter(({ cosine }) => !Number.isNaN(cosine)),
  );
}

/** That there are more than were told; empty where there are not. */
function moreText(more: number): string {
  return more <= 0 ? '' : ` There ${more === 1 ? 'is 1 more such pair' : `are ${more} more such pairs`}.`;
}

/** Pairs with nearly the same change. */
export function sameChanges(figures: SurveyFigures): Insight[] {
  const same = pairsIn(figures)
    .filter(({ cosine }) => cosine >= SAME_COSINE)
    .sort((a, b) => b.cosine - a.cosine);
  return same.slice(0, MOST_OF_A_KIND).map(({ j, k, cosine }, n, told) => {
    const names = namesOf(figures, [j, k]);
    const more = n === told.length - 1 ? moreText(same.length - told.length) : '';
    const sentence = `${listedNames(names)} changed almost the same weights in the same way (cosine ${cosineText(cosine)}). In a sum that change counts twice; average them, or keep one.${more}`;
    return insight('same-weights', 'plain', sentence, names);
  });
}

/** How much of the elements that both can have changed at most, they changed in opposite directions. */
function opposition(figures: SurveyFigures, { j, k, conflict }: Pair): number {
  const changed = (model: number) => 1 - (figures.totals.unchangedShare[model] ?? 0);
  return conflict / Math.min(changed(j), changed(k));
}

/** Pairs that pull in opposite directions, the worst first. */
export function opposedPairs(figures: SurveyFigures): Pair[] {
  return pairsIn(figures)
    .filter((pair) => pair.cosine <= OPPOSED_COSINE || opposition(figures, pair) >= OPPOSED_SHARE)
    .sort((a, b) => a.cosine - b.cosine);
}

/** Pairs that pull in opposite directions. */
export function opposites(figures: SurveyFigures): Insight[] {
  const opposed = opposedPairs(figures);
  return opposed.slice(0, MOST_OF_A_KIND).map((pair, n, told) => {
    const { j, k, cosine, conflict } = pair;
    const names = namesOf(figures, [j, k]);
    const at = pairOf(j, k);
    const worst = byModule(figures)
      .map((own) => ({ ...own, share: (own.opposed[at] ?? 0) / own.elements }))
      .reduce<{ module: number; share: number } | null>((a, b) => (a && a.share >= b.share ? a : b), null);
    const name = worst ? (figures.moduleNames[worst.module] ?? '') : '';
    const isTold = worst !== null && worst.share > conflict;
    const where = isTold ? `, most in ${moduleWords(name)} (${percentText(worst.share)})` : '';
    const share = Number.isNaN(conflict)
      ? ''
      : `; they moved ${percentText(conflict)} of the weights in opposite directions${where}`;
    const more = n === told.length - 1 ? moreText(opposed.length - told.length) : '';
    const sentence = `${listedNames(names)} pull in opposite directions (cosine ${cosineText(cosine)})${share}.${more}`;
    return insight('opposed', 'warning', sentence, names, isTold ? moduleFilter(figures, worst.module) : null);
  });
}

/** A filter for the modules of one name. */
export function moduleFilter(figures: SurveyFigures, module: number): string | null {
  return filterOf(
    figures,
    figures.tensors.flatMap((_, t) => (figures.modules[t] === module ? [t] : [])),
  );
}

/** Whether a pair changed no weight in common. */
export function isDisjoint({ cosine, conflict }: Pair): boolean {
  return cosine === 0 && conflict === 0;
}

/** Whether the changes keep out of each other’s way, all of them. */
export function apart(figures: SurveyFigures, moved: readonly number[]): Insight[] {
  const pairs = pairsIn(figures);
  if (pairs.length === 0) return [];
  if (pairs.every(isDisjoint)) {
    const names = namesOf(figures, moved);
    const sentence = `${listedNames(names)} changed different weights. Nothing of one is in the way of another, so that a sum keeps all of them.`;
    return [insight('disjoint', 'good', sentence, names)];
  }
  if (opposedPairs(figures).length > 0) return [];
  const most = Math.max(...pairs.map(({ cosine }) => Math.abs(cosine)));
  if (most > ORTHOGONAL_COSINE) return [];
  const names = namesOf(figures, moved);
  // A figure near a half looks like strife, and is what independent changes have.
  const isHalf = pairs.every(({ conflict }) => conflict >= CHANCE_SHARE);
  const chance = isHalf ? ' That nearly half of their signs differ is chance.' : '';
  const figure = largestCosineText(most, pairs.length === 1);
  const sentence = `The changes of ${listedNames(names)} are nearly at right angles (cosine ${figure}): they hardly interfere and can be added up.${chance}`;
  return [insight('orthogonal', 'good', sentence, names)];
}

/** Pairs with part of their change in common. */
export function sharedChanges(figures: SurveyFigures): Insight[] {
  // Models of other training runs share their distance from the base, and no change.
  const isFineTune = (k: number) => !((distancesOf(figures)[k]?.size ?? 0) >= STRANGER_CHANGE);
  const shared = pairsIn(figures)
    .filter(({ cosine }) => cosine >= SHARED_COSINE && cosine < SAME_COSINE)
    .filter(({ j, k }) => isFineTune(j) && isFineTune(k))
    .sort((a, b) => b.cosine - a.cosine);
  return shared.slice(0, MOST_OF_A_KIND).map(({ j, k, cosine }, n, told) => {
    const names = namesOf(figures, [j, k]);
    const more = n === told.length - 1 ? moreText(shared.length - told.length) : '';
    const sentence = `${listedNames(names)} share part of their change (cosine ${cosineText(cosine)}).${more}`;
    return insight('shared', 'plain', sentence, names);
  });
}
