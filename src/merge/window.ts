/**
 * Window: a guess, from a sample of keys, of the narrow range of bits in which a threshold lies. If the threshold is
 * indeed in it, a selection takes one pass (Floyd and Rivest, Communications of the ACM 18(3), 1975); if it is not,
 * that shows, and nothing is lost but the pass. Pure.
 */

import type { Caught } from './arithmetic.ts';

/** The highest bits of a key: NaN's. */
const TOP_BITS = 0x7fffffff;

/** Standard deviations of a sampled rank on either side: neighbours are alike, so more than chance alone would ask. */
const WIDTH = 6;
const LEAST_RANKS = 16;

/** Bits that are counted at a time. */
const DIGIT = 16;

/** The whole range: for tensors that are collected altogether. */
export const EVERYTHING = { low: 0, high: TOP_BITS };

/**
 * The range in which the key of rank `count` (from 1, largest first) of `elements` probably lies.
 * @param sample sampled bits, in any order.
 */
export function windowOf(
  sample: readonly Uint32Array[],
  elements: number,
  count: number,
): { low: number; high: number } {
  const size = sample.reduce((sum, bits) => sum + bits.length, 0);
  const share = count / elements;
  const rank = Math.round(share * size);
  const reach = Math.round(WIDTH * Math.sqrt(size * share * (1 - share))) + LEAST_RANKS;
  const parts = sample.map((bits) => ({ above: 0, inside: bits.length, bits }));
  const at = (r: number) => thresholdIn(parts, EVERYTHING, r)?.bits;
  return {
    low: rank + reach > size ? EVERYTHING.low : (at(rank + reach) ?? EVERYTHING.low),
    high: rank - reach < 1 ? EVERYTHING.high : (at(rank - reach) ?? EVERYTHING.high),
  };
}

/** A threshold: the first `remaining` of the `equal` keys with these bits are wanted. */
export interface Found {
  readonly bits: number;
  readonly remaining: number;
  readonly equal: number;
  /** Where the last of the wanted ones is: in which part, and which of the part's (from 1). */
  readonly last: { readonly part: number; readonly nth: number };
}

/**
 * The threshold of the `count` largest keys, or null where the window missed it or caught too much.
 * @param parts what the window caught of every piece.
 */
export function thresholdIn(
  parts: readonly Caught[],
  window: { readonly low: number; readonly high: number },
  count: number,
): Found | null {
  const above = parts.reduce((sum, part) => sum + part.above, 0);
  const inside = parts.reduce((sum, part) => sum + part.inside, 0);
  const remaining = count - above;
  if (remaining <= 0 || remaining > inside) return null;
  if (window.low === window.high) return ended(parts, { bits: window.low, remaining, equal: inside });
  if (parts.some(({ bits, inside: own }) => bits === null && own > 0)) return null;
  // Two digits of what the window's bits differ in.
  const shift = Math.max(0, Math.ceil(Math.log2(window.high - window.low + 1)) - DIGIT);
  const upper = rankIn(parts, window.low, shift, 2 ** DIGIT, remaining);
  const base = window.low + upper.bin * 2 ** shift;
  if (shift === 0) return ended(parts, { bits: base, ...upper });
  const lower = rankIn(parts, base, 0, 2 ** shift, upper.remaining);
  return ended(parts, { bits: base + lower.bin, ...lower });
}

/** Finds the part in which the last of the wanted keys lies. */
function ended(parts: readonly Caught[], { bits, remaining, equal }: Omit<Found, 'last'>): Found {
  let nth = remaining;
  for (const [part, caught] of parts.entries()) {
    const own = caught.bits ? countOf(caught.bits, bits) : caught.inside;
    if (nth <= own) return { bits, remaining, equal, last: { part, nth } };
    nth -= own;
  }
  throw new Error('fewer keys than were counted');
}

function countOf(all: Uint32Array, bits: number): number {
  let count = 0;
  for (let i = 0; i < all.length; i++) count += all[i] === bits ? 1 : 0;
  return count;
}

/** Counts are taken many times over: memory of their own each time would keep the garbage collector busy. */
const allCounts = new Uint32Array(2 ** DIGIT);

/** The bin, of `2^shift` neighbouring bits each from `base` on, in which the key of rank `rank` lies. */
function rankIn(parts: readonly Caught[], base: number, shift: number, bins: number, rank: number) {
  const counts = allCounts.subarray(0, bins).fill(0);
  for (const { bits } of parts) {
    if (!bits) continue;
    for (let i = 0; i < bits.length; i++) {
      const above = (bits[i] ?? 0) - base;
      const bin = above >>> shift;
      if (above >= 0 && bin < bins) counts[bin] = (counts[bin] ?? 0) + 1;
    }
  }
  let remaining = rank;
  let bin = bins - 1;
  while (bin > 0 && remaining > (counts[bin] ?? 0)) {
    remaining -= counts[bin] ?? 0;
    bin--;
  }
  return { bin, remaining, equal: counts[bin] ?? 0 };
}
