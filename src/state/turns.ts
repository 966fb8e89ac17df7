/**
 * Turns: the order of work on one engine. One piece runs at a time. A newer piece of a kind that supersedes takes the
 * place of older ones of that kind, under way or waiting; others are only stopped by `cancel`. Whoever asked for work
 * that only reads, or waits, hears of a stop at once; what is already on the device ends before the next turn begins.
 */

import { CancelledFault } from '../bytes/fault.ts';

/** `weigh`, `survey` and `blend` supersede their own kind; `stay` (saving, loading a speaker) does not. */
export type TurnKind = 'weigh' | 'survey' | 'blend' | 'stay';

/** Work that leaves nothing behind which its end would have to take back. */
const READS_ONLY: ReadonlySet<TurnKind> = new Set<TurnKind>(['weigh', 'survey']);

interface Turn {
  readonly kind: TurnKind;
  readonly abort: AbortController;
}

/** A queue of work. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #running: Turn | null = null;
  readonly #waiting = new Set<Turn>();

  /** Runs `work` after what is before it. Rejects with CancelledFault where it was stopped before it began. */
  take<T>(kind: TurnKind, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const own: Turn = { kind, abort: new AbortController() };
    if (kind !== 'stay') {
      for (const other of this.#all()) if (other.kind === kind) other.abort.abort();
    }
    this.#waiting.add(own);
    const result = this.#last.then(async () => {
      this.#waiting.delete(own);
      if (own.abort.signal.aborted) throw new CancelledFault('Stopped before it began.');
      this.#running = own;
      try {
        return await work(own.abort.signal);
      } finally {
        this.#running = null;
      }
    });
    this.#last = result.catch(() => undefined);
    // What waits has nothing to take back either, whatever it is.
    const isFree = () => this.#waiting.has(own) || READS_ONLY.has(kind);
    return orStopped(result, own.abort.signal, isFree);
  }

  /** Stops everything that runs or waits; resolves when whoever asked for it has been told. */
  async cancel(): Promise<void> {
    const running = this.#running;
    const isReading = running !== null && READS_ONLY.has(running.kind);
    for (const own of this.#all()) own.abort.abort();
    if (!isReading) await this.#last;
  }

  #all(): Turn[] {
    return [...(this.#running ? [this.#running] : []), ...this.#waiting];
  }
}

/** What comes of some work, or CancelledFault as soon as it is stopped where it is free to end then. */
function orStopped<T>(result: Promise<T>, signal: AbortSignal, isFree: () => boolean): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      if (isFree()) reject(new CancelledFault('Stopped.'));
    };
    signal.addEventListener('abort', stop, { once: true });
    result.then(resolve, reject);
  });
}
