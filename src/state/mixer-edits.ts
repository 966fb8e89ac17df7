/**
 * Mixer edits: from what a hand on the map means to entries of the recipe, leaving alone what is locked. Pure; how the
 * hand moves is `mixer.ts`.
 */

import type { Recipe } from '../recipe/recipe.ts';
import type { FilteredEntry } from '../recipe/edit.ts';
import type { WeightsMap } from './engine-api.ts';
import { type CellPlace, layoutOf } from './map-navigation.ts';
import { type Locks, lockOn } from './mixer-locks.ts';

/** A part of one model: a cell, or a row. */
export interface Target {
  readonly model: string;
  /** The recipe's filters for exactly this part; empty where there are none. */
  readonly filters: readonly string[];
}

/** What a hand gives a part; null gives it back to the method. */
export interface Setting extends Target {
  readonly value: number | null;
}

/** Entries of the recipe, and how much was left alone. */
export interface Entries {
  readonly entries: readonly FilteredEntry[];
  /** Parts that are locked. */
  readonly locked: number;
  /** Parts that no filter addresses alone. */
  readonly unreachable: number;
  /** A filter that decides over a part that was to be given back, and over more than that; null where there is none. */
  readonly wider: string | null;
}

/** What a place means: a cell of one model; from a row's header the row, of each model. */
export function targetsAt(map: WeightsMap, place: CellPlace): Target[] {
  if (place.column < 0) {
    const filters = map.rows[place.row]?.filters ?? [];
    return map.models.map((model) => ({ model, filters }));
  }
  const model = map.models[place.model];
  const cell = layoutOf(map).cells[place.row]?.[place.column];
  return cell && model !== undefined ? [{ model, filters: cell.filters }] : [];
}

/** The entries that settings come to. A filter that is locked in parts is made of the map's cells that are not. */
export function entriesFor(
  map: WeightsMap,
  recipe: Recipe,
  name: string,
  settings: readonly Setting[],
  locks: Locks,
): Entries {
  const entries: FilteredEntry[] = [];
  let locked = 0;
  let unreachable = 0;
  let wider: string | null = null;
  for (const { model, filters, value } of settings) {
    if (filters.length === 0) unreachable++;
    for (const filter of filters) {
      const lock = lockOn(locks, model, filter);
      if (lock === 'all') {
        locked++;
        continue;
      }
      const free = lock === 'none' ? [filter] : within(map, filter).filter((f) => lockOn(locks, model, f) === 'none');
      if (lock === 'part') locked += Math.max(1, within(map, filter).length - free.length);
      if (value !== null) for (const part of free) entries.push({ model, name, filter: part, value });
      else {
        const written = writtenWithin(recipe, model, name, filter).filter((f) => lockOn(locks, model, f) === 'none');
        for (const part of written) entries.push({ model, name, filter: part, value: null });
        if (written.length === 0) wider ??= deciding(map, model, filter);
      }
    }
  }
  return { entries, locked, unreachable, wider };
}

/** The filters of the map's cells that begin with a filter. */
function within({ cells }: WeightsMap, filter: string): string[] {
  return cells.flatMap(({ filters }) => filters.filter((own) => own.startsWith(filter)));
}

/** The filters that the recipe has for a part and for what lies in it. */
function writtenWithin(recipe: Recipe, model: string, name: string, filter: string): string[] {
  const value = recipe.models.find((own) => own.model === model)?.parameters[name];
  if (value?.form !== 'filtered') return [];
  return value.entries.flatMap((entry) => (entry.filter?.startsWith(filter) ? [entry.filter] : []));
}

/** The filter that decides over a cell now. */
function deciding(map: WeightsMap, model: string, filter: string): string | null {
  const cell = map.cells.find(({ filters }) => filters.includes(filter));
  return cell?.setBy[map.models.indexOf(model)] ?? null;
}

/** Every entry with a filter that is not locked as a whole, to be given back; what is locked in it is kept elsewhere. */
export function resetEntries(recipe: Recipe, name: string, locks: Locks): Entries {
  const entries: FilteredEntry[] = [];
  let locked = 0;
  for (const { model, parameters } of recipe.models) {
    const value = parameters[name];
    if (value?.form !== 'filtered') continue;
    for (const { filter } of value.entries) {
      if (filter === null || filter === '*') continue;
      if (lockOn(locks, model, filter) === 'all') locked++;
      else entries.push({ model, name, filter, value: null });
    }
  }
  return { entries, locked, unreachable: 0, wider: null };
}

/** What has to be said after an edit; null where it did all that was meant. */
export function noticeOf({ locked, unreachable, wider, entries }: Entries): string | null {
  const sentences: string[] = [];
  if (locked > 0) sentences.push(`${locked === 1 ? '1 locked cell was' : `${locked} locked cells were`} left alone.`);
  if (unreachable > 0) {
    const cells = unreachable === 1 ? '1 cell' : `${unreachable} cells`;
    sentences.push(`${cells} cannot be set alone: the names are part of other tensors’ names.`);
  }
  if (wider !== null && entries.length === 0) {
    sentences.push(`The recipe sets more than this by the filter '${wider}'; give that back as a whole.`);
  }
  return sentences.length === 0 ? null : sentences.join(' ');
}
