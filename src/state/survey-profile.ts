/**
 * Survey profile: where in a model the change is: relative change by layer for each group of modules, and by tensor
 * outside the layers. Pooled from the survey's figures per tensor; pure.
 */

import type { Survey } from './engine-api.ts';

/** One group of tensors along the layers; outside them one bar for each tensor. */
export interface ProfileGroup {
  readonly name: string;
  /** What each bar is: `layer 3`, `layers 4–7`, or a tensor's name. */
  readonly bars: readonly string[];
  /** models × bars, row-major: the change's length over the base's; NaN where the layer has no such module. */
  readonly values: Float64Array;
}

export interface SurveyProfile {
  readonly groups: readonly ProfileGroup[];
  /** The highest bar of all, for one scale. */
  readonly top: number;
  /** Per model: the largest change of one element; null where nothing was measured. */
  readonly largest: readonly (Extreme | null)[];
}

/** Modules get bars of their own up to this many; a model with more is shown by whole layers. */
const MOST_MODULES = 8;
const OUTSIDE = 'outside the layers';
const MOST_OUTSIDE = 64;
/** Layers get bars of their own up to this many; of a deeper model neighbours share one. No bar is thinner than can be seen. */
const MOST_BARS = 128;

/** Norms are many and small: they stand together. */
function groupName(module: string): string {
  return /norm/i.test(module) ? 'norms' : module;
}

/** Tensors that are walked before others get a turn: a few milliseconds also where the code has not run before. */
const SLICE = 16_384;

/** Pools a survey into bars, at once. */
export function profileOf(survey: Survey): SurveyProfile {
  const steps = profiling(survey);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in steps, between which others may have their turn: a survey may have a hundred thousand tensors. */
export function* profiling(survey: Survey): Generator<undefined, SurveyProfile> {
  const { models, tensors, layers, modules, moduleNames, elements, baseRms, rmsChange } = survey;
  const layerNumbers = [...new Set(layers)].filter((layer) => layer >= 0).sort((a, b) => a - b);
  const perBar = Math.ceil(layerNumbers.length / MOST_BARS);
  const barOf = new Map(layerNumbers.map((layer, place) => [layer, Math.floor(place / perBar)]));
  const bars = barNames(layerNumbers, perBar);
  const nameOf = moduleNames.map(groupName);
  const isInLayers = new Uint8Array(moduleNames.length);
  const outside: number[] = [];
  for (let t = 0; t < tensors.length; t++) {
    if ((layers[t] ?? -1) >= 0) isInLayers[modules[t] ?? -1] = 1;
    else outside.push(t);
  }
  const inLayers = new Set(nameOf.filter((_, module) => isInLayers[module] === 1));
  const isMany = inLayers.size > MOST_MODULES;
  const names = isMany ? ['all modules'] : [...inLayers].sort((a, b) => Number(a === 'norms') - Number(b === 'norms'));
  const groupOf = Int32Array.from(nameOf, (name) => (isMany ? 0 : names.indexOf(name)));
  const size = models.length * bars.length;
  // Group by group in one array each: this is walked for every tensor.
  const squares = new Float64Array(names.length * size);
  const bases = new Float64Array(names.length * size);
  for (let t = 0; t < tensors.length; t++) {
    if (t % SLICE === 0) yield;
    const bar = barOf.get(layers[t] ?? -1);
    const group = groupOf[modules[t] ?? -1] ?? -1;
    if (bar === undefined || group < 0) continue;
    const count = elements[t] ?? 0;
    const base = baseRms[t] ?? 0;
    for (let m = 0; m < models.length; m++) {
      const rms = rmsChange[t * models.length + m] ?? Number.NaN;
      // Not measured here: neither of the two sums may count it.
      if (Number.isNaN(rms)) continue;
      const at = group * size + m * bars.length + bar;
      squares[at] = (squares[at] ?? 0) + count * rms * rms;
      bases[at] = (bases[at] ?? 0) + count * base * base;
    }
  }
  const lengths = squares.map((sum, i) => Math.sqrt(sum / (bases[i] ?? 0)));
  const groups = names.map(
    (name, g): ProfileGroup => ({ name, bars, values: lengths.slice(g * size, (g + 1) * size) }),
  );
  if (outside.length > 0 && outside.length <= MOST_OUTSIDE) {
    const values = new Float64Array(models.length * outside.length);
    for (const [place, t] of outside.entries()) {
      for (let m = 0; m < models.length; m++) {
        values[m * outside.length + place] = survey.relativeChange[t * models.length + m] ?? Number.NaN;
      }
    }
    groups.push({ name: OUTSIDE, bars: outside.map((t) => tensors[t] ?? ''), values });
  }
  let top = 0;
  for (const { values } of groups) for (const value of values) if (Number.isFinite(value) && value > top) top = value;
  const largest: (Extreme | null)[] = [];
  for (const model of models.keys()) {
    yield;
    largest.push(largestChange(survey, model));
  }
  return { groups, top, largest };
}

/** What each bar is called where `perBar` layers share one. */
function barNames(layerNumbers: readonly number[], perBar: number): string[] {
  const names: string[] = [];
  for (let at = 0; at < layerNumbers.length; at += perBar) {
    const [first, last] = [layerNumbers[at], layerNumbers[Math.min(at + perBar, layerNumbers.length) - 1]];
    names.push(first === last ? `layer ${first}` : `layers ${first}–${last}`);
  }
  return names;
}

/** What one model changed most, and by how much. */
export interface Extreme {
  readonly tensor: string;
  readonly value: number;
}

/** The largest change of one element, and where; null where nothing was measured. */
export function largestChange(survey: Survey, model: number): Extreme | null {
  let best: Extreme | null = null;
  for (let t = 0; t < survey.tensors.length; t++) {
    const value = survey.maxChange[t * survey.models.length + model] ?? Number.NaN;
    if (value > (best?.value ?? -1)) best = { tensor: survey.tensors[t] ?? '', value };
  }
  return best;
}
