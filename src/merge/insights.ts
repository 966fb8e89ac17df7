/**
 * Insights: what a survey says in plain words, the most important first. Pure: from its figures. What it says of pairs
 * is `pair-insights.ts`. Not the figures (`surveying.ts`), nor which recipe follows from them (`recommend.ts`).
 */

import { distancesOf } from './distance.ts';
import { baseName, insight, movedModels, namesOf, percentText, timesText, whoText } from './insight-words.ts';
import { apart, moduleFilter, opposites, sameChanges, sharedChanges } from './pair-insights.ts';
import type { Insight } from './survey.ts';
import { byModule, filterOf, listedNames, moduleWords, type Part, partOf } from './survey-parts.ts';
import {
  CLOSE_CHANGE,
  FAR_CHANGE,
  MOST_CHANGE,
  MOST_CHANGE_BEYOND,
  ONE_TENSOR_CHANGE,
  ONE_TENSOR_SHARE,
  PART_SHARE,
  SPARSE_SHARE,
  STRANGER_CHANGE,
  UNEQUAL_RATIO,
} from './survey-thresholds.ts';
import type { BrokenTensor, SurveyFigures } from './surveying.ts';

/** More would not be read. */
const MOST_INSIGHTS = 8;

/** Of one kind of finding. */
const MOST_OF_A_KIND = 2;

/** What the findings stand on. */
interface Ground {
  readonly figures: SurveyFigures;
  /** Models that are not the base. */
  readonly moved: readonly number[];
  /** By model: the part that it changed, where it left the rest as it was. */
  readonly parts: ReadonlyMap<number, Part>;
}

/** The findings, the most important first. */
export function insightsOf(figures: SurveyFigures, broken: readonly BrokenTensor[]): Insight[] {
  const moved = movedModels(figures);
  const parts = new Map(
    moved.flatMap((model) => {
      const part = changedPart(figures, model);
      return part ? [[model, part] as const] : [];
    }),
  );
  const ground: Ground = { figures, moved, parts };
  const found = [
    ...brokenTensors(figures, broken),
    ...withoutBase(figures),
    ...strangers(figures),
    ...unchanged(figures),
    ...sameChanges(figures),
    ...opposites(figures),
    ...unequal(ground),
    ...onlyParts(ground),
    ...apart(figures, moved),
    ...sharedChanges(figures),
    ...mostlyParts(ground),
    ...oneTensor(ground),
    ...sparse(ground),
    ...embeddings(ground),
    ...close(ground),
  ];
  return found.slice(0, MOST_INSIGHTS);
}

function brokenTensors(figures: SurveyFigures, broken: readonly BrokenTensor[]): Insight[] {
  const [first] = broken;
  if (!first) return [];
  const models = [...new Set(broken.flatMap((own) => own.models))];
  const who =
    models.length === 0 ? 'The models hold' : `${listedNames(models)} ${models.length === 1 ? 'holds' : 'hold'}`;
  const where = broken.length === 1 ? first.tensor : `${broken.length} tensors, such as ${first.tensor}`;
  const indices = new Map(figures.tensors.map((name, t) => [name, t]));
  const filter = filterOf(
    figures,
    broken.flatMap(({ tensor }) => indices.get(tensor) ?? []),
  );
  const sentence = `${who} NaN, infinity or numbers too large to square in ${where}. Leave such a model out, or export it again.`;
  return [insight('broken', 'warning', sentence, models, filter)];
}

function withoutBase(figures: SurveyFigures): Insight[] {
  if (figures.base !== null || figures.rmsChange.some((rms) => !Number.isNaN(rms))) return [];
  const sentence = 'This recipe names no base, so there are no changes to compare. Choose which model is the base.';
  return [insight('no-base', 'plain', sentence, [])];
}

function strangers(figures: SurveyFigures): Insight[] {
  const distances = distancesOf(figures);
  const changeOf = (k: number) => distances[k]?.size ?? Number.NaN;
  const halfOf = (models: readonly number[]) =>
    models.some((k) => distances[k]?.isOfHalf) ? ' in half of the weights or more' : '';
  const all = figures.models.map((_, k) => k);
  const told = all.filter((k) => changeOf(k) >= STRANGER_CHANGE);
  const doubtful = all.filter((k) => changeOf(k) >= FAR_CHANGE && changeOf(k) < STRANGER_CHANGE);
  const out: Insight[] = [];
  if (told.length > 0) {
    const names = namesOf(figures, told);
    const size = `${told.length > 1 ? 'at least ' : ''}${timesText(Math.min(...told.map(changeOf)))}`;
    const sentence = `${listedNames(names)} and ${baseName(figures)} are not siblings: the difference is ${size} the base’s own size${halfOf(told)}. Models of different training runs rarely blend well.`;
    out.push(insight('not-siblings', 'warning', sentence, names));
  }
  if (doubtful.length > 0) {
    const names = namesOf(figures, doubtful);
    const size = `${doubtful.length > 1 ? 'up to ' : ''}${percentText(Math.max(...doubtful.map(changeOf)))}`;
    const sentence = `${listedNames(names)} moved far from ${baseName(figures)}, by ${size} of its size${halfOf(doubtful)}: long training, or another training run. Try a blend before you rely on it.`;
    out.push(insight('far-from-base', 'warning', sentence, names));
  }
  return out;
}

