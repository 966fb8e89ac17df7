/**
 * TakesStore: the takes of the page and what a person does with them: keep, choose, rename, delete, switch between A and
 * B, and hear both in the chat. Choosing and switching are edits of the recipe, so that the live blend and undo follow.
 * Not the list itself (`takes.ts`), not its keeping (`workspace.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type Chat, currentConversation, isReplying } from './chat-store.ts';
import type { Speaker } from './engine-api.ts';
import type { Studio } from './studio.ts';
import {
  MOST_TAKES,
  NO_TAKES,
  renamed,
  type Side,
  type SideName,
  sideLabel,
  sideText,
  switched,
  switchObstacle,
  type TakesState,
  takeOf,
  withDeleted,
  withoutTake,
  withSide,
  withTake,
} from './takes.ts';

export interface Takes {
  readonly store: StoreApi<TakesState>;
  /** Keeps the recipe as a take. */
  readonly keep: () => void;
  /** Why nothing can be kept now; null where it can. */
  readonly keepObstacle: () => string | null;
  /** Puts the recipe to a take, in one step that can be undone. */
  readonly choose: (id: number) => void;
  readonly rename: (id: number, name: string) => void;
  readonly delete: (id: number) => void;
  /** Brings back the take that was deleted last. */
  readonly bringBack: () => void;
  readonly setSide: (name: SideName, side: Side) => void;
  /** Puts the recipe to the other one of A and B. However often, it is one step of undo. */
  readonly toggle: () => void;
  /** Why there is nothing to switch between; null where there is. */
  readonly toggleObstacle: () => string | null;
  /** Has A and B answer side by side in the current conversation. */
  readonly compareInChat: () => void;
  /** Why A and B cannot be compared in the chat; null where they can. */
  readonly compareObstacle: () => string | null;
  /** Puts all of it, as it was kept. */
  readonly restore: (state: TakesState) => void;
}

const SWITCHING = 'takes:switch';

/** Makes the takes beside a studio and a chat. */
export function createTakes(studio: Studio, chat: Chat, now: () => number = () => Date.now()): Takes {
  const store = createStore<TakesState>()(() => NO_TAKES);
  const { getState: get, setState: set } = store;
  const { history } = studio;
  /** The recipe before the switching that goes on and the text that it put last; null while none goes on. */
  let switching: { readonly before: string; readonly last: string } | null = null;
  let isSwitching = false;

  // Any other change of the recipe ends the switching: what follows is another step.
  history.subscribe(() => {
    if (!isSwitching && switching !== null && history.text() !== switching.last) switching = null;
  });

  /** One step of undo for all the switching; back at where it began there is no step left to undo. */
  const switchTo = (text: string) => {
    if (switching !== null && text === switching.before) {
      switching = null;
      history.undo();
      return;
    }
    const before = switching?.before ?? history.text();
    if (switching === null) history.hold(SWITCHING);
    isSwitching = true;
    history.edit(text, SWITCHING);
    isSwitching = false;
    switching = { before, last: text };
  };

  const keepObstacle = () => {
    const text = history.text();
    if (text.trim() === '') return 'There is no recipe to keep.';
    const equal = takeOf(get(), text);
    if (equal !== null) return `${equal.name} is this recipe already.`;
    return get().takes.length >= MOST_TAKES ? `${MOST_TAKES} takes are kept; delete one first.` : null;
  };

  const compareObstacle = () => {
    const text = history.text();
    const { a, b } = get();
    if (get().takes.length === 0) return switchObstacle(get(), text);
    if (sideText(get(), a, text) === sideText(get(), b, text)) return switchObstacle(get(), text);
    return isReplying(chat.store.getState()) ? 'A reply is on its way.' : null;
  };

  return {
    store,
    keep() {
      if (keepObstacle() === null) set((state) => withTake(state, history.text(), now()));
    },
    keepObstacle,
    choose(id) {
      const take = get().takes.find((own) => own.id === id);
      if (!take) return;
      set({ loaded: id });
      history.edit(take.text);
    },
    rename: (id, name) => set((state) => renamed(state, id, name)),
    delete: (id) => set((state) => withoutTake(state, id)),
    bringBack: () => set(withDeleted),
    setSide: (name, side) => set((state) => withSide(state, name, side)),
    toggle() {
      const found = switched(get(), history.text());
      if (found === null) return;
      const side = found.state[found.to];
      set({ ...found.state, loaded: side.kind === 'take' ? side.id : found.state.loaded });
      switchTo(found.text);
    },
    toggleObstacle: () => switchObstacle(get(), history.text()),
    compareObstacle,
    compareInChat() {
      if (compareObstacle() !== null) return;
      const state = get();
      const text = history.text();
      const time = new Date(now()).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
      const [a, b] = [state.a, state.b].map((side): Speaker => {
        const label = side.kind === 'now' ? `Recipe at ${time}` : sideLabel(state, side);
        return { kind: 'recipe', label, text: sideText(state, side, text) };
      });
      const columnsNow = () => currentConversation(chat.store.getState()).columns;
      // More columns than two hold replies that nobody wants to lose.
      if (columnsNow().length > 2) chat.begin();
      const [first, second, ...others] = columnsNow();
      for (const { id } of others) chat.removeColumn(id);
      if (first && a) chat.choose(a, first.id);
      if (b && second) chat.choose(b, second.id);
      else if (b) chat.addColumn(b);
    },
    restore: (state) => set(state, true),
  };
}
