/** Group list: a recipe's filters for one parameter as groups of tensors, and words to make new ones of. Pure. */

import { entriesIn, filtersOf, placeOfFilter, writtenIn } from '../recipe/filter-list.ts';
import { foundBy, type Reach, reachOf } from '../recipe/filter-reach.ts';
import { nearest } from '../recipe/nearest.ts';
import type { Gradient, Recipe } from '../recipe/recipe.ts';
import { nameIndexOf } from '../recipe/name-index.ts';
import { stackPlaceOf } from '../recipe/stack.ts';
import { plural } from '../state/figures.ts';
import { hiddenSentence } from './curve-words.ts';

/** What one model (or with null all of them) has for a filter. */
export interface GroupValue {
  readonly model: string | null;
  /** Null where the recipe says nothing here. */
  readonly value: Gradient | null;
}

/** The tensors that one filter finds, with what they get. */
export interface Group {
  readonly filter: string;
  /** How many tensors it finds. */
  readonly found: number;
  readonly values: readonly GroupValue[];
  /** True for one cell, one layer or one tensor, as a hand on the map sets them. */
  readonly isCell: boolean;
  /** Which of its tensors go by what stands above; empty where none do, and for cells. */
  readonly hidden: readonly string[];
  /** Whether some list has it directly or further below the group above it. */
  readonly canRise: boolean;
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

/** The names as a set; the same one for the same names. */
function setOf(tensors: readonly string[]): ReadonlySet<string> {
  const set = sets.get(tensors) ?? new Set(tensors);
  sets.set(tensors, set);
  return set;
}

/** All filters in their order, those that are only typed yet at the place that they will have. */
export function filterOrder(recipe: Recipe, name: string, typed: readonly string[]): readonly string[] {
  const order = [...filtersOf(recipe, name)];
  for (const filter of typed) if (!order.includes(filter)) order.splice(placeOfFilter(order, filter), 0, filter);
  return order;
}

/**
 * The groups of a parameter, in the order in which they decide, with the values of every model where each has its own.
 */
export function groupsOf(
  recipe: Recipe,
  name: string,
  isPerModel: boolean,
  order: readonly string[],
  tensors: readonly string[],
): readonly Group[] {
  const all = setOf(tensors);
  const { stacks } = nameIndexOf(tensors);
  const owners = isPerModel ? recipe.models.map(({ model }) => model) : [null];
  const lists = [null, ...recipe.models.map(({ model }) => model)].map((model) =>
    entriesIn(writtenIn(recipe, { model, name })),
  );
  // Where the top level says something for the models, too, that is shown beside theirs.
  const topHas = (filter: string) => lists[0]?.some((entry) => entry.filter === filter) ?? false;
  const isCellName = (filter: string) => {
    const place = filter.endsWith('.') ? stackPlaceOf(`${filter}x`) : null;
    return all.has(filter) || (place !== null && stacks.has(place.stack));
  };
  let above: string | null = null;
  return order.map((filter) => {
    const isCell = isCellName(filter);
    const shown = !isPerModel || !topHas(filter) ? owners : [...owners, null];
    const values = shown.map((model): GroupValue => {
      const entry = entriesIn(writtenIn(recipe, { model, name })).find((own) => own.filter === filter);
      return { model, value: entry?.value ?? null };
    });
    const reaches = values.flatMap(({ model, value }): [string | null, Reach][] =>
      value === null || isCell ? [] : [[model, reachOf(recipe, { model, name, filter }, tensors)]],
    );
    const before = above;
    if (!isCell) above = filter;
    return {
      filter,
      found: foundBy(filter, tensors).length,
      values,
      isCell,
      hidden: hiddenWords(reaches),
      canRise:
        before !== null &&
        lists.some((list) => {
          const [here, there] = [filter, before].map((own) => list.findIndex((entry) => entry.filter === own));
          return there !== undefined && there >= 0 && here !== undefined && there < here;
        }),
    };
  });
}

/** One sentence for each way in which models lose tensors of a group to what stands above. */
function hiddenWords(reaches: readonly [string | null, Reach][]): string[] {
  const models = new Map<string, string[]>();
  for (const [model, reach] of reaches) {
    const sentence = hiddenSentence(reach);
    if (sentence !== '') models.set(sentence, [...(models.get(sentence) ?? []), model ?? 'all models']);
  }
  return [...models].map(([sentence, own]) =>
    own.length === reaches.length ? sentence : `${own.join(', ')}: ${sentence}`,
  );
}

/** Layers, and tensors outside of them, that are suggested: in a longer list nobody looks, and it is built anew in the page. */
const MOST_OF_A_KIND = 400;

/** Parts of names that make sensible groups: modules, what is in them, single layers, what lies outside the layers. */
export function suggestedFilters(tensors: readonly string[]): readonly string[] {
  const { modules, kinds, stacks, stackOf, layerOf } = nameIndexOf(tensors);
  const parts = new Set<string>(modules);
  const outside = new Set<string>();
  for (const { name, rest } of kinds) {
    const below = rest?.split('.').slice(1);
    if (below) for (const part of below) if (!/^(?:weight|bias|\d+)$/.test(part)) parts.add(part);
    if (rest !== null || outside.size >= MOST_OF_A_KIND) continue;
    outside.add(
      name
        .replace(/\.(weight|bias)$/, '')
        .split('.')
        .at(-1) ?? name,
    );
  }
  const layers = new Map<number, number>();
  for (const [i, layer] of layerOf.entries()) if (layer >= 0) layers.set(layer, stackOf[i] ?? 0);
  const paths = [...stacks.keys()].map((stack) => stack.split('.').at(-1) ?? stack);
  const first = [...layers].sort(([one], [other]) => one - other).slice(0, MOST_OF_A_KIND);
  return [...parts, ...outside, ...first.map(([layer, stack]) => `${paths[stack]}.${layer}.`)];
}

/** What is to be said of a filter while it is typed. */
export function filterWords(filter: string, tensors: readonly string[]): string {
  if (filter === '') return 'Part of the tensors’ names, such as mlp, q_proj or layers.1.';
  const found = foundBy(filter, tensors).length;
  if (found > 0) return `Finds ${plural(found, 'tensor')}.`;
  const meant = nearest(filter, suggestedFilters(tensors));
  return `No tensor has “${filter}” in its name${meant === null ? '.' : `; did you mean ${meant}?`}`;
}
