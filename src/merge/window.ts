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
 * @param sample sampled bits, ascending.
 */
export function windowOf(sample: Uint32Array, elements: number, count: number): { low: number; high: number } {
  const size = sample.length;
  const share = count / elements;
  const rank = share * size;
  const reach = WIDTH * Math.sqrt(size * share * (1 - share)) + LEAST_RANKS;
  // Ranks count from the largest; the sample is ascending.
  const at = (r: number) => sample[size - 1 - Math.round(r)];
  const high = rank - reach < 0 ? TOP_BITS : (at(rank - reach) ?? TOP_BITS);
  const low = rank + reach > size - 1 ? 0 : (at(rank + reach) ?? 0);
  return { low, high };
}

/** A threshold: `remaining` of the `equal` keys with these bits are wanted. */
export interface Found {
  readonly bits: number;
  readonly remaining: number;
  readonly equal: number;
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
  let remaining = count - above;
  if (remaining <= 0 || remaining > inside) return null;
  if (window.low === window.high) return { bits: window.low, remaining, equal: inside };
  if (parts.some(({ bits, inside: own }) => bits === null && own > 0)) return null;
  // Two digits of what the window's bits differ in.
  const shift = Math.max(0, Math.ceil(Math.log2(window.high - window.low + 1)) - DIGIT);
  const upper = rankIn(parts, window.low, shift, 2 ** DIGIT, remaining);
  const base = window.low + upper.bin * 2 ** shift;
  if (shift === 0) return { bits: base, ...upper };
  const lower = rankIn(parts, base, 0, 2 ** shift, upper.remaining);
  return { bits: base + lower.bin, ...lower };
}

/** The bin, of `2^shift` neighbouring bits each from `base` on, in which the key of rank `rank` lies. */
function rankIn(parts: readonly Caught[], base: number, shift: number, bins: number, rank: number) {
  const counts = new Uint32Array(bins);
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
