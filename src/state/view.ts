/**
 * View: what of the page is in front: which of the centre's views, how fine the map is, and what is open over the page.
 * Nothing here is part of the recipe, and undo does not touch it.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import type { MapDetail } from './engine-api.ts';

/** The centre's views: the mixer, or what the models changed. */
export type Centre = 'mixer' | 'models';

export interface ViewState {
  readonly centre: Centre;
  readonly mapDetail: MapDetail;
  /** Whether the mixer's curves over layers, and its groups by name, are unfolded. */
  readonly curvesOpen: boolean;
  readonly groupsOpen: boolean;
  /** What lies over the page. */
  readonly overlay: 'palette' | 'help' | null;
  /** The topic that the help opens at; null for its beginning. */
  readonly helpTopic: string | null;
  /** Step of the tour, from 0; null while it does not run. */
  readonly tourStep: number | null;
  /** A substring of tensor names that the models view shows alone; empty for all. */
  readonly tensorFilter: string;
  /** Whether the table of tensors is to have the focus as soon as it is there. */
  readonly isTableWanted: boolean;
}

export interface View {
  readonly store: StoreApi<ViewState>;
  readonly change: (part: Partial<ViewState>) => void;
}

/** The view of a fresh page. */
export function createView(): View {
  const store = createStore<ViewState>()(() => ({
    centre: 'mixer',
    mapDetail: 'modules',
    curvesOpen: false,
    groupsOpen: false,
    overlay: null,
    helpTopic: null,
    tourStep: null,
    tensorFilter: '',
    isTableWanted: false,
  }));
  return { store, change: (part) => store.setState(part) };
}
