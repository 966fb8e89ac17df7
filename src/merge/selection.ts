/**
 * Selection: the exact threshold of the c largest keys of a tensor, found by their bits, digit by digit (radix
 * select), with ties going to the lower index. Keys are never negative, so that the order of their float32 bits is
 * theirs. Pure bookkeeping for one tensor: the counting is the place's (`Arithmetic.histogram`, `countEqual`, `keys`).
 */

import { BLOCK_ELEMENTS } from '../methods/kernel.ts';
import type { DigitQuery } from './arithmetic.ts';

/** A digit of the 31 bits that a key can have, from the highest on. */
export interface Digit {
  readonly shift: number;
  readonly width: number;
}

/** 2048 bins fit a workgroup's memory and a core's first cache. */
export const DIGITS: readonly Digit[] = [
  { shift: 20, width: 11 },
  { shift: 10, width: 10 },
  { shift: 0, width: 10 },
];

/** Nothing belongs to a slot with these bits: they are above every number's. */
const NONE = 0xffffffff;

interface SlotState {
  readonly key: number;
  readonly count: number;
  /** Bits known so far, without the digits still unknown. */
  prefix: number;
  /** How many of the elements with this prefix belong to the slot. */
  remaining: number;
  /** Elements with exactly the prefix, once all digits are known. */
  equal: number;
  cut: number;
}

/** Elements of equal bits of which only the first `remaining` belong to a slot. */
export interface TieQuery {
  readonly key: number;
  readonly bits: number;
}

/** The state of a selection on one tensor. */
export class Selection {
  readonly #elements: number;
  readonly #slots: readonly SlotState[];
  /** The slots that need looking at: neither everything nor nothing. */
  readonly #open: readonly SlotState[];
  /** Those whose threshold is known without counting digits. */
  readonly #known = new Set<SlotState>();

  /**
   * @param slots per slot a key and how many of the largest are wanted; counts are cut to 0 … elements.
   * @param needsThresholds whether the threshold is asked for also where everything belongs to a slot: the least key.
   */
  constructor(
    slots: readonly { readonly key: number; readonly count: number }[],
    elements: number,
    needsThresholds = false,
  ) {
    this.#elements = elements;
    this.#slots = slots.map(({ key, count }) => {
      const wanted = Math.max(0, Math.min(elements, Math.floor(count)));
      return { key, count: wanted, prefix: 0, remaining: wanted, equal: 0, cut: elements };
    });
    this.#open = this.#slots.filter(({ count }) => count > 0 && (needsThresholds || count < elements));
  }

  /** True where nothing needs counting. */
  get isTrivial(): boolean {
    return this.#open.length === 0;
  }

  /** Slots whose threshold is still to be found: their index, key and how many keys they want. */
  get wanted(): { readonly slot: number; readonly key: number; readonly count: number }[] {
    return this.#slots.flatMap((state, slot) =>
      this.#open.includes(state) && !this.#known.has(state) ? [{ slot, key: state.key, count: state.count }] : [],
    );
  }

  /** Takes a threshold that was found otherwise: `remaining` of the `equal` keys with these bits belong to the slot. */
  know(slot: number, bits: number, remaining: number, equal: number): void {
    const state = this.#slots[slot];
    if (!state) return;
    this.#known.add(state);
    Object.assign(state, { prefix: bits, remaining, equal });
  }

  /** Ends a slot's ties before the element at `cut`. */
  settleAt(slot: number, cut: number): void {
    const state = this.#slots[slot];
    if (state) Object.assign(state, { cut, equal: state.remaining });
  }

  /** What has to be counted for the next digit, without repetition. */
  queries(): DigitQuery[] {
    const seen = new Map<string, DigitQuery>();
    for (const state of this.#open) {
      if (!this.#known.has(state)) seen.set(`${state.key}:${state.prefix}`, { key: state.key, prefix: state.prefix });
    }
    return [...seen.values()];
  }

  /** Takes the counts of `queries()` over the whole tensor: queries × 2^width. */
  take(counts: Float64Array, digit: Digit): void {
    const bins = 2 ** digit.width;
    const order = this.queries();
    for (const slot of this.#open) {
      if (this.#known.has(slot)) continue;
      const row = order.findIndex(({ key, prefix }) => key === slot.key && prefix === slot.prefix) * bins;
      let bin = bins - 1;
      while (bin > 0 && slot.remaining > (counts[row + bin] ?? 0)) {
        slot.remaining -= counts[row + bin] ?? 0;
        bin--;
      }
      slot.equal = counts[row + bin] ?? 0;
      // Not a shift: the first digit's prefix times 2^20 would pass through 32 bits with a sign.
      slot.prefix = slot.prefix * bins + bin;
    }
  }

  /** The ties that have to be told apart by index, without repetition. Empty where every threshold is clean. */
  ties(): TieQuery[] {
    const seen = new Map<string, TieQuery>();
    for (const { key, prefix, remaining, equal } of this.#open) {
      if (remaining < equal) seen.set(`${key}:${prefix}`, { key, bits: prefix });
    }
    return [...seen.values()];
  }

  /**
   * Per slot that needs it: the block in which its last tie lies, and which of the block's ties that is, from 1.
   * @param counts `ties()` × blocks.
   */
  lastTies(counts: Float64Array): { readonly slot: number; readonly tie: TieQuery; block: number; nth: number }[] {
    const order = this.ties();
    const blocks = Math.ceil(this.#elements / BLOCK_ELEMENTS);
    return this.#slots.flatMap((state, slot) => {
      if (!this.#open.includes(state) || state.remaining >= state.equal) return [];
      const row = order.findIndex(({ key, bits }) => key === state.key && bits === state.prefix);
      const tie = order[row];
      if (!tie) return [];
      let nth = state.remaining;
      let block = 0;
      while (block < blocks - 1 && nth > (counts[row * blocks + block] ?? 0)) {
        nth -= counts[row * blocks + block] ?? 0;
        block++;
      }
      return [{ slot, tie, block, nth }];
    });
  }

  /** Ends a slot's ties at the `nth` (from 1) of the block's elements with its bits. */
  settle(slot: number, block: number, nth: number, bitsOfBlock: Uint32Array): void {
    const state = this.#slots[slot];
    if (!state) return;
    let seen = 0;
    for (const [i, bits] of bitsOfBlock.entries()) {
      if (bits === state.prefix && ++seen === nth) {
        state.cut = block * BLOCK_ELEMENTS + i + 1;
        return;
      }
    }
    throw new Error('a block holds fewer ties than were counted in it');
  }

  /** Thresholds and cuts of all slots. */
  result(): { readonly bits: Uint32Array; readonly cuts: Uint32Array } {
    // Where everything belongs to a slot and nothing was counted, the prefix is still zero.
    const bits = Uint32Array.from(this.#slots, ({ count, prefix }) => (count === 0 ? NONE : prefix));
    const cuts = Uint32Array.from(this.#slots, ({ count, cut }) =>
      count === 0 ? 0 : count === this.#elements ? NONE : cut,
    );
    return { bits, cuts };
  }
}

/** Thresholds as numbers: infinity where nothing belongs to a slot. */
export function thresholdsOf(bits: Uint32Array): Float64Array {
  const floats = new Float32Array(bits.buffer, bits.byteOffset, bits.length);
  return Float64Array.from(floats, (value, slot) => (bits[slot] === NONE ? Number.POSITIVE_INFINITY : value));
}
