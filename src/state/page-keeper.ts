/** Page keeper: the browser's own interface to the service worker, as `offline.ts` needs it. */

import type { PageKeeper } from './offline.ts';
import type { OfflineReport, OfflineRequest } from './offline-files.ts';

/** Beside the page, wherever that is served. */
const WORKER_URL = './service-worker.js';

/** The worker is started after the page is, and not in the way of it. */
const START_AFTER_MS = 1500;

/** A tab that stays open asks this often whether there is a newer version. */
const UPDATE_EVERY_MS = 60 * 60_000;

/** Fetching the runtime over a slow line takes its time. */
const ANSWER_WITHIN_MS = 30 * 60_000;

/** What browsers tell about the connection, where they do. */
interface WithConnection {
  readonly connection?: { readonly saveData?: boolean; readonly type?: string };
}

/** The keeper of this window; undefined where the browser has none (or, while developing, where none is wanted). */
export function pageKeeper(page: Window & typeof globalThis): PageKeeper | undefined {
  // In an insecure context, and in some private windows, there is none.
  const container = page.navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container) return undefined;
  let registration: ServiceWorkerRegistration | undefined;
  let isTakingOver = false;

  container.addEventListener('controllerchange', () => {
    if (isTakingOver) page.location.reload();
  });

  function ask(request: OfflineRequest): Promise<OfflineReport> {
    const worker = registration?.active;
    if (!worker) return Promise.reject(new Error('no service worker runs'));
    return new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      const timer = setTimeout(() => reject(new Error('the service worker did not answer')), ANSWER_WITHIN_MS);
      port1.onmessage = ({ data }: MessageEvent<OfflineReport>) => {
        clearTimeout(timer);
        resolve(data);
      };
      worker.postMessage(request, [port2]);
    });
  }

  return {
    async start(onUpdate, onReport) {
      await idle(page);
      // A browser that blocks service workers may answer with nothing.
      const own = (await container.register(WORKER_URL, { updateViaCache: 'none' })) as
        | ServiceWorkerRegistration
        | undefined;
      if (!own) throw new Error('service workers are blocked');
      registration = own;
      const lookForUpdate = () => {
        // The first version of all waits for nobody.
        if (own.waiting && own.active) onUpdate();
      };
      own.addEventListener('updatefound', () => {
        own.installing?.addEventListener('statechange', lookForUpdate);
      });
      lookForUpdate();
      container.addEventListener('message', ({ data }: MessageEvent<OfflineReport>) => onReport(data));
      // Messages that came before somebody listened.
      container.startMessages();
      let askedMs = performance.now();
      page.document.addEventListener('visibilitychange', () => {
        if (page.document.visibilityState !== 'visible' || performance.now() - askedMs < UPDATE_EVERY_MS) return;
        askedMs = performance.now();
        void own.update().catch(() => undefined);
      });
      await container.ready;
    },
    ask: (what) => ask({ ask: what }),
    isMetered() {
      const { connection } = page.navigator as WithConnection;
      return connection?.saveData === true || connection?.type === 'cellular';
    },
    takeOver() {
      isTakingOver = true;
      registration?.waiting?.postMessage({ ask: 'take over' } satisfies OfflineRequest);
    },
  };
}

/** Resolves once the page has loaded and has nothing to do. */
async function idle(page: Window & typeof globalThis): Promise<void> {
  if (page.document.readyState !== 'complete') {
    await new Promise((resolve) => page.addEventListener('load', resolve, { once: true }));
  }
  await new Promise((resolve) => setTimeout(resolve, START_AFTER_MS));
}
