/**
 * History: the recipe text, the single truth of the page, with undo and redo. A gesture (a drag, a burst of key
 * presses on one control, typing) is one entry. Not what the text means: `studio.ts` reads it.
 */

import { temporal } from 'zundo';
import { createStore } from 'zustand/vanilla';

/** The document. */
export interface RecipeText {
  readonly text: string;
}

/** Edits of one gesture that are further apart than this become two entries, unless the gesture is held. */
const GESTURE_PAUSE_MS = 700;
const MAX_ENTRIES = 200;

/** The text with everything that can be undone and redone, the nearest step last in both. */
export interface HistoryEntries {
  readonly text: string;
  readonly past: readonly string[];
  readonly future: readonly string[];
}

/** The recipe text with its past and future. */
export interface History {
  readonly text: () => string;
  /** Calls back after every change of the text or of what can be undone; returns the way to stop. */
  readonly subscribe: (onChange: () => void) => () => void;
  /** Puts a new text. Edits with one gesture key that follow one another closely are one entry. */
  readonly edit: (text: string, gesture?: string) => void;
  /** Keeps a gesture open however slowly it goes (a pointer is down), until `release`. */
  readonly hold: (gesture: string) => void;
  readonly release: () => void;
  /** Puts a text that cannot be undone and forgets the past. */
  readonly reset: (text: string) => void;
  /** All of it, as `restore` takes it. */
  readonly entries: () => HistoryEntries;
  /** Puts a text with its past and future, as another page had them. */
  readonly restore: (entries: HistoryEntries) => void;
  readonly undo: () => void;
  readonly redo: () => void;
  readonly canUndo: () => boolean;
  readonly canRedo: () => boolean;
}

/** Makes a history; `now` gives milliseconds. */
export function createHistory(now: () => number = () => performance.now()): History {
  const store = createStore<RecipeText>()(
    temporal((): RecipeText => ({ text: '' }), { limit: MAX_ENTRIES, equality: (a, b) => a.text === b.text }),
  );
  const past = () => store.temporal.getState();
  let open: { readonly key: string; lastMs: number; held: boolean; recorded: boolean } | null = null;

  return {
    text: () => store.getState().text,
    subscribe(onChange) {
      const stopText = store.subscribe(onChange);
      const stopPast = store.temporal.subscribe(onChange);
      return () => {
        stopText();
        stopPast();
      };
    },
    edit(text, gesture) {
      if (text === store.getState().text) return;
      const goesOn = open !== null && open.key === gesture && (open.held || now() - open.lastMs < GESTURE_PAUSE_MS);
      if (goesOn && open?.recorded) {
        // The first change of the gesture was recorded with the text before it; the rest must not be.
        past().pause();
        store.setState({ text });
        past().resume();
      } else {
        store.setState({ text });
      }
      if (gesture === undefined) open = null;
      else open = { key: gesture, lastMs: now(), held: goesOn && open !== null && open.held, recorded: true };
    },
    hold(gesture) {
      open = { key: gesture, lastMs: now(), held: true, recorded: false };
    },
    release() {
      open = null;
    },
    reset(text) {
      open = null;
      past().pause();
      store.setState({ text });
      past().resume();
      past().clear();
    },
    entries() {
      const { pastStates, futureStates } = past();
      // zundo's states are partial by their type; those of this store are whole.
      const texts = (states: typeof pastStates) => states.map(({ text = '' }) => text);
      return { text: store.getState().text, past: texts(pastStates), future: texts(futureStates) };
    },
    restore({ text, past: before, future }) {
      open = null;
      past().pause();
      store.setState({ text });
      past().resume();
      const states = (texts: readonly string[]) => texts.slice(-MAX_ENTRIES).map((own) => ({ text: own }));
      store.temporal.setState({ pastStates: states(before), futureStates: states(future) });
    },
    undo() {
      open = null;
      past().undo();
    },
    redo() {
      open = null;
      past().redo();
    },
    canUndo: () => past().pastStates.length > 0,
    canRedo: () => past().futureStates.length > 0,
  };
}
