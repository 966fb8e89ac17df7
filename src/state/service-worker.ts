/**
 * The service worker: keeps this build's own files, so that the page works with no network after the first visit. It
 * answers requests for those files and for nothing else, and asks nobody but its own origin. A newer version waits
 * until every tab is closed or a person presses Reload. Built by itself (`vite.config.ts`); the page's end is
 * `offline.ts`.
 */

import { PrecacheController, PrecacheRoute } from 'workbox-precaching';
import { registerRoute } from 'workbox-routing';
import { CacheFirst } from 'workbox-strategies';
import {
  type BuiltFile,
  holdsAll,
  keepOnly,
  type OfflineReport,
  type OfflineRequest,
  partFiles,
} from './offline-files.ts';

/** The build puts the list of its files here. */
declare const self: { readonly __WB_MANIFEST: readonly BuiltFile[] };

/** An event that keeps the worker alive; the DOM's types know nothing of service workers. */
interface LastingEvent extends MessageEvent<OfflineRequest> {
  waitUntil(work: Promise<unknown>): void;
}

interface WorkerScope {
  readonly caches: CacheStorage;
  readonly location: Location;
  readonly registration: { readonly scope: string };
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { readonly type: 'window' }): Promise<readonly { postMessage(message: unknown): void }[]>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate' | 'message', listener: (event: LastingEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;

/** Kept apart from the shell: large, and seldom another. Two copies of the page on one origin each have their own. */
const RUNTIME_CACHE = `fusewright-runtime-${scope.registration.scope}`;

const files = partFiles(self.__WB_MANIFEST);
const runtimeUrls = files.runtime.map(({ url }) => new URL(url, scope.location.href).href);

const shell = new PrecacheController();
shell.addToCacheList([...files.shell]);

const runtime = new CacheFirst({
  cacheName: RUNTIME_CACHE,
  // Whoever fetched it, the page hears of it.
  plugins: [{ cacheDidUpdate: () => tellPages() }],
});

async function report(): Promise<OfflineReport> {
  const [shellCache, runtimeCache] = await Promise.all([
    scope.caches.open(shell.strategy.cacheName),
    scope.caches.open(RUNTIME_CACHE),
  ]);
  return {
    hasShell: await holdsAll(shellCache, shell.getURLsToCacheKeys().values()),
    hasRuntime: await holdsAll(runtimeCache, runtimeUrls),
  };
}

async function tellPages(): Promise<void> {
  const found = await report();
  for (const page of await scope.clients.matchAll({ type: 'window' })) page.postMessage(found);
}

/** Fetches what is missing. A failure is no failure of the page's: it asks again another time. */
async function complete(event: LastingEvent): Promise<void> {
  for (const url of runtimeUrls) {
    const [answered, done] = runtime.handleAll({ event, request: new Request(url, { credentials: 'same-origin' }) });
    // The body goes to the cache; nobody reads this copy of it.
    await answered.then((response) => response.body?.cancel()).catch(() => undefined);
    await done.catch(() => undefined);
  }
}

/** What earlier versions left is needed no more, unless another tab still runs one of them. */
async function tidy(event: LastingEvent): Promise<void> {
  const pages = await scope.clients.matchAll({ type: 'window' });
  if (pages.length > 1) return;
  await shell.activate(event);
  await keepOnly(await scope.caches.open(RUNTIME_CACHE), runtimeUrls);
}

scope.addEventListener('install', (event) => {
  event.waitUntil(shell.install(event));
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(tidy(event).then(() => scope.clients.claim()));
});

scope.addEventListener('message', (event) => {
  const { ask } = event.data;
  if (ask === 'take over') {
    event.waitUntil(scope.skipWaiting());
    return;
  }
  const [port] = event.ports;
  event.waitUntil(
    (ask === 'complete' ? complete(event) : Promise.resolve()).then(report).then((found) => port?.postMessage(found)),
  );
});

/** Chunks of an earlier version, for a tab that still runs it: the server may have them no more. */
async function earlier({ request }: { readonly request: Request }): Promise<Response> {
  const cache = await scope.caches.open(shell.strategy.cacheName);
  return (await cache.match(request)) ?? fetch(request);
}

const assets = new URL('./assets/', scope.location.href).href;

registerRoute(new PrecacheRoute(shell, { cleanURLs: false, ignoreURLParametersMatching: [/./] }));
registerRoute(({ url }) => runtimeUrls.includes(url.href), runtime);
registerRoute(({ url }) => url.href.startsWith(assets), earlier);
