/**
 * Mixer seek: the way from a tensor in the Models view to its cell on the map, and from a place on the map to its tensors
 * in the table. Where the map has to be made finer first, the cell is shown when that map is there.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { stackPlaceOf } from '../recipe/stack.ts';
import { type CellPlace, layoutOf, placeOfFilters } from './map-navigation.ts';
import type { Studio } from './studio.ts';
import type { View } from './view.ts';

export interface SeekState {
  /** A place that is to have the focus as soon as it is drawn; null where none is. */
  readonly wanted: CellPlace | null;
}

export interface Seek {
  readonly store: StoreApi<SeekState>;
  /** Brings the mixer to the front, in full detail, with the focus on a tensor's cell. */
  readonly show: (tensor: string) => void;
  /** The wanted place has the focus. */
  readonly arrived: () => void;
  /** Brings the tensors to the front that a place on the map stands for. */
  readonly showTensors: (place: CellPlace) => void;
}

/** What finds the tensors of some filters in the table: one of them itself, else their layers and what they share. */
export function searchOf(filters: readonly string[]): string {
  const [only = ''] = filters;
  if (filters.length < 2) return only;
  const places = filters.map((filter) => stackPlaceOf(filter.endsWith('.') ? `${filter}*` : filter));
  const layers = places.map((place) => place?.layer ?? -1);
  if (layers.includes(-1)) return only.slice(0, only.lastIndexOf('.', only.length - 2) + 1);
  const first = Math.min(...layers);
  const last = Math.max(...layers);
  const span = `layer:${first === last ? first : `${first}-${last}`}`;
  const rests = new Set(places.map((place) => place?.rest.replace(/\.?\*$/, '') ?? ''));
  const [rest = ''] = rests;
  return rests.size === 1 && rest !== '' ? `${span} .${rest}.` : span;
}

/** @param select makes a place the one that is selected. */
export function createSeek(
  studio: Studio,
  view: View,
  active: () => CellPlace,
  select: (place: CellPlace, notice: string | null) => void,
): Seek {
  const store = createStore<SeekState>()(() => ({ wanted: null }));
  let sought: string | null = null;

  const settle = () => {
    const { map } = studio.store.getState();
    if (sought === null || !map) return;
    if (map.detail !== 'tensors') {
      // Somebody has made the map coarser meanwhile.
      if (view.store.getState().mapDetail !== 'tensors') sought = null;
      return;
    }
    const tensor = sought;
    sought = null;
    const place = placeOfFilters(layoutOf(map), [tensor], { ...active(), column: 0 });
    const own = place && layoutOf(map).cells[place.row]?.[place.column];
    const together = own && own.tensors > 1 ? `${tensor} stands in one cell with ${own.tensors - 1} more.` : null;
    if (place) select(place, together);
    else select(active(), `${tensor} has no cell of its own on the map.`);
    store.setState({ wanted: place });
  };
  studio.store.subscribe(({ map }, before) => {
    if (map !== before.map) settle();
  });

  return {
    store,
    show(tensor) {
      sought = tensor;
      view.change({ centre: 'mixer', mapDetail: 'tensors' });
      settle();
    },
    arrived: () => store.setState({ wanted: null }),
    showTensors({ row, column }) {
      const { map } = studio.store.getState();
      if (!map) return;
      const filters = column < 0 ? map.rows[row]?.filters : layoutOf(map).cells[row]?.[column]?.filters;
      view.change({ centre: 'models', tensorFilter: searchOf(filters ?? []), isTableWanted: true });
    },
  };
}
