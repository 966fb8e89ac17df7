/**
 * Edit: changes to a recipe's text that keep the person's comments, order and formatting. Each takes the text and
 * returns the new text; one that changes nothing returns the very same text. They need valid YAML, not a valid
 * recipe: half-written recipes can be edited too. All throw a RecipeFault where the text gives them no place.
 */

import { type Document, isNode, isScalar, isSeq, YAMLMap, YAMLSeq } from 'yaml';
import { RecipeFault } from '../bytes/fault.ts';
import { BLENDED_DTYPES, TORCH_NAMES } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Parameters } from '../methods/method.ts';
import { quoted } from './document.ts';
import { listed, parameterValue } from './parameter-value.ts';
import { RECIPE_KEYS, type Scalar } from './recipe.ts';
import {
  addAbove,
  dropKey,
  edit,
  entriesOf,
  filterOf,
  insert,
  modelEntries,
  ownerOf,
  pairOf,
  parametersOf,
  putParameter,
  removeParameter,
  requirePlainModels,
  setKey,
  setScalar,
} from './tree.ts';

/** Whose parameter and which: `model: null` is the top level, which holds for all models. */
export interface ParameterAddress {
  readonly model: string | null;
  readonly name: string;
}

function requireFinite(name: string, value: Scalar | null): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new RecipeFault(`'${name}' must be a finite number, and ${value} is none.`);
  }
}

/**
 * Sets the value that holds where no filter matches; null removes it. A gradient over the layers is replaced; of a
 * filtered list, the catch-all entry is.
 */
export function setParameter(
  text: string,
  { model, name, value }: ParameterAddress & { value: Scalar | null },
): string {
  requireFinite(name, value);
  return edit(text, (top, document) => putEverywhere(top, document, { model, name, value }));
}

/** `setParameter` in a tree; false for no change. */
function putEverywhere(
  top: YAMLMap,
  document: Document,
  { model, name, value }: ParameterAddress & { readonly value: Scalar | null },
): boolean {
  const owner = ownerOf(top, model);
  const order = model === null ? RECIPE_KEYS : [];
  const old = parametersOf(owner)?.get(name, true);
  const entries = entriesOf(old);
  if (entries === null) {
    if (value === null) return removeParameter(owner, name);
    if (isScalar(old)) return setScalar(old, value);
    putParameter(document, owner, name, document.createNode(value), order);
    return true;
  }
  const catchAll = entries.items.find((entry) => filterOf(entry) === null);
  if (value !== null) {
    if (catchAll) return setKey(document, catchAll, 'value', value);
    entries.items.push(document.createNode({ value }) as YAMLMap);
    return true;
  }
  if (!catchAll) return false;
  entries.items = entries.items.filter((entry) => filterOf(entry) !== null);
  if (entries.items.length === 0) removeParameter(owner, name);
  return true;
}

/** A filtered list without filters becomes the plain value that it amounts to. */
export function collapse(owner: YAMLMap, name: string, entries: YAMLSeq<YAMLMap>): void {
  const [first] = entries.items;
  if (first === undefined) {
    removeParameter(owner, name);
  } else if (filterOf(first) === null) {
    const pair = pairOf(parametersOf(owner) ?? new YAMLMap(), name);
    if (!pair) return;
    const plain = pairOf(first, 'value');
    pair.value = plain?.value ?? null;
    // What was said in the list is said above the value that is left of it.
    const key = isNode(plain?.key) ? plain.key.commentBefore : null;
    for (const said of [entries.commentBefore, first.commentBefore, key, first.comment, entries.comment]) {
      if (said) addAbove(pair, said);
    }
  }
}

/** A value for the tensors whose names contain `filter`; null removes it. */
export interface FilteredEntry extends ParameterAddress {
  readonly filter: string;
  readonly value: Scalar | null;
}

/**
 * Sets a value for the tensors whose names contain `filter`. The entry goes first in the list, so the last setting
 * wins over whatever was set before for the same tensors, and removing it brings that back. A plain value becomes
 * the list's catch-all. Null removes the entry; a list with nothing but a catch-all becomes a plain value again.
 */
export function setFilteredValue(text: string, entry: FilteredEntry): string {
  return setFilteredValues(text, [entry]);
}

/** `setFilteredValue` for many entries, one after another, while the text is read and printed once. */
export function setFilteredValues(text: string, entries: readonly FilteredEntry[]): string {
  for (const { name, value } of entries) requireFinite(name, value);
  if (entries.length === 0) return text;
  return edit(text, (top, document) => {
    let isChanged = false;
    for (const entry of entries) isChanged = putFiltered(top, document, entry) || isChanged;
    return isChanged;
  });
}

function putFiltered(top: YAMLMap, document: Document, { model, name, filter, value }: FilteredEntry): boolean {
  if (filter === '' || filter === '*') return putEverywhere(top, document, { model, name, value });
  const owner = ownerOf(top, model);
  const old = parametersOf(owner)?.get(name, true);
  const entries = entriesOf(old);
  const own = entries?.items.find((entry) => filterOf(entry) === filter);
  if (value === null) {
    if (entries === null || own === undefined) return false;
    entries.items = entries.items.filter((entry) => filterOf(entry) !== filter);
    collapse(owner, name, entries);
    return true;
  }
  if (entries !== null && own !== undefined && entries.items[0] === own) return setKey(document, own, 'value', value);
  const entry = own ?? (document.createNode({ filter, value }) as YAMLMap);
  if (own !== undefined) setKey(document, own, 'value', value);
  if (entries !== null) {
    // A comment above the list hangs on its first entry; it stays on top.
    entries.items = [entry, ...entries.items.filter((item) => filterOf(item) !== filter)];
    return true;
  }
  const list = new YAMLSeq<YAMLMap>();
  list.items.push(entry);
  if (old !== undefined && old !== null && !(isScalar(old) && old.value === null)) {
    const catchAll = new YAMLMap();
    catchAll.items.push(document.createPair('value', old));
    list.items.push(catchAll);
  }
  // A block list cannot stand inside braces.
  const map = parametersOf(owner);
  if (map) map.flow = false;
  if (model !== null) owner.flow = false;
  const pair = map ? pairOf(map, name) : undefined;
  // The old value stands in the list with its comments: it is not replaced.
  if (pair && list.items.length > 1) pair.value = list;
  else putParameter(document, owner, name, list, model === null ? RECIPE_KEYS : []);
  return true;
}

