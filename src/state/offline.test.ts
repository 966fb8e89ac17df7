/** The claim to work offline: made only on the worker's word, and never at the cost of a metered line. */

import { describe, expect, it } from 'vitest';
import { createOffline, type PageKeeper } from './offline.ts';
import { holdsAll, keepOnly, type OfflineReport, partFiles } from './offline-files.ts';

/** A worker that is told what it keeps. */
function keeper(kept: OfflineReport, isMetered = false) {
  const asked: string[] = [];
  let takeOvers = 0;
  let update = () => {};
  let report: (found: OfflineReport) => void = () => {};
  let state = kept;
  const it: PageKeeper = {
    async start(onUpdate, onReport) {
      update = onUpdate;
      report = onReport;
    },
    async ask(what) {
      asked.push(what);
      if (what === 'complete') state = { ...state, hasRuntime: true };
      return state;
    },
    isMetered: () => isMetered,
    takeOver: () => {
      takeOvers++;
    },
  };
  return {
    it,
    asked,
    update: () => update(),
    report: (found: OfflineReport) => report(found),
    takeOvers: () => takeOvers,
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));
const SHELL = { hasShell: true, hasRuntime: false };

describe('offline', () => {
  it('claims nothing without a worker, or where none may run', async () => {
    const none = createOffline(undefined);
    expect(none.store.getState().stage).toBe('none');
    const refused = createOffline({
      ...keeper(SHELL).it,
      start: () => Promise.reject(new DOMException('no', 'SecurityError')),
    });
    await settled();
    expect(refused.store.getState()).toEqual({ stage: 'none', hasUpdate: false });
  });

  it('fetches what chat needs, and says that it works offline only then', async () => {
    const { it, asked } = keeper(SHELL);
    const { store } = createOffline(it);
    const stages: string[] = [];
    store.subscribe(({ stage }) => stages.push(stage));
    await settled();
    expect(asked).toEqual(['state', 'complete']);
    expect(stages).toEqual(['fetching', 'ready']);
  });

  it('does not claim it where fetching failed', async () => {
    const { it } = keeper(SHELL);
    const { store } = createOffline({ ...it, ask: async () => SHELL });
    await settled();
    expect(store.getState().stage).toBe('fetching');
  });

  it('spares a metered line until it is told otherwise, and hears when chat fetched it', async () => {
    const metered = keeper(SHELL, true);
    const offline = createOffline(metered.it);
    await settled();
    expect(metered.asked).toEqual(['state']);
    expect(offline.store.getState().stage).toBe('chatless');
    metered.report({ hasShell: true, hasRuntime: true });
    expect(offline.store.getState().stage).toBe('ready');
    const told = keeper(SHELL, true);
    const other = createOffline(told.it);
    await settled();
    await other.complete();
    expect(told.asked).toEqual(['state', 'complete']);
    expect(other.store.getState().stage).toBe('ready');
  });

  it('takes a newer version only when there is one and a person wants it', async () => {
    const { it, update, takeOvers } = keeper({ hasShell: true, hasRuntime: true });
    const offline = createOffline(it);
    await settled();
    offline.takeUpdate();
    expect(takeOvers()).toBe(0);
    update();
    expect(offline.store.getState().hasUpdate).toBe(true);
    offline.takeUpdate();
    expect(takeOvers()).toBe(1);
  });
});

describe('offline files', () => {
  it('leaves the runtime for later', () => {
    const page = { url: 'index.html', revision: 'a' };
    const sample = { url: 'samples/a/model.safetensors', revision: 'b' };
    const wasm = { url: 'assets/ort-1.wasm', revision: null };
    expect(partFiles([page, wasm, sample])).toEqual({ shell: [page, sample], runtime: [wasm] });
  });

  it('misses what is not there, and throws away what is not wanted', async () => {
    const urls = new Set(['https://x/a', 'https://x/b']);
    const cache = {
      keys: async () => [...urls].map((url) => new Request(url)),
      delete: async (request: RequestInfo | URL) => urls.delete((request as Request).url),
    };
    expect(await holdsAll(cache, ['https://x/a'])).toBe(true);
    expect(await holdsAll(cache, ['https://x/a', 'https://x/c'])).toBe(false);
    expect(await holdsAll(cache, [])).toBe(true);
    await keepOnly(cache, ['https://x/b', 'https://x/c']);
    expect([...urls]).toEqual(['https://x/b']);
  });
});
