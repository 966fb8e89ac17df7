/**
 * Distance: how far a model is from its base, such that a few tensors with large values do not hide what happened to all
 * the others. Pure. Not from which distance on that means something (`survey-thresholds.ts`).
 */

import type { SurveyFigures } from './surveying.ts';

/** How far a model is from its base, relative to the base's size. NaN where nothing was measured. */
export interface Distance {
  readonly size: number;
  /** Whether it is that of half of the weights and more, where all taken together look closer. */
  readonly isOfHalf: boolean;
}

const known = new WeakMap<SurveyFigures, readonly Distance[]>();

/**
 * The distance of every model: the change's length over the base's, of all weights together or of the half that moved
 * furthest, tensor by tensor, whichever is more. Norms near 1 outweigh small matrices by squares; in a small model of
 * another training run they alone would make it look like a fine-tune.
 */
export function distancesOf(figures: SurveyFigures): readonly Distance[] {
  const before = known.get(figures);
  if (before) return before;
  const made = figures.models.map((_, k): Distance => {
    const whole = figures.totals.relativeChange[k] ?? Number.NaN;
    const half = medianChange(figures, k);
    return half > whole ? { size: half, isOfHalf: true } : { size: whole, isOfHalf: false };
  });
  known.set(figures, made);
  return made;
}

/** The relative change that the tensors with half of the elements have at least. NaN where none has one. */
function medianChange({ models, tensors, relativeChange, elements }: SurveyFigures, model: number): number {
  const own: { readonly change: number; readonly elements: number }[] = [];
  let all = 0;
  for (let t = 0; t < tensors.length; t++) {
    const change = relativeChange[t * models.length + model] ?? Number.NaN;
    // Of a base that is 0 everywhere nothing is a multiple.
    if (!Number.isFinite(change)) continue;
    own.push({ change, elements: elements[t] ?? 0 });
    all += elements[t] ?? 0;
  }
  own.sort((a, b) => b.change - a.change);
  let above = 0;
  for (const tensor of own) {
    above += tensor.elements;
    if (above * 2 >= all) return tensor.change;
  }
  return Number.NaN;
}
