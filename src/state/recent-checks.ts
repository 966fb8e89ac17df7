/**
 * RecentChecks: the last few pre-flights over the open checkpoints, so that one text is lined up once and not again by
 * each command about it: checking, weighing and blending one change are the same lineup. Not the pre-flight
 * (`merge/check.ts`).
 */

import type { Check } from '../merge/check.ts';

/** The text that is being changed, what is surveyed beside it, and those of speakers. */
const MOST_CHECKS = 6;

/** Checks by what they are of. What is kept holds for one set of open checkpoints at one place. */
export class RecentChecks {
  readonly #checks = new Map<string, Check>();
  #holdsFor: readonly unknown[] = [];

  /**
   * The check under a key, made where there is none. What `make` throws is thrown and not kept.
   * @param holdsFor things by identity: where one is another than at the last question, everything is forgotten.
   */
  of(key: string, holdsFor: readonly unknown[], make: () => Check): Check {
    if (holdsFor.length !== this.#holdsFor.length || holdsFor.some((own, i) => own !== this.#holdsFor[i])) {
      this.forget();
      this.#holdsFor = [...holdsFor];
    }
    const known = this.#checks.get(key);
    const made = known ?? make();
    // What was asked for last goes last.
    this.#checks.delete(key);
    this.#checks.set(key, made);
    const [oldest] = this.#checks.keys();
    if (this.#checks.size > MOST_CHECKS && oldest !== undefined) this.#checks.delete(oldest);
    return made;
  }

  /** Forgets all: lineups hold on to the checkpoints that they are of. */
  forget(): void {
    this.#checks.clear();
    this.#holdsFor = [];
  }
}
