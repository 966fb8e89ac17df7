/**
 * Notify: tells a person who looks at something else that long work is done, if they asked for it. Permission is asked
 * for at their click and never before. Not the status line.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { statusOf } from './status.ts';
import type { Studio, Work } from './studio.ts';

/** Work that takes less is over before anybody looks away. */
export const WORTH_TELLING_MS = 20_000;

/** The system's notifications, as a page reaches them. */
export interface Notifications {
  readonly permission: () => NotificationPermission;
  /** Must be called within a click. */
  readonly ask: () => Promise<NotificationPermission>;
  readonly show: (title: string, body: string) => void;
  /** Whether the person looks at something else. */
  readonly isHidden: () => boolean;
}

export interface NotifyState {
  /** Whether the end of long work will be told. */
  readonly isWanted: boolean;
  /** Whether it can be: not where the browser has no notifications, or the person refused them. */
  readonly isPossible: boolean;
}

export interface Notifier {
  readonly store: StoreApi<NotifyState>;
  /** Turns it on, asking for permission where that is due, or off. Must be called within a click. */
  readonly toggle: () => Promise<void>;
}

const DONE: Readonly<Record<Work['kind'], string>> = {
  open: 'Opening',
  fetch: 'Fetching',
  weigh: 'Measuring',
  blend: 'Merging',
  save: 'Saving',
};

/** Watches a studio's work; without notifications nothing is possible. */
export function createNotifier(studio: Studio, notifications: Notifications | undefined): Notifier {
  const store = createStore<NotifyState>()(() => ({
    isWanted: false,
    isPossible: notifications !== undefined && notifications.permission() !== 'denied',
  }));

  function tell(work: Work): void {
    const { isWanted } = store.getState();
    if (!notifications || !isWanted || notifications.permission() !== 'granted' || !notifications.isHidden()) return;
    const { sentence, tone } = statusOf(studio.store.getState());
    notifications.show(tone === 'bad' ? `${DONE[work.kind]} failed` : `${DONE[work.kind]} is done`, sentence);
  }

  studio.store.subscribe(({ work }, { work: before }) => {
    if (before === null || work?.id === before.id) return;
    if (performance.now() - before.pace.startedMs < WORTH_TELLING_MS) return;
    // What came of it is known a moment after the work has ended; where other work follows at once, that has the word.
    setTimeout(() => {
      if (studio.store.getState().work === null) tell(before);
    }, SETTLED_MS);
  });

  return {
    store,
    async toggle() {
      if (store.getState().isWanted) {
        store.setState({ isWanted: false });
        return;
      }
      if (!notifications) return;
      const granted = notifications.permission() === 'default' ? await notifications.ask() : notifications.permission();
      store.setState({ isWanted: granted === 'granted', isPossible: granted !== 'denied' });
    },
  };
}

const SETTLED_MS = 200;
