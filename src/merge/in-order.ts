/**
 * InOrder: tasks with several under way at once whose results come in order. Not what the tasks are, nor a queue that
 * outlives them.
 */

import { throwIfCancelled } from '../bytes/fault.ts';

/** How much may be under way at once: tasks, and what they cost together. One task is always let through. */
export interface Limits<T> {
  readonly depth: number;
  readonly costOf?: (item: T) => number;
  readonly mostCost?: number;
}

/** The task's results in the order of the items, with as many tasks under way as the limits allow. */
export async function* inOrder<I, T>(
  items: readonly I[],
  limits: Limits<I>,
  signal: AbortSignal | undefined,
  task: (item: I) => Promise<T>,
): AsyncGenerator<T> {
  const { depth, costOf = () => 0, mostCost = Number.POSITIVE_INFINITY } = limits;
  const underWay: { readonly result: Promise<T>; readonly cost: number }[] = [];
  let cost = 0;
  let next = 0;
  try {
    while (next < items.length || underWay.length > 0) {
      throwIfCancelled(signal);
      while (next < items.length && underWay.length < depth) {
        const item = items[next] as I;
        const own = costOf(item);
        if (underWay.length > 0 && cost + own > mostCost) break;
        const result = task(item);
        // Awaited below, in order; until then a rejection is nobody's and must not end the process.
        result.catch(() => undefined);
        underWay.push({ result, cost: own });
        cost += own;
        next++;
      }
      const head = underWay[0];
      if (head) {
        yield await head.result;
        cost -= head.cost;
      }
      underWay.shift();
    }
  } finally {
    // What is still under way holds buffers: it has to end before its owner can let go of them.
    await Promise.allSettled(underWay.map(({ result }) => result));
  }
}
