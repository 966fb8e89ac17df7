/**
 * Tabs: which tabs of this browser are alive, told by names that each holds as long as it lives. A tab that is closed, or
 * crashes, lets go of its name by itself. Not what is kept under a name (`kept-workspaces.ts`).
 */

export interface Tabs {
  /**
   * Takes a name for this tab until it goes or lets go.
   * @param waitMs how long another tab is waited for that may be about to go, as this one's last page is at a reload.
   * @returns what lets go of the name; null where another tab holds it.
   */
  readonly hold: (name: string, waitMs: number) => Promise<(() => void) | null>;
  /** The names that living tabs hold, this one's included. */
  readonly held: () => Promise<ReadonlySet<string>>;
}

const PREFIX = 'fusewright tab ';

/** Tabs over the browser's locks; undefined where there are none, as in an insecure context. */
export function windowTabs(page: Window & typeof globalThis): Tabs | undefined {
  // In an insecure context there is none.
  const locks = page.navigator.locks as LockManager | undefined;
  if (!locks) return undefined;
  return {
    hold: (name, waitMs) =>
      new Promise((resolve) => {
        const keeping = (lock: Lock | null) => {
          if (!lock) {
            resolve(null);
            return undefined;
          }
          return new Promise<void>((release) => resolve(release));
        };
        const options = waitMs > 0 ? { signal: AbortSignal.timeout(waitMs) } : { ifAvailable: true };
        // Rejects where the time is up, and where the browser has no locks for this page.
        locks.request(PREFIX + name, options, keeping).catch(() => resolve(null));
      }),
    async held() {
      const { held = [] } = await locks.query();
      return new Set(held.flatMap(({ name = '' }) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : [])));
    },
  };
}