/** Removes all entries with a filter from a parameter: of one model, or with null of all models and the top level. */
export function clearFiltered(text: string, { model, name }: ParameterAddress): string {
  return edit(text, (top) => {
    const owners = model === null ? [top, ...modelEntries(top).map(({ entry }) => entry)] : [ownerOf(top, model)];
    let isChanged = false;
    for (const owner of owners) {
      const entries = entriesOf(parametersOf(owner)?.get(name, true));
      if (!entries?.items.some((entry) => filterOf(entry) !== null)) continue;
      entries.items = entries.items.filter((entry) => filterOf(entry) === null);
      collapse(owner, name, entries);
      isChanged = true;
    }
    return isChanged;
  });
}

/** Removes the parameters that are not declared, or whose value the declaration does not take. */
function dropForeign(document: Document, owner: YAMLMap, declared: Parameters): void {
  for (const pair of [...(parametersOf(owner)?.items ?? [])]) {
    const name = isScalar(pair.key) ? String(pair.key.value) : '';
    const parameter = Object.hasOwn(declared, name) ? declared[name] : undefined;
    const value: unknown = isNode(pair.value) ? pair.value.toJS(document) : pair.value;
    if (parameter === undefined || !parameterValue(name, parameter).safeParse(value).success)
      removeParameter(owner, name);
  }
}

/**
 * Changes the method. Parameters that the new method has too (and whose values it takes) stay; the others are
 * dropped with their comments. The base and the models stay.
 */
export function setMethod(text: string, name: string): string {
  const method = METHODS.get(name);
  if (!method)
    throw new RecipeFault(`There is no merge method ${quoted(name)}; this version has ${listed(METHODS.keys())}.`);
  return edit(text, (top, document) => {
    if (!setKey(document, top, 'merge_method', name, RECIPE_KEYS)) return false;
    dropForeign(document, top, { ...method.params, ...method.perModel });
    for (const { entry } of modelEntries(top)) dropForeign(document, entry, method.perModel);
    return true;
  });
}

/** Names the base model, or with null names none. The list of models stays as it is. */
export function setBase(text: string, name: string | null): string {
  return edit(text, (top, document) =>
    name === null ? top.delete('base_model') : setKey(document, top, 'base_model', name, RECIPE_KEYS),
  );
}

/** Sets which models are merged, in this order. Those that stay keep their parameters and comments. */
export function setModels(text: string, names: readonly string[]): string {
  return edit(text, (top, document) => {
    requirePlainModels(top);
    const old = modelEntries(top);
    const models = pairOf(top, 'models')?.value;
    const isSame = isSeq(models) && models.items.length === names.length && old.length === names.length;
    if (isSame && names.every((name, i) => old[i]?.name === name)) return false;
    const list = isSeq(models) ? (models as YAMLSeq<unknown>) : new YAMLSeq<unknown>();
    list.items = names.map((model) => old.find(({ name }) => name === model)?.entry ?? document.createNode({ model }));
    // `models: []` stays in brackets otherwise.
    list.flow = names.length === 0;
    const pair = pairOf(top, 'models');
    if (pair) pair.value = list;
    else insert(document, top, 'models', list, RECIPE_KEYS);
    return true;
  });
}

/**
 * Mutes models, or lets them take part again, all in one edit. Their other settings stay. Names that the recipe does
 * not list are a RecipeFault, and so is the base of a method that takes differences from one.
 */
export function setMuted(text: string, names: readonly string[], isMuted: boolean): string {
  return edit(text, (top, document) => {
    requirePlainModels(top);
    const base = baseOf(top);
    let isChanged = false;
    for (const name of names) {
      if (isMuted && name === base) throw new RecipeFault(`${quoted(name)} is the base, and the base cannot be muted.`);
      const entry = ownerOf(top, name);
      const had = isMuted
        ? setKey(document, entry, 'muted', true, ['model', 'muted', 'parameters'])
        : dropKey(entry, 'muted');
      isChanged ||= had;
    }
    return isChanged;
  });
}

/** The name of the base, where the method takes differences from it; else null. */
function baseOf(top: YAMLMap): string | null {
  const method = METHODS.get(String(top.get('merge_method')));
  const base = top.get('base_model');
  return method?.base === 'none' || typeof base !== 'string' ? null : base;
}

/**
 * Sets the dtype that is written (`out_dtype`), by its PyTorch name. Null means "as stored in the base", for which
 * mergekit's `dtype` has to go too: it also decides what is written.
 */
export function setDtype(text: string, name: string | null): string {
  const names = BLENDED_DTYPES.map((dtype) => TORCH_NAMES[dtype]);
  if (name !== null && !names.includes(name)) {
    throw new RecipeFault(`The dtype must be ${listed(names, 'or')}, and ${quoted(name)} is none of them.`);
  }
  return edit(text, (top, document) => {
    if (name !== null) return setKey(document, top, 'out_dtype', name, RECIPE_KEYS);
    const had = [top.delete('out_dtype'), top.delete('dtype')];
    return had.includes(true);
  });
}
