/**
 * Kept values: after a change to a recipe's text, some tensors of some models get back what they had of one parameter
 * before, by the fewest filters that say so. Pure text to text. Which tensors those are, the page's locks say
 * (`state/mixer-keeping.ts`); a value that a hand sets goes through `edit.ts`.
 */

import { YAMLMap } from 'yaml';
import type { Method } from '../methods/method.ts';
import { type FilteredEntry, setFilteredValues } from './edit.ts';
import { foundBy } from './filter-reach.ts';
import { parameterValue } from './parameter-value.ts';
import type { Recipe } from './recipe.ts';
import { depthOf, layerCountOf, resolveAt } from './resolve.ts';
import { edit, ownerOf, pairOf, parametersOf, putParameter, removeParameter } from './tree.ts';
import { diagnoseRecipe } from './yaml.ts';

/** A recipe as it was read from its text. */
export interface ReadRecipe {
  readonly text: string;
  readonly recipe: Recipe;
  readonly method: Method;
}

/** What is to stay as it is. */
export interface Holding {
  /** The parameter, one of the models' own in both methods. */
  readonly name: string;
  /** By model: beginnings of tensor names, each a filter for just those; the empty one is all of the model. */
  readonly held: ReadonlyMap<string, ReadonlySet<string>>;
  /** The names of all tensors, as filters meet them. */
  readonly tensors: readonly string[];
  /** What a method gave a tensor to which the recipe gives nothing; NaN where that is not known. */
  readonly shown: (model: string, tensor: string) => number;
}

/** One tensor of one model. */
export interface KeptTensor {
  readonly model: string;
  readonly tensor: string;
}

export interface KeptValues {
  readonly text: string;
  /** What would have changed, and does not. */
  readonly kept: readonly KeptTensor[];
  /** What changes all the same: nothing says what it had, or no filter means it alone. */
  readonly lost: readonly KeptTensor[];
}

/** More entries than this nobody wants in a recipe; what is beyond them is let go. */
const MOST_ENTRIES = 512;

type ValueAt = (tensor: string) => number;

/** What a recipe gives one model of a parameter, tensor by tensor; NaN where it leaves that to the method. */
function valuesOf({ recipe, method }: ReadRecipe, name: string, model: string, layers: number): ValueAt {
  const parameter = method.perModel[name];
  const own = recipe.models.find((entry) => entry.model === model);
  if (!parameter || !own) return () => Number.NaN;
  const alone = { ...method, params: {}, perModel: { [name]: parameter } };
  const scopes = [own.parameters, recipe.parameters];
  return (tensor) => {
    const depth = depthOf(tensor, layers);
    const { perModel } = resolveAt(alone, { tensor, depth, scopes: [], models: [{ tensor, scopes }] });
    return perModel[0]?.[name] ?? Number.NaN;
  };
}

/** Everything of a recipe but what its models set of one parameter: where it differs, a method may decide otherwise. */
function surroundings({ recipe }: ReadRecipe, name: string): string {
  const rest = ({ [name]: _, ...others }: Recipe['parameters']) => others;
  const models = recipe.models.map((own) => ({ ...own, parameters: rest(own.parameters) }));
  return JSON.stringify({ ...recipe, parameters: rest(recipe.parameters), models });
}

/** The tensors that some beginnings hold, in order. */
function heldTensors(filters: ReadonlySet<string>, tensors: readonly string[]): readonly string[] {
  if (filters.has('')) return tensors;
  const all = [...filters];
  return tensors.filter((tensor) => all.some((filter) => tensor.startsWith(filter)));
}

/** Puts back what one model's own entry said of a parameter before, comments included. */
function withOwnOf(text: string, before: string, model: string, name: string): string {
  let pair: ReturnType<typeof pairOf>;
  edit(before, (top) => {
    pair = pairOf(parametersOf(ownerOf(top, model)) ?? new YAMLMap(), name);
    // Nothing is changed there.
    return false;
  });
  return edit(text, (top, document) => {
    const owner = ownerOf(top, model);
    if (!pair) return removeParameter(owner, name);
    owner.flow = false;
    const map = parametersOf(owner);
    if (map) map.flow = false;
    const own = map ? pairOf(map, name) : undefined;
    if (own) own.value = pair.value;
    else putParameter(document, owner, name, pair.value, []);
    return true;
  });
}

