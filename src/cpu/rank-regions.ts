/**
 * RankRegions: where in memory ranking has its sources, keys, words, bins and ranks. Not what is done with them
 * (`rank-passes.ts`).
 */

import { AddressSpace } from './address-space.ts';

/** Elements whose keys are made at a time. */
export const SOURCE_ELEMENTS = 8192;
/** Most elements of a group: an element's place in it takes half a word. */
export const MOST_ELEMENTS = 2 ** 16;
/** Most bits of a digit. */
export const MOST_DIGIT_BITS = 12;

/** A vector may reach past the end. */
const SLACK_BYTES = 16;

/** Addresses in bytes. */
export const RANK_REGIONS = (() => {
  const space = new AddressSpace();
  const take = (bytes: number): number => space.take(bytes + SLACK_BYTES);
  const bins = () => take(4 * 2 ** MOST_DIGIT_BITS);
  const perElement = () => take(4 * MOST_ELEMENTS);
  const regions = {
    /** Over keys so far, four lanes each: the bits that are set, the largest, the smallest less one but for zero. */
    set: take(16),
    largest: take(16),
    smallest: take(16),
    base: take(4 * SOURCE_ELEMENTS),
    model: take(4 * SOURCE_ELEMENTS),
    first: bins(),
    middle: bins(),
    last: bins(),
    keys: perElement(),
    words: perElement(),
    lows: perElement(),
    order: perElement(),
    sorted: perElement(),
    ranks: take(2 * MOST_ELEMENTS),
  };
  return { ...regions, end: space.bytes };
})();
