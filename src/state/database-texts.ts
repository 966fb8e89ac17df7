/** DatabaseTexts: texts by key in the browser's IndexedDB, which holds more than localStorage and does not block the page. */

import type { TextStore } from './chat-keeping.ts';

const DATABASE = 'fusewright';
const TEXTS = 'texts';

/** Texts in a database of their own; it is opened at the first use and again after it was closed. */
export function databaseTexts(factory: IDBFactory): TextStore {
  let opened: Promise<IDBDatabase> | null = null;
  const open = () => {
    opened ??= openDatabase(factory, () => {
      opened = null;
    }).catch((cause: unknown) => {
      opened = null;
      throw cause;
    });
    return opened;
  };
  const texts = async (mode: IDBTransactionMode) => (await open()).transaction(TEXTS, mode).objectStore(TEXTS);
  return {
    async read(key) {
      const value: unknown = await done((await texts('readonly')).get(key));
      return typeof value === 'string' ? value : null;
    },
    async write(key, text) {
      await done((await texts('readwrite')).put(text, key));
    },
  };
}

async function openDatabase(factory: IDBFactory, onClose: () => void): Promise<IDBDatabase> {
  const request = factory.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TEXTS);
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
