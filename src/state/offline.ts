/**
 * Offline: whether the page works with no network, and whether a newer version of it waits. The claim is the service
 * worker's answer and never a guess. Not the worker (`service-worker.ts`), and not the browser's own interface to it
 * (`page-keeper.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import type { OfflineReport, OfflineRequest } from './offline-files.ts';

/**
 * How far the page is. none: it is not kept here (while developing, in a private window, without https). fetching: not
 * all is here yet. `chatless`: all but the runtime that chat needs, which is left until it is used, on a connection
 * that is to be spared. ready: all of it.
 */
export type OfflineStage = 'none' | 'fetching' | 'chatless' | 'ready';

export interface OfflineState {
  readonly stage: OfflineStage;
  /** A newer version is here and waits. */
  readonly hasUpdate: boolean;
}

/** The service worker as the page reaches it. */
export interface PageKeeper {
  /**
   * Starts it once the page is idle. Resolves when a worker runs; rejects where the browser lets none run.
   * @param onUpdate called when a newer version waits.
   * @param onReport called when the worker tells of what it keeps without being asked.
   */
  readonly start: (onUpdate: () => void, onReport: (report: OfflineReport) => void) => Promise<void>;
  readonly ask: (ask: Exclude<OfflineRequest['ask'], 'take over'>) => Promise<OfflineReport>;
  /** Whether the person or the connection asks to be spared large downloads. */
  readonly isMetered: () => boolean;
  /** Lets the newer version run and reloads the page with it. */
  readonly takeOver: () => void;
}

export interface Offline {
  readonly store: StoreApi<OfflineState>;
  /** Fetches what chat needs, however the connection is. */
  readonly complete: () => Promise<void>;
  /** Reloads the page with the newer version; does nothing where there is none. */
  readonly takeUpdate: () => void;
}

/** Follows a keeper; without one the page is as it is without a worker. */
export function createOffline(keeper: PageKeeper | undefined): Offline {
  const store = createStore<OfflineState>()(() => ({ stage: 'none', hasUpdate: false }));

  const show = ({ hasShell, hasRuntime }: OfflineReport) => {
    const stage = !hasShell ? 'fetching' : hasRuntime ? 'ready' : keeper?.isMetered() ? 'chatless' : 'fetching';
    store.setState({ stage });
  };

  async function begin(worker: PageKeeper): Promise<void> {
    await worker.start(() => store.setState({ hasUpdate: true }), show);
    const found = await worker.ask('state');
    show(found);
    if (!found.hasRuntime && !worker.isMetered()) show(await worker.ask('complete'));
  }

  // Without a worker everything works but for the network; there is nothing to tell.
  if (keeper) void begin(keeper).catch(() => undefined);

  return {
    store,
    async complete() {
      if (!keeper) return;
      store.setState({ stage: 'fetching' });
      show(await keeper.ask('complete'));
    },
    takeUpdate() {
      if (store.getState().hasUpdate) keeper?.takeOver();
    },
  };
}
