/** DatabaseTexts: texts by key in the browser's IndexedDB. */

import { databaseValues } from './database.ts';
import type { WorkspaceTexts } from './kept-workspaces.ts';

/** Texts in a database of their own. */
export function databaseTexts(factory: IDBFactory): WorkspaceTexts {
  const { read, write, remove, keys } = databaseValues(factory, 'fusewright', 'texts');
  return {
    async read(key) {
      const value = await read(key);
      return typeof value === 'string' ? value : null;
    },
    write,
    remove,
    keys,
  };
}
