/** DatabaseTexts: texts by key in the browser's IndexedDB. */

import type { TextStore } from './chat-keeping.ts';
import { databaseValues } from './database.ts';

/** Texts in a database of their own. */
export function databaseTexts(factory: IDBFactory): TextStore {
  const { read, write } = databaseValues(factory, 'fusewright', 'texts');
  return {
    async read(key) {
      const value = await read(key);
      return typeof value === 'string' ? value : null;
    },
    write,
  };
}