/** Entries that give tensors their values back; none for those that no filter means alone. */
function entriesFor(
  address: { readonly model: string; readonly name: string },
  filter: string,
  tensors: readonly string[],
  wanted: ValueAt,
  changed: ReadonlySet<string>,
  all: readonly string[],
): FilteredEntry[] {
  const [first = ''] = tensors;
  const value = wanted(first);
  const isAlone = filter === '' || foundBy(filter, all).length === tensors.length;
  if (isAlone && Number.isFinite(value) && tensors.every((tensor) => wanted(tensor) === value)) {
    return [{ ...address, filter, value }];
  }
  if (tensors.length === 1 && filter === first) return [];
  const parts = new Map<string, string[]>();
  for (const tensor of tensors) {
    const stop = tensor.indexOf('.', filter.length);
    const part = stop < 0 ? tensor : tensor.slice(0, stop + 1);
    const own = parts.get(part);
    if (own) own.push(tensor);
    else parts.set(part, [tensor]);
  }
  return [...parts].flatMap(([part, own]) =>
    own.some((tensor) => changed.has(tensor)) ? entriesFor(address, part, own, wanted, changed, all) : [],
  );
}

/**
 * The changed text with everything that is held as it was before. Where nothing held has changed that is `after` itself,
 * and so it is where `after` is no readable recipe or lists other models than were held.
 */
export function keepValues(before: ReadRecipe, after: ReadRecipe, holding: Holding): KeptValues {
  const { name, held, tensors, shown } = holding;
  const layers = layerCountOf(tensors);
  const kept: KeptTensor[] = [];
  const lost: KeptTensor[] = [];
  const models = after.recipe.models.map(({ model }) => model);
  const isMoved = surroundings(before, name) !== surroundings(after, name);
  const allBefore = new Map(models.map((model) => [model, valuesOf(before, name, model, layers)]));
  const allAfter = new Map(models.map((model) => [model, valuesOf(after, name, model, layers)]));
  // What a method decides by itself may follow from everything, and from what the other models are given there.
  const mayMove = (tensor: string) =>
    isMoved || models.some((model) => !Object.is(allBefore.get(model)?.(tensor), allAfter.get(model)?.(tensor)));
  let { text } = after;
  const entries: FilteredEntry[] = [];
  for (const [model, filters] of held) {
    const was = allBefore.get(model);
    const is = allAfter.get(model);
    if (!was || !is || !before.recipe.models.some((own) => own.model === model)) continue;
    const wanted: ValueAt = (tensor) => {
      const value = was(tensor);
      return Number.isNaN(value) ? shown(model, tensor) : value;
    };
    const own = heldTensors(filters, tensors);
    const isChanged = (now: ValueAt) => (tensor: string) => {
      const value = was(tensor);
      return Number.isNaN(value) ? !Number.isNaN(now(tensor)) || mayMove(tensor) : !Object.is(value, now(tensor));
    };
    const changed = own.filter(isChanged(is));
    if (changed.length === 0) continue;
    let remaining = changed;
    if (filters.has('')) {
      text = withOwnOf(text, before.text, model, name);
      const recipe = diagnoseRecipe(text).recipe ?? after.recipe;
      remaining = own.filter(isChanged(valuesOf({ ...after, recipe }, name, model, layers)));
    }
    const changedNames = new Set(remaining);
    const widest = [...filters].filter(
      (filter) => ![...filters].some((other) => other !== filter && filter.startsWith(other)),
    );
    const found = widest.flatMap((filter) => {
      const within = tensors.filter((tensor) => tensor.startsWith(filter));
      if (!within.some((tensor) => changedNames.has(tensor))) return [];
      return entriesFor({ model, name }, filter, within, wanted, changedNames, tensors);
    });
    const parameter = after.method.perModel[name];
    const fits = ({ value }: FilteredEntry) =>
      parameter !== undefined && parameterValue(name, parameter).safeParse(value).success;
    const good = found.filter(fits).slice(0, MOST_ENTRIES - entries.length);
    entries.push(...good);
    const isGood = (tensor: string) =>
      !changedNames.has(tensor) || good.some(({ filter }) => tensor.startsWith(filter));
    for (const tensor of changed) (isGood(tensor) ? kept : lost).push({ model, tensor });
  }
  return { text: setFilteredValues(text, entries), kept, lost };
}
