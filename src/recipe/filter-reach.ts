/**
 * FilterReach: which tensors a filter finds, which of them an earlier filter takes, and what every layer gets of one
 * parameter. From names alone; the values themselves are `resolve.ts`, by the very rules of a merge.
 */

import type { Method } from '../methods/method.ts';
import { entriesIn, type EntryAddress, plainFilter, writtenIn } from './filter-list.ts';
import { type NameKind, nameIndexOf } from './name-index.ts';
import type { Recipe } from './recipe.ts';
import { depthOf, resolveAt } from './resolve.ts';
import { stackPlaceOf } from './stack.ts';

/** True where a filter finds a tensor; null finds all. */
export function finds(filter: string | null, tensor: string): boolean {
  return filter === null || tensor.includes(filter);
}

/** Filters whose tensors are remembered. */
const MOST_REMEMBERED = 200;
const remembered = new WeakMap<readonly string[], Map<string, readonly string[]>>();

/** The tensors that a filter finds; remembered, since a drag asks for the same ones again and again. */
export function foundBy(filter: string | null, tensors: readonly string[]): readonly string[] {
  if (filter === null) return tensors;
  const known = remembered.get(tensors) ?? new Map<string, readonly string[]>();
  remembered.set(tensors, known);
  const before = known.get(filter);
  if (before) return before;
  const found = tensors.filter((name) => name.includes(filter));
  if (known.size >= MOST_REMEMBERED) known.clear();
  known.set(filter, found);
  return found;
}

/** Per tensor the index of the first filter that finds it, or -1. */
export function routesOf(tensors: readonly string[], filters: readonly (string | null)[]): Int32Array {
  return Int32Array.from(tensors, (name) => filters.findIndex((filter) => finds(filter, name)));
}

/** A tensor that stands for all of its layer for which the same entries decide. */
export interface LayerSample {
  readonly tensor: string;
  readonly layer: number;
  /** From 0 (first layer) to 1 (last). */
  readonly depth: number;
}

/** What the layers of a model are sampled by. */
export interface Layers {
  /** Of the tallest stack. */
  readonly count: number;
  /** From one layer with samples to the next; 1 but for very deep models. The last layer always has its own. */
  readonly step: number;
  readonly samples: readonly LayerSample[];
}

/** The filters of every list that decides about a parameter, one array per place; the samples depend on nothing else. */
export function filtersInPlaces(recipe: Recipe, name: string): readonly (readonly (string | null)[])[] {
  return [recipe, ...recipe.models].map(({ parameters }) => entriesIn(parameters[name]).map(({ filter }) => filter));
}

/** Of a model with more layers than this some stand for their neighbours: no picture has room for more. */
const MOST_LAYERS = 400;

/** The layers of the tallest stack, with one sample for every way in which the places' filters divide what `filter` finds. */
export function layersOf(
  tensors: readonly string[],
  filter: string | null,
  places: readonly (readonly (string | null)[])[],
): Layers {
  const { stacks, stackOf, layerOf } = nameIndexOf(tensors);
  const heights = [...stacks.values()];
  const count = Math.max(0, ...heights);
  const tallest = heights.indexOf(count);
  const step = Math.max(1, Math.ceil(count / MOST_LAYERS));
  // Where no list has a filter, all of a layer is one.
  const divided = places.filter((filters) => filters.some((own) => own !== null));
  const samples = new Map<string | number, LayerSample>();
  for (const [i, tensor] of tensors.entries()) {
    const layer = layerOf[i] ?? 0;
    if (stackOf[i] !== tallest || (layer % step !== 0 && layer !== count - 1) || !finds(filter, tensor)) continue;
    const routes = divided.map((filters) => filters.findIndex((own) => finds(own, tensor)));
    const key = divided.length === 0 ? layer : `${layer} ${routes.join(' ')}`;
    if (!samples.has(key)) samples.set(key, { tensor, layer, depth: depthOf(tensor, count) });
  }
  return { count, step, samples: [...samples.values()].sort((a, b) => a.layer - b.layer) };
}

