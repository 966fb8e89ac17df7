/**
 * Memory: what merging and chat hold, against the budget, as the engine counts it. Looked up when work begins or ends
 * and every second while it runs. Not the budget itself, which is the studio's.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import type { Chat } from './chat-store.ts';
import type { MemoryUse } from './engine-api.ts';
import type { Studio } from './studio.ts';

/** Null before the engine has told. */
export interface MemoryState {
  readonly use: MemoryUse | null;
}

const WHILE_WORKING_MS = 1000;

/** Follows what is held. */
export function watchMemory(studio: Studio, chat: Chat): StoreApi<MemoryState> {
  const store = createStore<MemoryState>()(() => ({ use: null }));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAsking = false;

  async function look(): Promise<void> {
    clearTimeout(timer);
    if (isAsking) return;
    isAsking = true;
    try {
      const use = await studio.engine.memory();
      const { use: before } = store.getState();
      if (before?.mergeBytes !== use.mergeBytes || before.chatBytes !== use.chatBytes) store.setState({ use });
    } catch {
      // An engine that failed says so elsewhere.
    } finally {
      isAsking = false;
    }
    if (isBusy()) timer = setTimeout(() => void look(), WHILE_WORKING_MS);
  }

  const isBusy = () => studio.store.getState().work !== null || chat.store.getState().replying.length > 0;

  studio.store.subscribe((state, before) => {
    const isOther =
      state.work?.id !== before.work?.id || state.blend !== before.blend || state.checkpoints !== before.checkpoints;
    if (state.engine !== null && isOther) void look();
  });
  chat.store.subscribe((state, before) => {
    if (state.replying.length > 0 !== before.replying.length > 0) void look();
  });
  return store;
}
