/**
 * Mixer: what a hand does on the weights map: select, set, paint, drag, copy, lock. Every gesture is one edit of
 * the recipe and one entry of the history. What is here and not in the recipe (selection, brush, locks) undo does not
 * touch. Not the map itself (`merge/map.ts`), not its look (`ui/weights-map.tsx`), not
 * mute and solo (`mixer-mutes.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { METHODS } from '../methods/index.ts';
import { clearFiltered, setFilteredValues } from '../recipe/yaml.ts';
import type { MapDetail, WeightsMap } from './engine-api.ts';
import {
  type CellPlace,
  layoutOf,
  placeOfFilters,
  placesWithin,
  positionOf,
  type Reach,
  reachOf,
} from './map-navigation.ts';
import { createMutes, type Mutes } from './mixer-mutes.ts';
import { type Copied, copyFrom, pasteOnto } from './mixer-clipboard.ts';
import { entriesFor, noticeOf, resetEntries, type Setting, type Target, targetsAt } from './mixer-edits.ts';
import { keepLocked, sweptSentence } from './mixer-keeping.ts';
import { EVERYTHING, lockOn, type Locks, NO_LOCKS, withLocks } from './mixer-locks.ts';
import { createSeek, type Seek } from './mixer-seek.ts';
import { beginStroke, type Stroke } from './mixer-stroke.ts';
import type { Studio } from './studio.ts';
import type { View } from './view.ts';

/** Weights that were set and that the map does not show yet: by row, then by position. */
export type Drafts = ReadonlyMap<number, ReadonlyMap<number, number>>;

export interface MixerState {
  /** The place that has the focus, or had it last. */
  readonly active: CellPlace;
  /** The other end of the selection; null where one place is all of it. */
  readonly anchor: CellPlace | null;
  readonly isPainting: boolean;
  /** What a stroke of paint sets. */
  readonly brush: number;
  readonly drafts: Drafts;
  readonly locks: Locks;
  readonly copied: Copied | null;
  /** What has to be said of the last gesture. */
  readonly notice: string | null;
}

export interface Mixer {
  readonly store: StoreApi<MixerState>;
  readonly mutes: Mutes;
  readonly seek: Seek;
  readonly focus: (place: CellPlace, isExtending?: boolean) => void;
  readonly setPainting: (isPainting: boolean) => void;
  readonly setBrush: (value: number) => void;
  /** Sets parts of models; null gives them back. Edits with one gesture key that follow closely are one entry. */
  readonly set: (settings: readonly Setting[], gesture?: string) => void;
  /** Sets all that is selected. */
  readonly setSelected: (value: number | null) => void;
  /** Adds to all that is selected, each from what it shows. */
  readonly nudgeSelected: (by: number) => void;
  /** A pointer goes down on a cell: it paints where painting is on, else it drags the cell and what is selected with it. */
  readonly beginStroke: (place: CellPlace) => void;
  /** The pointer passes over a cell; only painting cares. */
  readonly strokeOver: (place: CellPlace) => void;
  /** The pointer moved up by a share of the handle's range since it went down; only dragging cares. */
  readonly strokeBy: (share: number) => void;
  readonly endStroke: () => void;
  readonly copySelected: () => void;
  readonly paste: () => void;
  /** Locks all that is selected; where all of it is locked already, lets it go. */
  readonly toggleLock: () => void;
  readonly toggleModelLock: (model: string) => void;
  readonly unlockAll: () => void;
  /** Gives everything that is set by hand back to the method, but what is locked. */
  readonly resetWeights: () => void;
  readonly zoom: (by: 1 | -1) => void;
}

/** From coarse to fine. */
export const DETAILS: readonly MapDetail[] = ['groups', 'modules', 'tensors'];

const FIRST_PLACE: CellPlace = { row: 0, column: -1, model: 0 };

/** What a selection reaches over. */
export function selectionOf(map: WeightsMap, { active, anchor }: Pick<MixerState, 'active' | 'anchor'>): Reach {
  return reachOf(layoutOf(map), anchor ?? active, active);
}

/** Whether a part is locked as a whole. */
export function isLocked(locks: Locks, { model, filters }: Target): boolean {
  return filters.length > 0 && filters.every((filter) => lockOn(locks, model, filter) === 'all');
}