/** One value that some tensors of a layer get; NaN where nothing is set. */
export interface LayerValue {
  readonly layer: number;
  readonly depth: number;
  readonly value: number;
}

/**
 * What the layers get of a parameter, by the rules of a merge: of one model, or with `model: null` of all models
 * together (a parameter that all share has one value anyhow). Layers whose tensors get different values stand more than
 * once.
 */
export function layerValues(
  recipe: Recipe,
  method: Method,
  { model, name }: { readonly model: string | null; readonly name: string },
  { samples }: Layers,
): readonly LayerValue[] {
  const seen = new Set<string>();
  return samples.flatMap(({ tensor, layer, depth }) => {
    const { params, perModel } = resolveAt(method, {
      tensor,
      depth,
      scopes: [recipe.parameters],
      models: recipe.models.map((own) => ({ tensor, scopes: [own.parameters, recipe.parameters] })),
    });
    const values = Object.hasOwn(method.params, name)
      ? [params[name]]
      : recipe.models.flatMap((own, k) => (model === null || own.model === model ? [perModel[k]?.[name]] : []));
    return values.flatMap((value = Number.NaN) => {
      const key = `${layer} ${value}`;
      if (seen.has(key)) return [];
      seen.add(key);
      return [{ layer, depth, value }];
    });
  });
}

/** Some of what an entry would set is decided by another one above it. */
export interface Hidden {
  /** The filter above; null for a list's earlier rest. */
  readonly by: string | null;
  readonly tensors: number;
  /** Layers in which it does, ascending. */
  readonly layers: readonly number[];
}

/** What an entry finds, and what it gets of that: the rest goes to entries above it in the same list. */
export interface Reach {
  readonly found: number;
  readonly got: number;
  readonly hidden: readonly Hidden[];
}

/** The reach of an entry; one that is not written is judged as if it stood where `filters` ends. */
export function reachOf(recipe: Recipe, address: EntryAddress, tensors: readonly string[]): Reach {
  const filter = plainFilter(address.filter);
  const filters = entriesIn(writtenIn(recipe, address)).map((entry) => entry.filter);
  const own = filters.indexOf(filter);
  const above = own < 0 ? [] : filters.slice(0, own);
  const found = foundBy(filter, tensors);
  const routes = routesOf(found, above);
  const hidden = above.flatMap((by, index): Hidden[] => {
    const names = found.filter((_, i) => routes[i] === index);
    if (names.length === 0) return [];
    const layers = new Set(names.flatMap((name) => stackPlaceOf(name)?.layer ?? []));
    return [{ by, tensors: names.length, layers: [...layers].sort((a, b) => a - b) }];
  });
  return { found: found.length, got: routes.filter((route) => route < 0).length, hidden };
}

/** Of more modules than this no filter is looked through: their names between dots are taken to be their own. */
const MOST_MODULES = 64;
const moduleFilters = new WeakMap<readonly string[], Map<string, string>>();

/** A filter for all tensors of a module: its name, or where that finds others too, its name between dots. */
export function filterOfModule(module: string, tensors: readonly string[]): string {
  const filters = moduleFilters.get(tensors) ?? new Map<string, string>();
  moduleFilters.set(tensors, filters);
  const filter = filters.get(module) ?? findFilter(module, tensors);
  filters.set(module, filter);
  return filter;
}

function findFilter(module: string, tensors: readonly string[]): string {
  const dotted = `.${module}.`;
  const { kinds, modules } = nameIndexOf(tensors);
  // A number alone might be a layer's, in which the names of one kind differ.
  if (modules.length > MOST_MODULES || /^\d+$/.test(module)) return dotted;
  const isOwn = ({ rest }: NameKind) => rest !== null && rest.split('.')[0] === module;
  return kinds.every((kind) => finds(module, kind.name) === isOwn(kind)) ? module : dotted;
}

/** The modules of the layers, in the order in which they first come. */
export function modulesOf(tensors: readonly string[]): readonly string[] {
  return nameIndexOf(tensors).modules;
}
