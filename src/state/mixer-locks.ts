/**
 * Mixer locks: cells of the map that paint, paste, drag and reset leave alone. Kept by model and by filter, so that a
 * lock holds at every detail of the map. State of the page and no part of the recipe.
 */

/** What is locked, by model: filters, each the beginning of tensor names. `EVERYTHING` locks a whole model. */
export type Locks = ReadonlyMap<string, ReadonlySet<string>>;

/** Every filter begins with it. */
export const EVERYTHING = '';

export const NO_LOCKS: Locks = new Map();

/** The beginnings of a filter at its full stops, itself included: `a.b.c` gives ``, `a.`, `a.b.`, `a.b.c`. */
export function beginnings(filter: string): string[] {
  const out = [EVERYTHING];
  for (let at = filter.indexOf('.'); at >= 0; at = filter.indexOf('.', at + 1)) out.push(filter.slice(0, at + 1));
  if (!filter.endsWith('.') && filter !== EVERYTHING) out.push(filter);
  return out;
}

/** How a lock stands to what a filter addresses: it holds over all of it, over a part of it, or not at all. */
export function lockOn(locks: Locks, model: string, filter: string): 'all' | 'part' | 'none' {
  const own = locks.get(model);
  if (!own || own.size === 0) return 'none';
  if (beginnings(filter).some((part) => own.has(part))) return 'all';
  return partsOf(own).has(filter) ? 'part' : 'none';
}

/** Whether a whole model is locked. */
export function isModelLocked(locks: Locks, model: string): boolean {
  return locks.get(model)?.has(EVERYTHING) === true;
}

const parts = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

/** All beginnings of locked filters. */
function partsOf(locked: ReadonlySet<string>): ReadonlySet<string> {
  let found = parts.get(locked);
  if (!found) {
    found = new Set([...locked].flatMap(beginnings));
    parts.set(locked, found);
  }
  return found;
}

/** Locks filters of a model, or lets them go; letting go of a part of what is locked as a whole lets the whole go. */
export function withLocks(locks: Locks, model: string, filters: readonly string[], isLocked: boolean): Locks {
  const own = new Set(locks.get(model));
  for (const filter of filters) {
    if (isLocked) own.add(filter);
    else for (const part of [...own]) if (part.startsWith(filter) || filter.startsWith(part)) own.delete(part);
  }
  return new Map(locks).set(model, own);
}

/** How many locks there are. */
export function lockCount(locks: Locks): number {
  let count = 0;
  for (const own of locks.values()) count += own.size;
  return count;
}
