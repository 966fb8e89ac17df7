/**
 * Database: one store of values by key in the browser's IndexedDB, which holds more than localStorage and does not block
 * the page. Opened at the first use and again after it was closed. Not what the values mean (`database-texts.ts`,
 * `database-handles.ts`).
 */

/** Values by key; everything rejects where the browser keeps nothing, as in a private window. */
export interface ValueStore {
  readonly read: (key: string) => Promise<unknown>;
  readonly write: (key: string, value: unknown) => Promise<void>;
  readonly remove: (key: string) => Promise<void>;
  /** All keys, sorted. */
  readonly keys: () => Promise<readonly string[]>;
}

/** The one store of a database. */
export function databaseValues(factory: IDBFactory, name: string, storeName: string): ValueStore {
  let opened: Promise<IDBDatabase> | null = null;
  const open = () => {
    opened ??= openDatabase(factory, name, storeName, () => {
      opened = null;
    }).catch((cause: unknown) => {
      opened = null;
      throw cause;
    });
    return opened;
  };
  const values = async (mode: IDBTransactionMode) => (await open()).transaction(storeName, mode).objectStore(storeName);
  return {
    read: async (key): Promise<unknown> => done((await values('readonly')).get(key)),
    async write(key, value) {
      await done((await values('readwrite')).put(value, key));
    },
    async remove(key) {
      await done((await values('readwrite')).delete(key));
    },
    async keys() {
      const keys = await done((await values('readonly')).getAllKeys());
      return keys.filter((key) => typeof key === 'string');
    },
  };
}

async function openDatabase(
  factory: IDBFactory,
  name: string,
  storeName: string,
  onClose: () => void,
): Promise<IDBDatabase> {
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(storeName);
  const database = await done(request);
  database.onclose = onClose;
  // Another tab may want a newer form of it.
  database.onversionchange = () => {
    database.close();
    onClose();
  };
  return database;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser keeps nothing'));
  });
}
