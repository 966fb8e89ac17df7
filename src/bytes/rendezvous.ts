/**
 * Rendezvous: hands values from a producer that pushes to a consumer that pulls, one at a time and without a queue,
 * so that the producer is never more than one value ahead. Not a stream: nothing is buffered, and a failure on
 * either side frees the other at once.
 */

/** One producer (`put`, `end`, `fail`) and one consumer (async iteration). */
export class Rendezvous<T> implements AsyncIterable<T> {
  #offer: { value: T; taken: () => void; refused: (reason: unknown) => void } | null = null;
  #demand: { give: (result: IteratorResult<T>) => void; fail: (reason: unknown) => void } | null = null;
  #isEnded = false;
  #failure: { readonly reason: unknown } | null = null;

  /** Resolves when the consumer has taken `value`; rejects where either side failed first. */
  put(value: T): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.reason);
    if (this.#isEnded || this.#offer) return Promise.reject(new Error('put after end, or before the last was taken'));
    const demand = this.#demand;
    if (demand) {
      this.#demand = null;
      demand.give({ value, done: false });
      return Promise.resolve();
    }
    return new Promise((taken, refused) => {
      this.#offer = { value, taken, refused };
    });
  }

  /** No value will follow. */
  end(): void {
    this.#isEnded = true;
    this.#demand?.give({ value: undefined, done: true });
    this.#demand = null;
  }

  /** Makes every waiting and later call on either side reject with `reason`. Only the first failure counts. */
  fail(reason: unknown): void {
    if (this.#failure) return;
    this.#failure = { reason };
    this.#offer?.refused(reason);
    this.#demand?.fail(reason);
    this.#offer = null;
    this.#demand = null;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => {
        if (this.#failure) return Promise.reject(this.#failure.reason);
        const offer = this.#offer;
        if (offer) {
          this.#offer = null;
          offer.taken();
          return Promise.resolve({ value: offer.value, done: false });
        }
        if (this.#isEnded) return Promise.resolve({ value: undefined, done: true });
        return new Promise((give, fail) => {
          this.#demand = { give, fail };
        });
      },
    };
  }
}
