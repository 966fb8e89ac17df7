/**
 * PrefixCaches: the key-value caches that a chat keeps between two replies, so that only what is new in a
 * conversation has to be read. They belong to one state of the weights: the only way to run tokens is a lease, which
 * refuses once the weights have changed, and no cache of older weights is ever lent again.
 */

import { CancelledFault } from '../bytes/fault.ts';
import type { KeyValueCache } from './cache.ts';
import type { LogitsRows, Session } from './session.ts';

/** Two caches are kept where one costs no more than this, so that an edit leaves the older branch readable. */
const SMALL_CACHE_BYTES = 64 * 2 ** 20;

/** How many caches of a size are kept. */
function mostCaches(cacheBytes: number): number {
  return cacheBytes <= SMALL_CACHE_BYTES ? 2 : 1;
}

/** Most bytes that a chat keeps between replies, of caches that are so large when they are full. */
export function keptCacheBytes(cacheBytes: number): number {
  return cacheBytes * mostCaches(cacheBytes);
}

type Runner = Pick<Session, 'newCache' | 'advance' | 'kvBytesPerToken' | 'capacityTokens'>;

/** The caches of one chat. */
export class PrefixCaches {
  readonly #session: Runner;
  readonly #most: number;
  /** Those that nobody uses now; the last used is the last. */
  #idle: KeyValueCache[] = [];
  #weights = new AbortController();

  /** @param most how many are kept; by default two small ones or one large one. */
  constructor(session: Runner, most?: number) {
    this.#session = session;
    this.#most = most ?? mostCaches(session.kvBytesPerToken * session.capacityTokens);
  }

  /**
   * Lends the cache that holds most of the beginning of a text, rewound to it, or an empty one. The last token is
   * never taken from a cache: its run gives the logits.
   */
  lend(ids: readonly number[]): CacheLease {
    let best: KeyValueCache | null = null;
    let common = 0;
    for (const cache of this.#idle) {
      const shared = commonLength(cache.ids, ids);
      if (best === null || shared >= common) [best, common] = [cache, shared];
    }
    if (best === null) return this.#lease(this.#session.newCache());
    // What would lose more than it saves is left to its own branch; where no other may be kept beside it, the oldest goes.
    const isWorthIt = 2 * common >= Math.min(best.tokens, ids.length);
    if (!isWorthIt && this.#idle.length < this.#most) return this.#lease(this.#session.newCache());
    const chosen = isWorthIt ? best : (this.#idle[0] ?? best);
    this.#idle = this.#idle.filter((cache) => cache !== chosen);
    const kept = Math.min(commonLength(chosen.ids, ids), ids.length - 1);
    if (kept < chosen.tokens) chosen.rewind(kept);
    return this.#lease(chosen);
  }

  /** Aborted as soon as the weights that are there now change. */
  get weightsSignal(): AbortSignal {
    return this.#weights.signal;
  }

  /** Throws all caches away and ends the leases: their weights are no more. */
  weightsChanged(): void {
    this.#weights.abort();
    this.#weights = new AbortController();
    for (const cache of this.#idle) cache.dispose();
    this.#idle = [];
  }

  #lease(cache: KeyValueCache): CacheLease {
    const weights = this.#weights.signal;
    return new CacheLease(this.#session, cache, weights, (isSound) => {
      if (!isSound || weights.aborted) {
        cache.dispose();
        return;
      }
      this.#idle.push(cache);
      while (this.#idle.length > this.#most) this.#idle.shift()?.dispose();
    });
  }
}

/** A cache that is lent for one reply. */
export class CacheLease {
  readonly #session: Runner;
  readonly #cache: KeyValueCache;
  readonly #giveBack: (isSound: boolean) => void;
  /** Aborted as soon as the weights change. */
  readonly weightsSignal: AbortSignal;
  #isSound = true;
  #isOver = false;

  constructor(session: Runner, cache: KeyValueCache, weights: AbortSignal, giveBack: (isSound: boolean) => void) {
    this.#session = session;
    this.#cache = cache;
    this.weightsSignal = weights;
    this.#giveBack = giveBack;
  }

  /** How many tokens it holds. */
  get tokens(): number {
    return this.#cache.tokens;
  }

  /**
   * Runs new tokens after those that it holds.
   * @throws CancelledFault where the weights changed before or during the run, and as `Session.advance` does.
   */
  async advance(ids: readonly number[], signal: AbortSignal): Promise<LogitsRows> {
    this.#checkWeights();
    try {
      const rows = await this.#session.advance(ids, this.#cache, signal);
      this.#checkWeights();
      return rows;
    } catch (thrown) {
      // After a stop between two pieces it holds what was run; after a failure nobody knows.
      if (!(thrown instanceof CancelledFault)) this.#isSound = false;
      throw thrown;
    }
  }

  /** Gives the cache back; safe to call twice. It is kept unless the weights changed or a run failed. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#giveBack(this.#isSound);
  }

  #checkWeights(): void {
    if (this.weightsSignal.aborted) throw new CancelledFault('The weights were changed; ask again.');
  }
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
