/**
 * Offline files: what the service worker keeps so that the page works with no network, and whether it has all of it.
 * The shell (page, chunks, workers, samples) is fetched when the worker is installed; the runtime that chat needs (some
 * 27 MB of WebAssembly) later, when the page asks. Nothing but this build's own files is ever kept. Shared by the
 * worker (`service-worker.ts`) and the page (`offline.ts`).
 */

/** One file of the build, as the build lists it: a revision where the name does not change with the content. */
export interface BuiltFile {
  readonly url: string;
  readonly revision: string | null;
}

/** What the page may ask of the worker. */
export type OfflineRequest =
  /** How much is kept? */
  | { readonly ask: 'state' }
  /** Fetch what is still missing, then say how much is kept. */
  | { readonly ask: 'complete' }
  /** Take the place of the version that runs now. */
  | { readonly ask: 'take over' };

/** What the worker keeps. */
export interface OfflineReport {
  /** Page, chunks, workers and samples: everything but talking. */
  readonly hasShell: boolean;
  /** What chat needs, too. */
  readonly hasRuntime: boolean;
}

/** The build's files, parted into what is fetched at once and what can wait. */
export function partFiles(files: readonly BuiltFile[]): {
  readonly shell: readonly BuiltFile[];
  readonly runtime: readonly BuiltFile[];
} {
  const isRuntime = ({ url }: BuiltFile) => url.endsWith('.wasm');
  return { shell: files.filter((file) => !isRuntime(file)), runtime: files.filter(isRuntime) };
}

/** The part of a cache that is needed here. */
export type FileCache = Pick<Cache, 'keys' | 'delete'>;

/** Whether a cache holds all of these absolute addresses. */
export async function holdsAll(cache: FileCache, urls: Iterable<string>): Promise<boolean> {
  const held = new Set((await cache.keys()).map(({ url }) => url));
  for (const url of urls) if (!held.has(url)) return false;
  return true;
}

/** Deletes everything that is not among these absolute addresses. */
export async function keepOnly(cache: FileCache, urls: Iterable<string>): Promise<void> {
  const wanted = new Set(urls);
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
}
