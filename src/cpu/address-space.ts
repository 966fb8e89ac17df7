/** AddressSpace: where in a memory everything lies, planned before there is one. Not the memory (`kernel-memory.ts`). */

/** What regions begin at multiples of: a line of the caches. */
const LINE_BYTES = 64;

/** Addresses, given out from the bottom up. */
export class AddressSpace {
  #top: number;
  #count = 0;

  /** @param bottom the first address, a multiple of 64. */
  constructor(bottom = 0) {
    this.#top = bottom;
  }

  /** Bytes given out so far: what a memory has to have. */
  get bytes(): number {
    return this.#top;
  }

  /** The address of a new region. */
  take(bytes: number): number {
    const address = this.#top;
    // Odd steps, so that regions of a power of two do not meet in the same sets of the cache.
    this.#top += Math.ceil(bytes / LINE_BYTES) * LINE_BYTES + LINE_BYTES * (1 + (this.#count++ % 5));
    return address;
  }
}