function unchanged(figures: SurveyFigures): Insight[] {
  const same = figures.models.filter((_, k) => figures.totals.unchangedShare[k] === 1);
  if (same.length === 0) return [];
  const [is, adds] = same.length === 1 ? ['is', 'adds'] : ['are', 'add'];
  const sentence = `${listedNames(same)} ${is} the same as ${baseName(figures)} in every weight, and ${adds} nothing to a merge.`;
  return [insight('unchanged', 'warning', sentence, same)];
}

/** The model that moved furthest, and by how many times the next; null where none stands out. */
export function outlierOf(
  { totals }: SurveyFigures,
  moved: readonly number[],
): { readonly model: number; readonly next: number; readonly ratio: number } | null {
  const rms = (k: number) => totals.rmsChange[k] ?? 0;
  const [model, next] = [...moved].sort((a, b) => rms(b) - rms(a));
  if (model === undefined || next === undefined) return null;
  const ratio = rms(model) / rms(next);
  return ratio >= UNEQUAL_RATIO ? { model, next, ratio } : null;
}

function unequal({ figures, moved }: Ground): Insight[] {
  const far = outlierOf(figures, moved);
  if (!far) return [];
  const [name = '', next = ''] = namesOf(figures, [far.model, far.next]);
  const sentence = `${name} moved ${timesText(far.ratio)} as far from ${baseName(figures)} as the next, ${next}. With equal weights it drowns the others.`;
  return [insight('unequal', 'warning', sentence, [name])];
}

/** The tensors that a model changed, where they are a part worth naming. */
function changedPart(figures: SurveyFigures, model: number): Part | null {
  const count = figures.models.length;
  const changed: number[] = [];
  let elements = 0;
  let all = 0;
  for (let t = 0; t < figures.tensors.length; t++) {
    const rms = figures.rmsChange[t * count + model] ?? Number.NaN;
    if (Number.isNaN(rms)) continue;
    all += figures.elements[t] ?? 0;
    if (rms === 0) continue;
    elements += figures.elements[t] ?? 0;
    changed.push(t);
  }
  return elements <= PART_SHARE * all ? partOf(figures, changed) : null;
}

function onlyParts({ figures, parts }: Ground): Insight[] {
  const byWords = new Map<string, { readonly part: Part; readonly models: number[] }>();
  for (const [model, part] of parts) {
    const own = byWords.get(part.words) ?? { part, models: [] };
    own.models.push(model);
    byWords.set(part.words, own);
  }
  return [...byWords.values()].slice(0, MOST_OF_A_KIND).map(({ part, models }) => {
    const names = namesOf(figures, models);
    const sentence = `${whoText(figures, models)} changed only ${part.words}; the rest is exactly as in ${baseName(figures)}.`;
    return insight('only-part', 'plain', sentence, names, part.filter);
  });
}

/** Per model the sum of its squared change. */
function squaresOf(figures: SurveyFigures): number[] {
  const count = figures.models.length;
  return figures.models.map((_, k) => {
    let sum = 0;
    for (let t = 0; t < figures.tensors.length; t++) {
      const rms = figures.rmsChange[t * count + k] ?? Number.NaN;
      if (!Number.isNaN(rms)) sum += rms ** 2 * (figures.elements[t] ?? 0);
    }
    return sum;
  });
}

function mostlyParts({ figures, moved, parts }: Ground): Insight[] {
  const modules = byModule(figures);
  const squares = squaresOf(figures);
  const elements = figures.elements.reduce((sum, own) => sum + own, 0);
  const found = modules.flatMap((own) => {
    const share = (k: number) => (own.squares[k] ?? 0) / (squares[k] ?? 0);
    const least = Math.max(MOST_CHANGE, own.elements / elements + MOST_CHANGE_BEYOND);
    const models = moved.filter((k) => !parts.has(k) && share(k) >= least);
    return models.length === 0 ? [] : [{ own, models, share: Math.min(...models.map(share)) }];
  });
  return found.slice(0, MOST_OF_A_KIND).map(({ own, models, share }) => {
    const names = namesOf(figures, models);
    const words = moduleWords(figures.moduleNames[own.module] ?? '');
    const figure = `${models.length > 1 ? 'at least ' : ''}${percentText(share)}`;
    const sentence = `${listedNames(names)} changed ${words} most: by squares ${figure} of the change lies there, in ${percentText(own.elements / elements)} of the weights.`;
    return insight('mostly-part', 'plain', sentence, names, moduleFilter(figures, own.module));
  });
}

