/**
 * KeptWorkspaces: the workspaces of all tabs of this browser, each under a key of its own, and which of them is this
 * tab's. A tab comes back to its own; one that has none takes the newest that no living tab holds, and from then on that
 * is its own. So no tab writes over another's. Not the form of a workspace (`workspace-text.ts`), nor when it is kept
 * (`workspace.ts`).
 */

import type { Tabs } from './tabs.ts';
import type { TextPlace } from './visit.ts';
import { type KeptWorkspace, readWorkspace } from './workspace-text.ts';

/** Texts by key; everything rejects where the browser keeps nothing, as in a private window. */
export interface WorkspaceTexts {
  readonly read: (key: string) => Promise<string | null>;
  readonly write: (key: string, text: string) => Promise<void>;
  readonly remove: (key: string) => Promise<void>;
  readonly keys: () => Promise<readonly string[]>;
}

/** What a tab can come back to. */
export interface TakenWorkspace {
  /** Null where there is nothing. */
  readonly work: KeptWorkspace | null;
  /** Whether this very tab had work before: what else it remembers is about the same. */
  readonly isOwn: boolean;
}

export interface KeptWorkspaces {
  /** What this tab can come back to. Once, before anything is written. Rejects where nothing is kept. */
  readonly take: () => Promise<TakenWorkspace>;
  /** Leaves what was taken to another tab: what is written from now on has a key of its own. */
  readonly leave: () => void;
  /** Keeps this tab's work; with null keeps none. */
  readonly write: (text: string | null) => Promise<void>;
}

/** All keys begin so; a browser that knew only one workspace kept it under this very word. */
export const KEY_PREFIX = 'workspace';
/** Of those that no living tab holds, so many are kept; older ones go. */
const MOST_KEPT = 8;
/** How long a reload may take to let go of what the page held before. */
const RELOAD_MS = 1000;

function newKey(): string {
  return `${KEY_PREFIX} ${crypto.randomUUID()}`;
}

/**
 * @param tabs null where the browser does not tell which tabs live: then a tab without a workspace takes the newest.
 * @param ownKey where this tab's key is kept from one page to the next.
 */
export function keptWorkspaces(texts: WorkspaceTexts, tabs: Tabs | null, ownKey: TextPlace | null): KeptWorkspaces {
  /** This tab's key. */
  let key = newKey();
  let letGo = () => {};

  const hold = async (wanted: string, waitMs: number): Promise<boolean> => {
    const release = tabs === null ? () => {} : await tabs.hold(wanted, waitMs);
    if (!release) return false;
    letGo();
    letGo = release;
    key = wanted;
    ownKey?.write(wanted);
    return true;
  };

  /** The newest first. What cannot be read is as good as nothing, and goes. */
  const all = async (held: ReadonlySet<string>) => {
    const found: { readonly key: string; readonly work: KeptWorkspace }[] = [];
    for (const one of await texts.keys()) {
      if (!one.startsWith(KEY_PREFIX)) continue;
      const work = readWorkspace((await texts.read(one).catch(() => null)) ?? '');
      if (work !== null && work.checkpoints.length > 0) found.push({ key: one, work });
      else if (tabs !== null && !held.has(one)) await texts.remove(one).catch(() => undefined);
    }
    return found.sort((a, b) => b.work.changedMs - a.work.changedMs);
  };

  return {
    async take() {
      const before = ownKey?.read() ?? null;
      // A tab that was made as a copy of another has its key, too, and the other is alive.
      const isOwn = before?.startsWith(KEY_PREFIX) === true && (await hold(before, RELOAD_MS));
      const held = (await tabs?.held().catch(() => null)) ?? new Set<string>();
      const kept = await all(held);
      const own = isOwn ? kept.find((one) => one.key === before) : undefined;
      const free = kept.filter((one) => one !== own && !held.has(one.key));
      let taken = own ?? null;
      for (const one of taken ? [] : free) {
        if (!(await hold(one.key, 0))) continue;
        taken = one;
        break;
      }
      if (!taken && !isOwn) await hold(key, 0);
      if (tabs) {
        const old = free.filter((one) => one !== taken).slice(MOST_KEPT);
        for (const one of old) await texts.remove(one.key).catch(() => undefined);
      }
      return { work: taken?.work ?? null, isOwn };
    },
    leave() {
      key = newKey();
      ownKey?.write(key);
      // Nobody else knows it.
      void hold(key, 0);
    },
    write: (text) => (text === null ? texts.remove(key) : texts.write(key, text)),
  };
}
