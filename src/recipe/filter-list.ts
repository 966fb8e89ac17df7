/**
 * FilterList: a parameter's list of filters and values, where the first filter that a tensor's name contains decides:
 * its entries read from a recipe, and changed in its text in place, comments and the other entries kept. Each edit
 * returns the very same text where it changes nothing and throws a RecipeFault where the text gives it no place. Values
 * for one tensor are `resolve.ts`; an entry that is to win over all others is set by `edit.ts`.
 */

import { type Document, isScalar, isSeq, Scalar as ScalarNode, YAMLMap, YAMLSeq } from 'yaml';
import { RecipeFault } from '../bytes/fault.ts';
import { quoted } from './document.ts';
import { collapse, type ParameterAddress } from './edit.ts';
import { type Gradient, type ParameterValue, type Recipe, RECIPE_KEYS } from './recipe.ts';
import {
  edit,
  entriesOf,
  filterOf,
  modelEntries,
  ownerOf,
  pairOf,
  parametersOf,
  putParameter,
  removeParameter,
  replaceValue,
  setScalar,
} from './tree.ts';

/** One entry of a parameter; `filter: null` is what holds for the tensors that no filter finds. */
export interface EntryAddress extends ParameterAddress {
  readonly filter: string | null;
}

/** A filter for everything counts as none. */
export function plainFilter(filter: string | null): string | null {
  return filter === null || filter === '*' || filter === '' ? null : filter;
}

/** The entries of a value, as a list also where it is not one. */
export function entriesIn(value: ParameterValue | undefined): readonly { filter: string | null; value: Gradient }[] {
  if (value === undefined) return [];
  if (value.form === 'everywhere') return [{ filter: null, value: value.value }];
  return value.entries.map((entry) => ({ filter: plainFilter(entry.filter), value: entry.value }));
}

/** What a recipe writes for a parameter in one place: a model's own, or with `model: null` the top level's. */
export function writtenIn(recipe: Recipe, { model, name }: ParameterAddress): ParameterValue | undefined {
  if (model === null) return recipe.parameters[name];
  return recipe.models.find((own) => own.model === model)?.parameters[name];
}

/** The numbers of one entry, a plain number as a list of one; null where the recipe has no such entry, or no numbers. */
export function writtenNumbers(recipe: Recipe, address: EntryAddress): readonly number[] | null {
  const entry = entriesIn(writtenIn(recipe, address)).find(({ filter }) => filter === plainFilter(address.filter));
  if (entry === undefined) return null;
  const list = typeof entry.value === 'object' ? entry.value : [entry.value];
  return list.some((value) => typeof value === 'string') ? null : list.map(Number);
}

/** Puts numbers in a value's place: one as itself, several in brackets, reusing the nodes that are there. */
function numbersNode(document: Document, old: unknown, values: readonly number[]): unknown {
  const [only] = values;
  if (values.length === 1 && only !== undefined) {
    if (!isScalar(old)) return document.createNode(only);
    setScalar(old, only);
    return old;
  }
  const isGradient = isSeq(old) && old.items.every((item) => isScalar(item));
  const list = isGradient ? (old as YAMLSeq<unknown>) : new YAMLSeq<unknown>();
  if (!isGradient) list.flow = true;
  list.items = values.map((value, i) => {
    const item = list.items[i];
    if (!isScalar(item)) return new ScalarNode(value);
    setScalar(item, value);
    return item;
  });
  return list;
}

function saysAlready(node: unknown, values: readonly number[]): boolean {
  if (isScalar(node)) return values.length === 1 && Object.is(node.value, values[0]);
  if (!isSeq(node) || values.length === 1) return false;
  return (
    node.items.length === values.length &&
    node.items.every((item, i) => isScalar(item) && Object.is(item.value, values[i]))
  );
}

function putNumbers(document: Document, map: YAMLMap, key: string, values: readonly number[]): boolean {
  const pair = pairOf(map, key);
  if (pair === undefined) {
    map.items.push(document.createPair(key, numbersNode(document, null, values)));
    return true;
  }
  if (saysAlready(pair.value, values)) return false;
  const node = numbersNode(document, pair.value, values);
  if (node !== pair.value) replaceValue(pair, node);
  return true;
}

function entryNode(document: Document, filter: string | null, values: readonly number[]): YAMLMap {
  const entry = new YAMLMap();
  if (filter !== null) entry.items.push(document.createPair('filter', filter));
  entry.items.push(document.createPair('value', numbersNode(document, null, values)));
  return entry;
}

/** Where a filter goes among those that are there: by `order` where that has it, else below those that are part of it. */
export function placeOfFilter(
  filters: readonly (string | null)[],
  filter: string,
  order: readonly string[] = [],
): number {
  const rest = filters.indexOf(null);
  const end = rest < 0 ? filters.length : rest;
  const rank = order.indexOf(filter);
  if (rank >= 0) {
    const later = filters.findIndex((own, i) => i < end && own !== null && order.indexOf(own) > rank);
    return later < 0 ? end : later;
  }
  // What is set for less of the model stays above: it was meant as an exception.
  return filters.slice(0, end).findLastIndex((own) => own?.includes(filter)) + 1;
}

/**
 * Sets one entry where it stands, or adds it. One number is written plainly, several as a list over the layers; null
 * removes the entry. A new one stands below the entries for parts of it and above the others, or where `order`, a list
 * of filters, has it.
 */
