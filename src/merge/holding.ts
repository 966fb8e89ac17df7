/**
 * Holding: how long batches stay where the arithmetic is: as residents between runs, or for as long as a group of them is
 * looked through and merged. Not how they get there: that is `run.ts`.
 */

import type { LoadedBatch } from './arithmetic.ts';
import type { Permits } from './permits.ts';
import type { Plan } from './plan.ts';
import type { Station } from './station.ts';

/** Batches kept where the arithmetic is, by their index in one layout. */
export class Residents {
  readonly #batches = new Map<number, LoadedBatch>();
  /** Some sources of them, by the same index, and which. */
  readonly #selections = new Map<number, LoadedBatch>();
  #selected = '';

  get(index: number): LoadedBatch | undefined {
    return this.#batches.get(index);
  }

  keep(index: number, batch: LoadedBatch): void {
    this.#batches.set(index, batch);
  }

  /**
   * Some sources of a batch that is kept: made once, and kept beside it until others are asked for.
   * @param which the same for the same sources of all batches.
   */
  selection(index: number, which: string, make: () => LoadedBatch): LoadedBatch {
    if (which !== this.#selected) this.#letSelectionsGo();
    this.#selected = which;
    const known = this.#selections.get(index);
    if (known) return known;
    const made = make();
    this.#selections.set(index, made);
    return made;
  }

  #letSelectionsGo(): void {
    for (const batch of this.#selections.values()) batch.release();
    this.#selections.clear();
  }

  /** How many are kept. */
  get count(): number {
    return this.#batches.size;
  }

  /** Gives everything back. */
  dispose(): void {
    this.#letSelectionsGo();
    for (const batch of this.#batches.values()) batch.release();
    this.#batches.clear();
  }
}

/** A batch for as long as somebody needs it. */
export interface Loan {
  readonly batch: LoadedBatch;
  /** Gives it back; a resident stays where it is. */
  readonly end: () => void;
}

/** A group under way: its batches are loaded when they are first asked for and held until it is released. */
export class Holding {
  readonly stations: readonly (Station & { readonly index: number })[];
  readonly #load: (index: number) => Promise<Loan>;
  readonly #isHeld: boolean;
  readonly #permits: Permits;
  readonly #loans = new Map<number, Promise<Loan>>();

  /**
   * @param isHeld whether batches stay until they are released; else they are loaded whenever they are asked for.
   * @param permits how many batches are worked on at once, those of other groups included.
   */
  constructor(
    indices: readonly number[],
    plan: Plan,
    isHeld: boolean,
    permits: Permits,
    load: (index: number) => Promise<Loan>,
  ) {
    this.#load = load;
    this.#isHeld = isHeld;
    this.#permits = permits;
    this.stations = indices.map((index) => ({
      index,
      pieces: plan.layout.batches[index]?.pieces ?? [],
      with: (use) => this.with(index, use),
    }));
  }

  with<T>(index: number, use: (batch: LoadedBatch) => Promise<T>): Promise<T> {
    return this.#permits.with(() => this.#with(index, use));
  }

  async #with<T>(index: number, use: (batch: LoadedBatch) => Promise<T>): Promise<T> {
    if (this.#isHeld) {
      let loan = this.#loans.get(index);
      if (!loan) {
        loan = this.#load(index);
        loan.catch(() => undefined);
        this.#loans.set(index, loan);
      }
      return use((await loan).batch);
    }
    const loan = await this.#load(index);
    try {
      return await use(loan.batch);
    } finally {
      loan.end();
    }
  }

  /** Lets one batch go; it is not asked for again. */
  async release(index: number): Promise<void> {
    const loan = this.#loans.get(index);
    this.#loans.delete(index);
    (await loan?.catch(() => null))?.end();
  }

  async releaseAll(): Promise<void> {
    for (const index of [...this.#loans.keys()]) await this.release(index);
  }
}
