import { describe, expect, it } from 'vitest';
import { CancelledFault, DeviceFault } from '../bytes/fault.ts';
import type { KeyValueCache } from './cache.ts';
import { PrefixCaches } from './prefix-caches.ts';
import type { LogitsRows } from './session.ts';

/** Stands in for a cache: it only knows its tokens. */
class CacheDouble {
  ids: number[] = [];
  isDisposed = false;
  get tokens() {
    return this.ids.length;
  }
  rewind(tokens: number) {
    this.ids.length = tokens;
  }
  dispose() {
    this.isDisposed = true;
  }
}

const ROWS: LogitsRows = { kind: 'cpu', data: new Float32Array(1), rows: 1, vocabularySize: 1 };

function bench(most?: number, capacityTokens = 100) {
  const made: CacheDouble[] = [];
  const advanced: number[][] = [];
  const hooks: { during: () => void } = { during: () => {} };
  const session = {
    kvBytesPerToken: 2 ** 20,
    capacityTokens,
    newCache: () => {
      const cache = new CacheDouble();
      made.push(cache);
      return cache as unknown as KeyValueCache;
    },
    advance: async (ids: readonly number[], cache: KeyValueCache) => {
      advanced.push([...ids]);
      (cache as unknown as CacheDouble).ids.push(...ids);
      hooks.during();
      return ROWS;
    },
  };
  const caches = new PrefixCaches(session, most);
  const never = new AbortController().signal;
  const read = async (ids: readonly number[]) => {
    const lease = caches.lend(ids);
    const held = lease.tokens;
    await lease.advance(ids.slice(held), never);
    lease.end();
    return held;
  };
  return { caches, made, advanced, hooks, read, never, alive: () => made.filter((cache) => !cache.isDisposed) };
}

const range = (length: number, start = 0) => Array.from({ length }, (_, index) => start + index);

describe('PrefixCaches', () => {
  it('lends what was read before, rewound to what is common, but never the last token', async () => {
    const { read, made } = bench(1);
    expect(await read(range(10))).toBe(0);
    expect(await read(range(14))).toBe(10);
    expect(await read(range(14))).toBe(13);
    expect(await read([...range(9), 99, 98])).toBe(9);
    expect(made).toHaveLength(1);
    expect(made[0]?.ids).toEqual([...range(9), 99, 98]);
  });

  it('keeps the branch before an edit where two caches may be kept, and throws the oldest away', async () => {
    const { read, alive } = bench(2);
    await read(range(20));
    const edited = [0, 1, 2, ...range(20, 50)];
    expect(await read(edited)).toBe(0);
    expect(await read([...range(20), 7])).toBe(20);
    expect(await read([...edited, 7])).toBe(23);
    expect(alive()).toHaveLength(2);
    // A third text takes the place of one of them.
    expect(await read(range(10, 200))).toBe(0);
    expect(alive()).toHaveLength(2);
  });

  it('keeps two small caches or one large one', async () => {
    for (const [capacity, kept] of [
      [64, 2],
      [65, 1],
    ] as const) {
      const { read, alive } = bench(undefined, capacity);
      await read(range(10));
      await read(range(10, 100));
      await read(range(10, 200));
      expect(alive()).toHaveLength(kept);
    }
  });

  it('lends a cache to one reply at a time', async () => {
    const { caches, alive, read } = bench(1);
    await read(range(10));
    const first = caches.lend(range(12));
    const second = caches.lend(range(12));
    expect([first.tokens, second.tokens]).toEqual([10, 0]);
    first.end();
    second.end();
    second.end();
    expect(alive()).toHaveLength(1);
  });

  it('never lends a cache of other weights, nor lets a lease go on', async () => {
    const { caches, made, read, never, hooks, advanced } = bench(2);
    await read(range(10));
    caches.weightsChanged();
    expect(made[0]?.isDisposed).toBe(true);
    const lease = caches.lend(range(10));
    expect(lease.tokens).toBe(0);
    hooks.during = () => caches.weightsChanged();
    // They change while it runs: what came of it is of neither.
    await expect(lease.advance([0, 1], never)).rejects.toBeInstanceOf(CancelledFault);
    hooks.during = () => {};
    const runs = advanced.length;
    await expect(lease.advance([2], never)).rejects.toBeInstanceOf(CancelledFault);
    expect(advanced).toHaveLength(runs);
    lease.end();
    expect(made.every(({ isDisposed }) => isDisposed)).toBe(true);
  });

  it('keeps a cache after a stop, and not after a failure', async () => {
    for (const [thrown, kept] of [
      [new CancelledFault('Stopped.'), 1],
      [new DeviceFault('Lost.'), 0],
    ] as const) {
      const { caches, alive, never, hooks } = bench(1);
      const lease = caches.lend(range(10));
      hooks.during = () => {
        throw thrown;
      };
      await expect(lease.advance([0], never)).rejects.toBe(thrown);
      lease.end();
      expect(alive()).toHaveLength(kept);
    }
  });
});
