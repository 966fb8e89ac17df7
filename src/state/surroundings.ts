/** Surroundings: the few things that a page can do and a test cannot: fetch, pick a folder, hand over a download, fill the
 * clipboard. */

import type { TextStore } from './chat-keeping.ts';
import { databaseTexts } from './database-texts.ts';

export interface Surroundings {
  readonly fetch: typeof fetch;
  /** Null where the browser has no folder picker. Must be called within a click. */
  readonly pickFolder: (() => Promise<FileSystemDirectoryHandle>) | null;
  readonly download: (file: File, name: string) => void;
  /** Puts text on the clipboard; rejects where the browser does not let it. */
  readonly copy: (text: string) => Promise<void>;
  /** Where texts are kept in this browser from one visit to the next; left out where there is no such place. */
  readonly store?: TextStore;
}

/** The Chromium-only picker, which TypeScript's DOM types leave out. */
interface WithFolderPicker {
  readonly showDirectoryPicker?: (options: {
    readonly id: string;
    readonly mode: 'readwrite';
  }) => Promise<FileSystemDirectoryHandle>;
}

/** How long the browser may take to begin reading a download before its address is given back. */
const ADDRESS_KEPT_MS = 60_000;

/** What this browser window offers. */
export function windowSurroundings(page: Window & typeof globalThis): Surroundings {
  const { showDirectoryPicker } = page as WithFolderPicker;
  return {
    fetch: page.fetch.bind(page),
    pickFolder: showDirectoryPicker
      ? () => showDirectoryPicker.call(page, { id: 'fusewright', mode: 'readwrite' })
      : null,
    copy: (text) => page.navigator.clipboard.writeText(text),
    ...databaseOf(page),
    download(file, name) {
      const address = URL.createObjectURL(file);
      const link = page.document.createElement('a');
      link.href = address;
      link.download = name;
      page.document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(address), ADDRESS_KEPT_MS);
    },
  };
}

/** A browser may refuse even to name its database. */
function databaseOf(page: Window & typeof globalThis): { readonly store?: TextStore } {
  try {
    return page.indexedDB ? { store: databaseTexts(page.indexedDB) } : {};
  } catch {
    return {};
  }
}