/** Tensors that hold much of a model's change, though not of its weights. */
function oneTensor({ figures, moved, parts }: Ground): Insight[] {
  const squares = squaresOf(figures);
  const elements = figures.elements.reduce((sum, own) => sum + own, 0);
  const found = figures.tensors.flatMap((tensor, t) => {
    const own = figures.elements[t] ?? 0;
    if (own > ONE_TENSOR_SHARE * elements) return [];
    const share = (k: number) =>
      ((figures.rmsChange[t * figures.models.length + k] ?? 0) ** 2 * own) / (squares[k] ?? 0);
    const models = moved.filter((k) => !parts.has(k) && share(k) >= ONE_TENSOR_CHANGE);
    return models.length === 0 ? [] : [{ tensor, own, models, share: Math.min(...models.map(share)) }];
  });
  return found.slice(0, MOST_OF_A_KIND).map(({ tensor, own, models, share }) => {
    const figure = `${models.length > 1 ? 'at least ' : ''}${percentText(share)}`;
    const sentence = `${whoText(figures, models)} changed one tensor most, ${tensor}: by squares ${figure} of the change lies there, in ${percentText(own / elements)} of the weights.`;
    return insight('one-tensor', 'plain', sentence, namesOf(figures, models), tensor);
  });
}

function sparse({ figures, moved, parts }: Ground): Insight[] {
  const share = (k: number) => figures.totals.unchangedShare[k] ?? 0;
  const own = moved.filter((k) => share(k) >= SPARSE_SHARE && !parts.has(k));
  if (own.length === 0) return [];
  const names = namesOf(figures, own);
  const figure = `${own.length > 1 ? 'at least ' : ''}${percentText(Math.min(...own.map(share)))}`;
  const sentence = `${whoText(figures, own)} left ${figure} of the weights exactly as ${baseName(figures)} has them.`;
  return [insight('sparse', 'plain', sentence, names)];
}

const EMBEDDINGS = /embed_tokens|\bwte\b|lm_head|word_embeddings|embed_out/;

function embeddings({ figures, moved, parts }: Ground): Insight[] {
  const tensors = figures.tensors.flatMap((name, t) =>
    (figures.layers[t] ?? 0) < 0 && EMBEDDINGS.test(name) ? [t] : [],
  );
  const isChanged = (t: number, k: number) => (figures.rmsChange[t * figures.models.length + k] ?? 0) > 0;
  const hasChanged = (k: number) => tensors.some((t) => isChanged(t, k));
  // Of a model of another training run everything is different.
  const isFineTune = (k: number) => !((distancesOf(figures)[k]?.size ?? 0) >= STRANGER_CHANGE);
  const changed = moved.filter((k) => hasChanged(k) && isFineTune(k));
  const others = moved.filter((k) => !hasChanged(k));
  if (changed.length === 0) return [];
  // Where the others changed a part only, or these nothing else, that was said.
  if (others.some((k) => parts.has(k)) || changed.every((k) => parts.has(k))) return [];
  const names = namesOf(figures, changed);
  const rest = others.length === 0 ? '.' : `; ${listedNames(namesOf(figures, others))} did not.`;
  const sentence = `${whoText(figures, changed)} changed the token embeddings or the output head${rest}`;
  const own = tensors.filter((t) => changed.some((k) => isChanged(t, k)));
  const filter = filterOf(figures, own) ?? filterOf(figures, own.slice(0, 1));
  return [insight('embeddings', 'plain', sentence, names, filter)];
}

function close({ figures, moved }: Ground): Insight[] {
  const changes = moved.map((k) => figures.totals.relativeChange[k] ?? Number.NaN);
  const distances = distancesOf(figures);
  if (changes.length === 0 || !moved.every((k) => (distances[k]?.size ?? Number.NaN) < CLOSE_CHANGE)) return [];
  const names = namesOf(figures, moved);
  const [low, high] = [percentText(Math.min(...changes)), percentText(Math.max(...changes))];
  const figure = low === high ? low : `${low} to ${high}`;
  const sentence = `${whoText(figures, moved)} stayed close to ${baseName(figures)}: ${names.length === 1 ? 'it' : 'they'} changed it by ${figure} of its size, as fine-tunes do.`;
  return [insight('close', 'good', sentence, names)];
}