/** Makes the mixer of a studio, whose recipe merges `tensors`: none while nothing can be merged. */
export function createMixer(studio: Studio, view: View, tensors: () => readonly string[]): Mixer {
  const store = createStore<MixerState>()(() => ({
    active: FIRST_PLACE,
    anchor: null,
    isPainting: false,
    brush: 1,
    drafts: new Map(),
    locks: NO_LOCKS,
    copied: null,
    notice: null,
  }));
  const { getState: get, setState: put } = store;
  let stroke: (Stroke & { readonly from: CellPlace; readonly isPaint: boolean }) | null = null;
  let starts: ReadonlyMap<CellPlace, number> = new Map();

  /** The map where a hand may change it, and the recipe's parameter that it sets. */
  const open = () => {
    const { map, recipe, problems } = studio.store.getState();
    const handle = map?.handle ?? null;
    if (!map || !recipe || handle === null || problems.length > 0) return null;
    return METHODS.get(recipe.method)?.handle === handle ? { map, recipe, handle } : null;
  };

  const say = (notice: string | null) => put({ notice });

  /** Writes settings as one edit; what came of them, or null where nothing may be written. */
  const write = (settings: readonly Setting[], gesture?: string) => {
    const own = open();
    if (!own || settings.length === 0) return null;
    const made = entriesFor(own.map, own.recipe, own.handle, settings, get().locks);
    if (made.entries.length > 0) studio.edit((text) => setFilteredValues(text, made.entries), gesture);
    return made;
  };

  const set: Mixer['set'] = (settings, gesture) => {
    const made = write(settings, gesture);
    if (made) say(noticeOf(made));
  };

  const shown = (map: WeightsMap, place: CellPlace) => {
    const layout = layoutOf(map);
    const draft = get().drafts.get(place.row)?.get(positionOf(layout, place));
    return draft ?? layout.cells[place.row]?.[place.column]?.weights[place.model] ?? Number.NaN;
  };

  /** Shows values before the engine has answered, but not where a lock or the want of a filter keeps them away. */
  const draft = (map: WeightsMap, values: readonly (readonly [CellPlace, number])[]) => {
    const drafts = new Map(get().drafts);
    const { locks } = get();
    for (const [place, value] of values) {
      const [target] = targetsAt(map, place);
      if (!target || target.filters.length === 0 || isLocked(locks, target)) continue;
      const row = new Map(drafts.get(place.row));
      row.set(positionOf(layoutOf(map), place), value);
      drafts.set(place.row, row);
    }
    put({ drafts });
  };

  const settingsAt = (map: WeightsMap, place: CellPlace, value: number | null): Setting[] =>
    targetsAt(map, place).map((target) => ({ ...target, value }));

  /** The places of the selection: cells, or the headers of rows. */
  const selected = (map: WeightsMap): CellPlace[] => {
    const reach = selectionOf(map, get());
    if (reach.positions !== null) return placesWithin(layoutOf(map), reach);
    const [from, to] = reach.rows;
    return Array.from({ length: to - from + 1 }, (_, i) => ({ row: from + i, column: -1, model: 0 }));
  };

  const selectedCells = (map: WeightsMap) => placesWithin(layoutOf(map), selectionOf(map, get()));

  const limited = ({ handleMin, handleMax }: WeightsMap, value: number) =>
    Math.round(Math.min(handleMax, Math.max(handleMin, value)) * 100) / 100;

  const strokeOver = (place: CellPlace) => {
    const own = open();
    // A stroke keeps to the model that it began on.
    if (!own || !stroke?.isPaint || place.column < 0 || place.model !== stroke.from.model) return;
    const value = get().brush;
    draft(own.map, [[place, value]]);
    stroke.add(settingsAt(own.map, place, value));
  };

  /** What the newest sweep kept: a drag is many edits, and what its first one kept the others need not keep again. */
  let keeping: { readonly gesture: string | undefined; readonly kept: ReadonlySet<string> } | null = null;
  studio.keepBy({
    keep(before, after) {
      const { recipe, problems, map } = studio.store.getState();
      if (!recipe || problems.length > 0) return { text: after, kept: [], lost: [], obstacle: null };
      return keepLocked({ text: before, recipe }, after, { locks: get().locks, tensors: tensors(), map });
    },
    heard(swept, gesture) {
      const goesOn = gesture !== undefined && keeping?.gesture === gesture;
      const kept = new Set([...(goesOn ? (keeping?.kept ?? []) : []), ...swept.kept]);
      keeping = { gesture, kept };
      const sentence = sweptSentence({ ...swept, kept: [...kept] });
      say(sentence);
      // Where no pointer is down it is said at once where the page says what was done, too.
      if (gesture === undefined && sentence !== null) studio.store.setState({ outcome: { tone: 'plain', sentence } });
    },
  });

  studio.store.subscribe(({ map }, before) => {
    const { drafts } = get();
    if (map === before.map) return;
    if (!stroke && drafts.size > 0) put({ drafts: new Map() });
    if (map) put(sameView(map, before.map, get()));
  });

  return {
    store,
    mutes: createMutes(studio),
    // After the mixer has heard of a new map: what is sought wins over what had the focus on the old one.
    seek: createSeek(
      studio,
      view,
      () => get().active,
      // Selected as well: where a pointer brought somebody here, no browser marks what has the focus.
      (place, notice) => put({ active: place, anchor: place, notice }),
    ),
    focus(place, isExtending = false) {
      const { active, anchor } = get();
      put({ active: place, anchor: isExtending ? (anchor ?? active) : null, notice: null });
    },
    setPainting: (isPainting) => put({ isPainting, notice: null }),
    setBrush: (brush) => put({ brush }),
    set,
    setSelected(value) {
      const own = open();
      if (!own) return;
      const places = selected(own.map);
      if (value !== null)
        draft(
          own.map,
          selectedCells(own.map).map((place) => [place, value] as const),
        );
      else put({ drafts: new Map() });
      set(places.flatMap((place) => settingsAt(own.map, place, value)));
    },
    nudgeSelected(by) {
      const own = open();
      if (!own) return;
      const values = selectedCells(own.map).flatMap((place) => {
        const from = shown(own.map, place);
        return Number.isFinite(from) ? [[place, limited(own.map, from + by)] as const] : [];
      });
      draft(own.map, values);
      const { active, anchor } = get();
      set(
        values.flatMap(([place, value]) => settingsAt(own.map, place, value)),
        `map-nudge-${JSON.stringify([active, anchor])}`,
      );
    },
    beginStroke(place) {
      const own = open();
      if (!own || place.column < 0) return;
      const isPaint = get().isPainting;
      const gesture = isPaint ? 'map-paint' : 'map-drag';
      stroke = { ...beginStroke((settings) => write(settings, gesture)), from: place, isPaint };
      const inSelection = selectedCells(own.map);
      const isSelected = inSelection.some(
        (at) => at.row === place.row && at.column === place.column && at.model === place.model,
      );
      const dragged = !isPaint && isSelected ? inSelection : [place];
      starts = new Map(
        dragged.map((at) => [at, shown(own.map, at)] as const).filter(([, from]) => Number.isFinite(from)),
      );
      studio.history.hold(gesture);
      if (isPaint) strokeOver(place);
    },
    strokeOver,
    strokeBy(share) {
      const own = open();
      if (!own || !stroke || stroke.isPaint) return;
      const by = share * (own.map.handleMax - own.map.handleMin);
      const values = [...starts].map(([place, from]) => [place, limited(own.map, from + by)] as const);
      draft(own.map, values);
      stroke.add(values.flatMap(([place, value]) => settingsAt(own.map, place, value)));
    },
    endStroke() {
      if (!stroke) return;
      const settings = stroke.end();
      stroke = null;
      studio.history.release();
      // What is said is of the whole stroke, which was written bit by bit.
      const own = open();
      if (own) say(noticeOf(entriesFor(own.map, own.recipe, own.handle, settings, get().locks)));
    },
    copySelected() {
      const { map } = studio.store.getState();
      const copied = map && copyFrom(map, selectionOf(map, get()), (place) => shown(map, place));
      if (copied) put({ copied, notice: `Copied ${copied.label}.` });
      else say('There are no weights here to copy.');
    },
    paste() {
      const own = open();
      const { copied } = get();
      if (!own || !copied) return;
      const settings = pasteOnto(own.map, selectionOf(own.map, get()), copied);
      if (settings.length === 0) say(`Nothing of ${copied.label} fits here.`);
      else set(settings);
    },
    toggleLock() {
      const { map } = studio.store.getState();
      if (!map) return;
      const targets = selected(map).flatMap((place) => targetsAt(map, place));
      const isFree = targets.some((target) => !isLocked(get().locks, target));
      const locks = targets.reduce((next, { model, filters }) => withLocks(next, model, filters, isFree), get().locks);
      put({ locks, notice: isFree ? 'Locked. Press L again to unlock.' : 'Unlocked.' });
    },
    toggleModelLock(model) {
      const { locks } = get();
      put({ locks: withLocks(locks, model, [EVERYTHING], lockOn(locks, model, EVERYTHING) !== 'all') });
    },
    unlockAll: () => put({ locks: NO_LOCKS, notice: null }),
    resetWeights() {
      const own = open();
      if (!own) return;
      const { recipe, handle } = own;
      const { locks } = get();
      const made = resetEntries(recipe, handle, locks);
      const isAll = made.locked === 0;
      const { kept } = studio.sweep((text) =>
        isAll ? clearFiltered(text, { name: handle, model: null }) : setFilteredValues(text, made.entries),
      );
      put({ notice: noticeOf({ ...made, locked: made.locked + kept.length }), drafts: new Map() });
    },
    zoom(by) {
      const at = DETAILS.indexOf(view.store.getState().mapDetail);
      const detail = DETAILS[at + by];
      if (detail) view.change({ mapDetail: detail });
    },
  };
}

/** The focus on a new map: at the same tensors where it is of another detail, else at the same place while there is one. */
function sameView(map: WeightsMap, before: WeightsMap | null, { active }: MixerState): Partial<MixerState> {
  if (before && before.detail !== map.detail) {
    const cell = layoutOf(before).cells[active.row]?.[active.column];
    const filters = cell?.filters ?? before.rows[active.row]?.filters ?? [];
    return { active: placeOfFilters(layoutOf(map), filters, active) ?? FIRST_PLACE, anchor: null };
  }
  const isThere =
    active.row < map.rows.length &&
    active.model < Math.max(1, map.models.length) &&
    (active.column < 0 || layoutOf(map).cells[active.row]?.[active.column] !== undefined);
  return isThere ? {} : { active: FIRST_PLACE, anchor: null };
}
