/**
 * Visit: what the browser tells of this visit to the page: whether it is a reload, when it ends, and places for a
 * text that can be written at the last moment. Not where work is kept for good (`workspace.ts`).
 */

import { type Tabs, windowTabs } from './tabs.ts';

/** A place for one text; reading gives null and writing does nothing where the browser has no such place. */
export interface TextPlace {
  readonly read: () => string | null;
  /** Null empties it. */
  readonly write: (text: string | null) => void;
}

export interface Visit {
  /** True where this tab showed the page before and it was loaded anew or gone back to. */
  readonly wasReloaded: boolean;
  /** Lives as long as the tab. Written at once, also while the page goes. */
  readonly tab: TextPlace;
  /** The same for the conversation. */
  readonly talk: TextPlace;
  /** The same for the key of this tab's workspace. */
  readonly key: TextPlace;
  /** Which tabs live; null where the browser does not tell. */
  readonly tabs: Tabs | null;
  /** Lives from visit to visit. Read at once, before the first picture. */
  readonly hint: TextPlace;
  /** Calls back when the page is hidden or goes. */
  readonly onHide: (callback: () => void) => void;
}

const TAB_KEY = 'fusewright.work';
const TALK_KEY = 'fusewright.talk';
const KEY_KEY = 'fusewright.key';
const HINT_KEY = 'fusewright.left';

/** This window's visit. */
export function windowVisit(page: Window & typeof globalThis): Visit {
  const [entry] = page.performance.getEntriesByType('navigation');
  const kind = entry instanceof PerformanceNavigationTiming ? entry.type : 'navigate';
  return {
    wasReloaded: kind === 'reload' || kind === 'back_forward',
    tab: placeOf(() => page.sessionStorage, TAB_KEY),
    talk: placeOf(() => page.sessionStorage, TALK_KEY),
    key: placeOf(() => page.sessionStorage, KEY_KEY),
    tabs: windowTabs(page) ?? null,
    hint: placeOf(() => page.localStorage, HINT_KEY),
    onHide(callback) {
      page.addEventListener('pagehide', callback);
      page.document.addEventListener('visibilitychange', () => {
        if (page.document.visibilityState === 'hidden') callback();
      });
    },
  };
}

/** A browser may refuse even to name its storage, or to take as much as this. */
function placeOf(storage: () => Storage, key: string): TextPlace {
  return {
    read() {
      try {
        return storage().getItem(key);
      } catch {
        return null;
      }
    },
    write(text) {
      try {
        if (text === null) storage().removeItem(key);
        else storage().setItem(key, text);
      } catch {
        // An older text that stays would be taken for this one.
        try {
          storage().removeItem(key);
        } catch {
          // There is no such place.
        }
      }
    },
  };
}