export function setEntry(
  text: string,
  address: EntryAddress & { readonly values: readonly number[] | null; readonly order?: readonly string[] },
): string {
  const { model, name, values, order = [] } = address;
  const filter = plainFilter(address.filter);
  if (values?.length === 0 || values?.some((value) => !Number.isFinite(value))) {
    throw new RecipeFault(`'${name}' must be finite numbers.`);
  }
  return edit(text, (top, document) => {
    const owner = ownerOf(top, model);
    const keys = model === null ? RECIPE_KEYS : [];
    const old = parametersOf(owner)?.get(name, true);
    const entries = entriesOf(old);
    const own = entries?.items.find((entry) => filterOf(entry) === filter);
    if (values === null) {
      if (entries === null) return filter === null && removeParameter(owner, name);
      if (own === undefined) return false;
      entries.items = entries.items.filter((entry) => entry !== own);
      collapse(owner, name, entries);
      return true;
    }
    if (own !== undefined) return putNumbers(document, own, 'value', values);
    if (entries !== null) {
      const at = filter === null ? entries.items.length : placeOfFilter(entries.items.map(filterOf), filter, order);
      // A block entry cannot stand inside brackets, nor the other way round.
      const entry = entryNode(document, filter, values);
      if (entries.flow) entry.flow = true;
      entries.items.splice(at, 0, entry);
      return true;
    }
    const map = parametersOf(owner);
    if (filter === null) {
      if (map !== null) return putNumbers(document, map, name, values);
      putParameter(document, owner, name, numbersNode(document, null, values), keys);
      return true;
    }
    const list = new YAMLSeq<YAMLMap>();
    list.items.push(entryNode(document, filter, values));
    if (old !== undefined && old !== null && !(isScalar(old) && old.value === null)) {
      const rest = new YAMLMap();
      rest.items.push(document.createPair('value', old));
      list.items.push(rest);
    }
    // A block list cannot stand inside braces.
    if (map) map.flow = false;
    if (model !== null) owner.flow = false;
    const pair = map ? pairOf(map, name) : undefined;
    // The old value stands in the list with its comments: it is not replaced.
    if (pair) pair.value = list;
    else putParameter(document, owner, name, list, keys);
    return true;
  });
}

/** The lists of a parameter: the top level's and every model's, where there are any. */
function listsOf(top: YAMLMap, name: string): { readonly owner: YAMLMap; readonly entries: YAMLSeq<YAMLMap> }[] {
  return [top, ...modelEntries(top).map(({ entry }) => entry)].flatMap((owner) => {
    const entries = entriesOf(parametersOf(owner)?.get(name, true));
    return entries === null ? [] : [{ owner, entries }];
  });
}

/** Moves a filter's entries directly above another's, in every list that has both in the other order. */
export function moveFilterAbove(
  text: string,
  { name, filter, above }: { readonly name: string; readonly filter: string; readonly above: string },
): string {
  return edit(text, (top) => {
    let isChanged = false;
    for (const { entries } of listsOf(top, name)) {
      const filters = entries.items.map(filterOf);
      const [from, to] = [filters.indexOf(filter), filters.indexOf(above)];
      const entry = entries.items[from];
      if (entry === undefined || to < 0 || from < to) continue;
      entries.items.splice(from, 1);
      entries.items.splice(to, 0, entry);
      isChanged = true;
    }
    return isChanged;
  });
}

/** Gives a filter other words in every list of a parameter. */
export function renameFilter(
  text: string,
  { name, filter, to }: { readonly name: string; readonly filter: string; readonly to: string },
): string {
  if (plainFilter(to) === null) throw new RecipeFault('A filter needs some text: a part of the tensors’ names.');
  return edit(text, (top, document) => {
    let isChanged = false;
    for (const { entries } of listsOf(top, name)) {
      const own = entries.items.find((entry) => filterOf(entry) === filter);
      if (own === undefined || filter === to) continue;
      if (entries.items.some((entry) => filterOf(entry) === to)) {
        throw new RecipeFault(`'${name}' has a filter ${quoted(to)} already.`);
      }
      const pair = pairOf(own, 'filter');
      if (pair === undefined) continue;
      if (isScalar(pair.value)) setScalar(pair.value, to);
      else pair.value = document.createNode(to);
      isChanged = true;
    }
    return isChanged;
  });
}

/** Removes a filter's entries from every list of a parameter. */
export function removeFilter(
  text: string,
  { name, filters }: { readonly name: string; readonly filters: readonly string[] },
): string {
  return edit(text, (top) => {
    let isChanged = false;
    for (const { owner, entries } of listsOf(top, name)) {
      const kept = entries.items.filter((entry) => !filters.includes(filterOf(entry) ?? ''));
      if (kept.length === entries.items.length) continue;
      entries.items = kept;
      collapse(owner, name, entries);
      isChanged = true;
    }
    return isChanged;
  });
}

/** All filters of a parameter, in an order that no list contradicts where there is one. */
export function filtersOf(recipe: Recipe, name: string): readonly string[] {
  const merged: string[] = [];
  for (const { parameters } of [...recipe.models, recipe]) {
    let at = 0;
    for (const { filter } of entriesIn(parameters[name])) {
      if (filter === null) continue;
      const there = merged.indexOf(filter);
      if (there < 0) merged.splice(at++, 0, filter);
      else at = Math.max(at, there + 1);
    }
  }
  return merged;
}
