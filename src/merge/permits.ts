/**
 * Permits: a bound on how many tasks are at work at once, wherever they come from; who waits longest is next. Not an
 * order of results (`in-order.ts`).
 */
export class Permits {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Does a task as soon as there is a permit for it. The task must not ask for another. */
  async with<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // A permit is handed on: nobody who comes later takes it first.
      if (next) next();
      else this.#free += 1;
    }
  }
}
