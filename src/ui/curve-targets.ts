/** Curve targets: what curves can be drawn of: which parameters, for whom, over which tensors. Pure. */

import type { Method, NumberParameter } from '../methods/method.ts';
import { type EntryAddress, entriesIn, filtersOf, writtenIn, writtenNumbers } from '../recipe/filter-list.ts';
import { filterOfModule, modulesOf } from '../recipe/filter-reach.ts';
import type { Recipe } from '../recipe/recipe.ts';

/** A number that may differ from layer to layer. */
export interface CurveParameter {
  readonly name: string;
  readonly parameter: NumberParameter;
  readonly isPerModel: boolean;
}

/** More steps than this make a number such as a seed, which no curve leads through. */
const MOST_STEPS = 10_000;

/** The numbers of a method that a curve can set: the map's handle first, then the models' own, then the shared ones. */
export function curveParameters(method: Method): readonly CurveParameter[] {
  const of = (declared: Method['params'], isPerModel: boolean) =>
    Object.entries(declared).flatMap(([name, parameter]) =>
      parameter.kind === 'number' && (parameter.max - parameter.min) / parameter.step <= MOST_STEPS
        ? [{ name, parameter, isPerModel }]
        : [],
    );
  const all = [...of(method.perModel, true), ...of(method.params, false)];
  const isHandle = ({ name }: CurveParameter) => name === method.handle;
  return [...all.filter(isHandle), ...all.filter((own) => !isHandle(own))];
}

/** Some tensors that a curve is over. */
export interface CurvePart {
  /** Null for all. */
  readonly filter: string | null;
  readonly label: string;
  /** The module that it is, if it is one. */
  readonly module: string | null;
}

export const ALL_TENSORS: CurvePart = { filter: null, label: 'all tensors', module: null };

/** All tensors, each module of the layers, and what else the recipe has filters for. */
export function curveParts(recipe: Recipe, name: string, tensors: readonly string[]): readonly CurvePart[] {
  const modules = modulesOf(tensors).map((module) => ({
    filter: filterOfModule(module, tensors),
    label: module,
    module,
  }));
  const known = new Set(modules.map(({ filter }) => filter));
  const others = filtersOf(recipe, name).filter((filter) => !known.has(filter) && !isOneLayer(filter));
  return [
    ALL_TENSORS,
    ...modules,
    ...others.map((filter) => ({ filter, label: `names with “${filter}”`, module: null })),
  ];
}

/** Whether a filter is for tensors of one layer: a curve over layers is one value there. */
function isOneLayer(filter: string): boolean {
  return /(?:^|\.)(?:layers|h|blocks|block|layer)\.\d+(?:\.|$)/.test(filter);
}

/** The numbers that hold at an address where the recipe has no entry for it: those that a curve begins from. */
export function inheritedNumbers(
  recipe: Recipe,
  { model, name, filter }: EntryAddress,
  parameter: NumberParameter,
): readonly number[] | null {
  const wider: EntryAddress[] = [
    { model, name, filter: null },
    { model: null, name, filter },
    { model: null, name, filter: null },
  ];
  for (const address of wider) {
    const numbers = writtenNumbers(recipe, address);
    if (numbers !== null) return numbers;
  }
  return parameter.default === null ? null : [parameter.default];
}

/** Models whose own values stand before what the top level says of a parameter. */
export function modelsOfTheirOwn(recipe: Recipe, name: string): readonly string[] {
  return recipe.models.flatMap(({ model }) =>
    entriesIn(writtenIn(recipe, { model, name })).length > 0 ? [model] : [],
  );
}

/** The values between which shapes are drawn: nothing and one, or the slider's whole range where it is smaller. */
export function shapeRange({ min, max }: NumberParameter): { readonly low: number; readonly high: number } {
  return { low: Math.max(0, min), high: Math.min(1, max) };
}
