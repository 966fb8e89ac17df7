/**
 * DatabaseHandles: handles of files and folders that a person gave to the page, kept in the browser's IndexedDB, so that
 * a later visit can ask to read the same ones again. A handle is no copy and no permission.
 */

import { databaseValues } from './database.ts';

/** Handles by the key of the opening that they came with; everything may reject. */
export interface HandleStore {
  /** Empty where nothing is kept under the key. */
  readonly read: (key: string) => Promise<readonly FileSystemHandle[]>;
  readonly write: (key: string, handles: readonly FileSystemHandle[]) => Promise<void>;
  readonly remove: (key: string) => Promise<void>;
}

/** Openings whose handles are kept, of all tabs together. */
const MOST_OPENINGS = 200;

/** Handles in a database of their own. Keys that sort first are the oldest and go first. */
export function databaseHandles(factory: IDBFactory): HandleStore {
  const values = databaseValues(factory, 'fusewright-handles', 'handles');
  return {
    async read(key) {
      const kept = await values.read(key);
      return Array.isArray(kept) ? kept.filter((one: unknown) => one instanceof FileSystemHandle) : [];
    },
    async write(key, handles) {
      await values.write(key, [...handles]);
      const keys = await values.keys();
      for (const old of keys.slice(0, Math.max(0, keys.length - MOST_OPENINGS))) await values.remove(old);
    },
    remove: values.remove,
  };
}
