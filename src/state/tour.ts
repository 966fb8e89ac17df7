/**
 * Tour: four steps over the real page, for somebody who sees it for the first time. Offered once, quietly, beside what
 * was opened; whether it was taken or declined is remembered in this browser. Not where its steps are drawn
 * (`ui/tour.tsx`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import type { TextStore } from './chat-keeping.ts';
import type { View } from './view.ts';

/** A part of the page that the tour points at. */
export type TourPlace = 'models' | 'map' | 'chat' | 'save';

export interface TourStep {
  readonly place: TourPlace;
  readonly title: string;
  readonly text: string;
}

/** The steps, in the order in which a person works. At most four: a fifth is not read. */
export const TOUR_STEPS: readonly TourStep[] = [
  {
    place: 'models',
    title: 'The models',
    text: 'One is the base. The others are its fine-tunes, and take part in the blend. The method below says how they are weighed.',
  },
  {
    place: 'map',
    title: 'The weights map',
    text: 'Each cell is how much one model counts in one part of the network. Set a cell by hand, and the blend follows at once.',
  },
  {
    place: 'chat',
    title: 'The chat',
    text: 'Talk to the blend before you save it. With more than one column, the same question goes to its parents too.',
  },
  {
    place: 'save',
    title: 'Keep it',
    text: 'The blend is written as safetensors or ONNX, with its tokenizer, its recipe and a model card.',
  },
];

export interface TourState {
  /** Whether it is offered; false until it is known that it was not taken or declined before. */
  readonly isOffered: boolean;
}

export interface Tour {
  readonly store: StoreApi<TourState>;
  readonly start: () => void;
  /** Goes on by one step (or back by one); after the last one it ends. */
  readonly step: (by: 1 | -1) => void;
  readonly end: () => void;
  /** Takes the offer away for good. */
  readonly decline: () => void;
}

const KEY = 'tour';

/** Makes the tour of a page; `kept` is where it is remembered, and may be missing. */
export function createTour(view: View, kept: TextStore | undefined): Tour {
  const store = createStore<TourState>()(() => ({ isOffered: kept === undefined }));
  let isDone = false;
  // Where the browser keeps nothing, it is offered at each visit.
  kept?.read(KEY).then(
    (text) => store.setState({ isOffered: text === null && !isDone }),
    () => store.setState({ isOffered: !isDone }),
  );
  const done = () => {
    isDone = true;
    store.setState({ isOffered: false });
    kept?.write(KEY, 'done').catch(() => undefined);
  };
  const end = () => view.change({ tourStep: null });
  return {
    store,
    start() {
      done();
      // The map is in the mixer.
      view.change({ tourStep: 0, centre: 'mixer', overlay: null });
    },
    step(by) {
      const { tourStep } = view.store.getState();
      if (tourStep === null) return;
      const next = tourStep + by;
      if (next >= TOUR_STEPS.length) end();
      else view.change({ tourStep: Math.max(0, next) });
    },
    end,
    decline: done,
  };
}
