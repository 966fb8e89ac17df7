/**
 * CPU counts: counts the bits of a selection's keys by a digit, and those that equal a threshold. Plain loops over
 * the keys that `cpu/kernels.ts` makes; not the selection (`selection.ts`).
 */

import type { KeyFilter } from '../cpu/key-filter.ts';
import type { Caught } from './arithmetic.ts';
import type { Digit } from './selection.ts';

/**
 * Bins are kept this many times over and added up at the end: neighbouring keys often fall into the same bin, and an
 * addition would wait for the one before it to be stored.
 */
const COPIES = 4;

/** Fewer keys are counted in one go. */
const FEW_KEYS = 4096;

/** Counts digits; keeps its bins between calls. */
export class DigitCounter {
  #bins = new Uint32Array(0);

  /** Adds to `counts[at + digit]` for every key whose bits above the digit equal `prefix`. */
  count(keys: Uint32Array, prefix: number, digit: Digit, counts: Uint32Array, at: number): void {
    const { shift, width } = digit;
    const size = 2 ** width;
    // A shift by 32 is a shift by 0: with nothing above the digit there is no prefix to compare.
    if (shift + width >= 32) throw new RangeError('a digit ends below the sign');
    if (keys.length < FEW_KEYS) return countPlainly(keys, 0, prefix, digit, counts, at);
    if (this.#bins.length < size * COPIES) this.#bins = new Uint32Array(size * COPIES);
    const bins = this.#bins.fill(0, 0, size * COPIES);
    const whole = keys.length - (keys.length % COPIES);
    countFourfold(keys.subarray(0, whole), prefix, digit, bins);
    for (let bin = 0; bin < size; bin++) {
      const first = (bins[bin] as number) + (bins[size + bin] as number);
      const second = (bins[2 * size + bin] as number) + (bins[3 * size + bin] as number);
      counts[at + bin] = (counts[at + bin] as number) + first + second;
    }
    countPlainly(keys, whole, prefix, digit, counts, at);
  }
}

function countPlainly(
  keys: Uint32Array,
  from: number,
  prefix: number,
  { shift, width }: Digit,
  counts: Uint32Array,
  at: number,
): void {
  const mask = 2 ** width - 1;
  const above = shift + width;
  for (let i = from; i < keys.length; i++) {
    const key = keys[i] as number;
    if (key >>> above !== prefix) continue;
    const bin = at + ((key >>> shift) & mask);
    counts[bin] = (counts[bin] as number) + 1;
  }
}

/** Each of four neighbours has bins of its own. */
function countFourfold(keys: Uint32Array, prefix: number, { shift, width }: Digit, bins: Uint32Array): void {
  const size = 2 ** width;
  const mask = size - 1;
  const above = shift + width;
  const [second, third, fourth] = [size, 2 * size, 3 * size];
  for (let i = 0; i < keys.length; i += COPIES) {
    const a = keys[i] as number;
    const b = keys[i + 1] as number;
    const c = keys[i + 2] as number;
    const d = keys[i + 3] as number;
    if (a >>> above === prefix) {
      const bin = (a >>> shift) & mask;
      bins[bin] = (bins[bin] as number) + 1;
    }
    if (b >>> above === prefix) {
      const bin = second + ((b >>> shift) & mask);
      bins[bin] = (bins[bin] as number) + 1;
    }
    if (c >>> above === prefix) {
      const bin = third + ((c >>> shift) & mask);
      bins[bin] = (bins[bin] as number) + 1;
    }
    if (d >>> above === prefix) {
      const bin = fourth + ((d >>> shift) & mask);
      bins[bin] = (bins[bin] as number) + 1;
    }
  }
}

/** Catches the keys of a piece that lie in a window, and counts those above it. */
export class KeyNet {
  readonly #window: { readonly low: number; readonly high: number };
  readonly #limit: number;
  #above = 0;
  #inside = 0;
  #bits = new Uint32Array(0);

  /** @param limit most keys that are kept; where there are more, none are, and they are only counted. */
  constructor(window: { readonly low: number; readonly high: number }, limit: number) {
    this.#window = window;
    this.#limit = limit;
  }

  /** Whether the keys are worth keeping: a window of one value says all by its count. */
  get #isKept(): boolean {
    return this.#window.low < this.#window.high && this.#inside <= this.#limit;
  }

  /** Takes the first `count` keys of the filter. */
  draw(filter: KeyFilter, count: number): void {
    const isKept = this.#isKept;
    const { above, inside } = filter.filter(count, this.#window, isKept);
    if (isKept) {
      if (this.#bits.length < this.#inside + inside) {
        const grown = new Uint32Array(Math.max(this.#inside + inside, 2 * this.#bits.length));
        grown.set(this.#bits.subarray(0, this.#inside));
        this.#bits = grown;
      }
      this.#bits.set(filter.caught.subarray(0, inside), this.#inside);
    }
    this.#above += above;
    this.#inside += inside;
  }

  get caught(): Caught {
    return {
      above: this.#above,
      inside: this.#inside,
      bits: this.#isKept ? this.#bits.slice(0, this.#inside) : null,
    };
  }
}

/** How many keys have exactly these bits. */
export function countBits(keys: Uint32Array, bits: number): number {
  let count = 0;
  for (let i = 0; i < keys.length; i++) count += keys[i] === bits ? 1 : 0;
  return count;
}

/** Where the `nth` (from 1) key with exactly these bits stands; -1 where there are fewer. */
export function nthOf(keys: Uint32Array, bits: number, nth: number): number {
  let at = -1;
  for (let n = 0; n < nth; n++) {
    at = keys.indexOf(bits, at + 1);
    if (at < 0) return -1;
  }
  return at;
}
