/**
 * Turns: the order of work on one engine. One piece runs at a time. A newer piece of a kind that supersedes takes the
 * place of older ones of that kind, under way or waiting; others are only stopped by `cancel`.
 */

import { CancelledFault } from '../bytes/fault.ts';

/** `weigh`, `survey` and `blend` supersede their own kind; `stay` (saving, loading a speaker) does not. */
export type TurnKind = 'weigh' | 'survey' | 'blend' | 'stay';

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
    return result;
  }

  /** Stops everything that runs or waits; resolves when it has ended. */
  async cancel(): Promise<void> {
    for (const own of this.#all()) own.abort.abort();
    await this.#last;
  }

  #all(): Turn[] {
    return [...(this.#running ? [this.#running] : []), ...this.#waiting];
  }
}
