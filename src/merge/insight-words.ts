/** InsightWords: figures and names as an insight's sentence has them. Not what is said (`insights.ts`, `pair-insights.ts`). */

import type { Insight } from './survey.ts';
import { listedNames } from './survey-parts.ts';
import type { SurveyFigures } from './surveying.ts';

/** An insight. */
export function insight(
  kind: string,
  tone: Insight['tone'],
  sentence: string,
  models: readonly string[],
  filter: string | null = null,
): Insight {
  return { kind, tone, sentence, models, filter };
}

/** A cosine with two decimals; one that is nearly 1 with four. */
export function cosineText(cosine: number): string {
  return (cosine > 0.995 && cosine < 1 ? cosine.toFixed(4) : cosine.toFixed(2)).replace('-', '−');
}

/** `below 0.01`, `at most 0.06`: the largest of some cosines; of one alone `0.06`. */
export function largestCosineText(most: number, isOne: boolean): string {
  if (Math.abs(most) < 0.005) return 'below 0.01';
  return `${isOne ? '' : 'at most '}${cosineText(most)}`;
}

/** `0.4 %`, `12 %`. */
export function percentText(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.01) return 'less than 0.01 %';
  if (percent > 99 && percent < 100) return 'over 99 %';
  return `${percent < 10 ? Number(percent.toPrecision(2)) : Math.round(percent)} %`;
}

/** `1.4 times`. */
export function timesText(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)} times`;
}

/** The names of some models. */
export function namesOf(figures: SurveyFigures, models: readonly number[]): string[] {
  return models.map((k) => figures.models[k] ?? '');
}

/** Some models as the subject of a sentence: by their names, or `All 3 models`. */
export function whoText(figures: SurveyFigures, models: readonly number[]): string {
  const { length } = figures.models;
  return models.length === length && length > 2 ? `All ${length} models` : listedNames(namesOf(figures, models));
}

/** The base in a sentence. */
export function baseName({ base }: SurveyFigures): string {
  return base ?? 'the base';
}

/** Models that were measured and are not the base. */
export function movedModels({ models, totals }: SurveyFigures): number[] {
  return models.flatMap((_, k) => ((totals.rmsChange[k] ?? 0) > 0 ? [k] : []));
}
