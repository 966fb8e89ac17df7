/** Surroundings: the few things that a page can do and a test cannot: fetch, pick a folder, hand over a download, fill the
 * clipboard. */

import type { TextStore } from './chat-keeping.ts';
import { databaseHandles, type HandleStore } from './database-handles.ts';
import { databaseTexts } from './database-texts.ts';
import type { WorkspaceTexts } from './kept-workspaces.ts';
import type { Notifications } from './notify.ts';
import type { PageKeeper } from './offline.ts';
import { pageKeeper } from './page-keeper.ts';
import { type Visit, windowVisit } from './visit.ts';

export interface Surroundings {
  readonly fetch: typeof fetch;
  /** Null where the browser has no folder picker. Must be called within a click. */
  readonly pickFolder: (() => Promise<FileSystemDirectoryHandle>) | null;
  readonly download: (file: File, name: string) => void;
  /** Puts text on the clipboard; rejects where the browser does not let it. */
  readonly copy: (text: string) => Promise<void>;
  /** Where texts are kept in this browser from one visit to the next; left out where there is no such place. */
  readonly store?: TextStore;
  /** Where the workspaces of all tabs are kept; left out where there is no such place. */
  readonly workspaces?: WorkspaceTexts;
  /** Where handles of opened files are kept; left out where there is no such place. */
  readonly handles?: HandleStore;
  /** What the browser tells of this visit; left out where nothing is kept from one to the next. */
  readonly visit?: Visit;
  /** The system's notifications; left out where the browser has none. */
  readonly notifications?: Notifications;
  /** What keeps the page's own files for when there is no network; left out where nothing does. */
  readonly keeper?: PageKeeper;
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
    ...keeperOf(page),
    ...notificationsOf(page),
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

/** While developing, files change too often to be kept. */
function keeperOf(page: Window & typeof globalThis): { readonly keeper?: PageKeeper } {
  const keeper = import.meta.env.PROD ? pageKeeper(page) : undefined;
  return keeper ? { keeper } : {};
}

function notificationsOf(page: Window & typeof globalThis): { readonly notifications?: Notifications } {
  if (!('Notification' in page)) return {};
  const { Notification } = page;
  return {
    notifications: {
      permission: () => Notification.permission,
      ask: () => Notification.requestPermission(),
      isHidden: () => page.document.visibilityState === 'hidden',
      show(title, body) {
        const options = { body, icon: './icon-192.png', tag: 'fusewright' };
        try {
          const shown = new Notification(title, options);
          shown.onclick = () => {
            page.focus();
            shown.close();
          };
        } catch {
          // On Android only the service worker may.
          void page.navigator.serviceWorker?.ready.then((worker) => worker.showNotification(title, options));
        }
      },
    },
  };
}

/** A browser may refuse even to name its database. */
function databaseOf(
  page: Window & typeof globalThis,
): Pick<Surroundings, 'store' | 'workspaces' | 'handles' | 'visit'> {
  try {
    const { indexedDB } = page;
    if (!indexedDB) return {};
    const texts = databaseTexts(indexedDB);
    return { store: texts, workspaces: texts, handles: databaseHandles(indexedDB), visit: windowVisit(page) };
  } catch {
    return {};
  }
}
