/**
 * Preset: a method's settings to begin with, put into a recipe's text in one edit, comments kept. What presets there
 * are, the methods declare.
 */

import { type Document, isScalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Method, Preset, PresetValue } from '../methods/method.ts';
import { defaultOf } from '../methods/method.ts';
import { RECIPE_KEYS } from './recipe.ts';
import {
  edit,
  modelEntries,
  pairOf,
  parametersOf,
  putParameter,
  removeParameter,
  requirePlainModels,
  setScalar,
} from './tree.ts';

/** A value as YAML: lists over the layers in brackets, filters one below another. */
function valueNode(document: Document, value: Exclude<PresetValue, null>): unknown {
  if (typeof value !== 'object') return document.createNode(value);
  const list = new YAMLSeq<unknown>();
  for (const item of value) {
    if (typeof item !== 'object') {
      list.items.push(document.createNode(item));
      list.flow = true;
      continue;
    }
    const entry = new YAMLMap();
    if (item.filter !== undefined) entry.items.push(document.createPair('filter', item.filter));
    entry.items.push(document.createPair('value', valueNode(document, item.value)));
    list.items.push(entry);
  }
  return list;
}

/** Sets the whole value of a parameter; false where it says so already. */
function put(
  document: Document,
  owner: YAMLMap,
  name: string,
  value: PresetValue,
  isImplied: boolean,
  order: readonly string[],
): boolean {
  const pair = pairOf(parametersOf(owner) ?? new YAMLMap(), name);
  if (value === null) return removeParameter(owner, name);
  if (pair === undefined && isImplied) return false;
  if (pair !== undefined && isScalar(pair.value) && typeof value !== 'object') return setScalar(pair.value, value);
  if (typeof value === 'object') {
    // A block list cannot stand inside braces.
    const map = parametersOf(owner);
    if (map) map.flow = false;
  }
  putParameter(document, owner, name, valueNode(document, value), order);
  return true;
}

/**
 * The text with a preset's values, of its method's parameters and of those of every model; what the preset does not name
 * stays. Filters and lists over the layers of what it names are replaced. Throws a RecipeFault where the text gives it
 * no place, as where models stand in slices.
 */
export function applyPreset(text: string, method: Method, preset: Preset): string {
  return edit(text, (top, document) => {
    let isChanged = false;
    const isDefault = (name: string, value: PresetValue) => {
      const parameter = method.params[name] ?? method.perModel[name];
      return parameter !== undefined && value === defaultOf(parameter);
    };
    for (const [name, value] of Object.entries(preset.params)) {
      isChanged = put(document, top, name, value, isDefault(name, value), RECIPE_KEYS) || isChanged;
    }
    const own = Object.entries(preset.perModel);
    if (own.length > 0) requirePlainModels(top);
    const base = method.base === 'none' ? null : top.get('base_model');
    for (const [name, value] of own) {
      // What holds for all models would hide behind each one's own.
      const hadForAll = removeParameter(top, name);
      isChanged ||= hadForAll;
      for (const model of modelEntries(top)) {
        if (model.name === base) continue;
        isChanged = put(document, model.entry, name, value, isDefault(name, value), []) || isChanged;
      }
    }
    return isChanged;
  });
}
