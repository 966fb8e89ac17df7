/**
 * StopStrings: ends a text that arrives in pieces before the first of some strings, wherever the pieces are cut. What
 * may be the beginning of one is held back until it is known.
 */

/** Watches one text. */
export class StopStrings {
  readonly #stops: readonly string[];
  /** What came and was not given yet. */
  #held = '';
  #isStopped = false;

  /** @param stops the strings; empty ones are passed over. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** True once one of the strings has come. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /**
   * Takes the next piece.
   * @returns the text that is sure now. Of several strings the one counts that is complete first, and of those that
   *   end together the longest: it does not matter how the text was cut.
   */
  push(piece: string): string {
    if (this.#isStopped) return '';
    const text = this.#held + piece;
    let [start, end] = [-1, Number.POSITIVE_INFINITY];
    for (const stop of this.#stops) {
      const found = text.indexOf(stop);
      if (found < 0) continue;
      const foundEnd = found + stop.length;
      if (foundEnd < end || (foundEnd === end && found < start)) [start, end] = [found, foundEnd];
    }
    if (start >= 0) {
      this.#isStopped = true;
      this.#held = '';
      return text.slice(0, start);
    }
    const sure = text.length - this.#beginningAtEnd(text);
    this.#held = text.slice(sure);
    return text.slice(0, sure);
  }

  /** The rest of a text that ended by itself. */
  finish(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** How many characters at the end may be the beginning of a string. */
  #beginningAtEnd(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      let length = Math.min(stop.length - 1, text.length);
      while (length > longest && !text.endsWith(stop.slice(0, length))) length--;
      longest = Math.max(longest, length);
    }
    return longest;
  }
}
