/**
 * Filters: which of a recipe's filters are part of no tensor's name. mergekit passes over them in silence, and the
 * values behind them are then never used.
 */

import { nearest } from './nearest.ts';
import type { ParameterValues, Recipe } from './recipe.ts';

/** A filter that matches nothing. */
export interface IdleFilter {
  readonly parameter: string;
  readonly filter: string;
  /** A part of a tensor's name that may have been meant, or null. */
  readonly suggestion: string | null;
}

/** Every map of parameters in a recipe. */
function* scopesOf(recipe: Recipe): Generator<ParameterValues> {
  yield recipe.parameters;
  for (const model of recipe.models) yield model.parameters;
  for (const module of recipe.modules ?? []) {
    yield module.parameters;
    for (const slice of module.slices) {
      yield slice.parameters;
      for (const source of slice.sources) yield source.parameters;
    }
  }
}

/** The filters of a recipe that none of the tensors' names contains; each once per parameter. */
export function idleFilters(recipe: Recipe, tensors: readonly string[]): IdleFilter[] {
  const found = new Map<string, IdleFilter>();
  let parts: Set<string> | null = null;
  const matches = new Map<string, boolean>();
  for (const scope of scopesOf(recipe)) {
    for (const [parameter, value] of Object.entries(scope)) {
      if (value.form !== 'filtered') continue;
      for (const { filter } of value.entries) {
        if (filter === null || filter === '*') continue;
        const isMatch = matches.get(filter) ?? tensors.some((name) => name.includes(filter));
        matches.set(filter, isMatch);
        if (isMatch) continue;
        parts ??= new Set(tensors.flatMap((name) => name.split('.')));
        found.set(`${parameter}\n${filter}`, { parameter, filter, suggestion: nearest(filter, parts) });
      }
    }
  }
  return [...found.values()];
}
