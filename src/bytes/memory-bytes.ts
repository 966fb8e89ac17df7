/**
 * Memory bytes: Bytes over an array that is already in memory, for small blobs and tests. Slices are copies, as
 * they are from every other kind of Bytes, so that a caller may change or transfer what it gets.
 */

import type { Bytes } from './bytes.ts';
import { checkRange } from './short-read.ts';

/** Bytes over `data`, which is kept, not copied. */
export function memoryBytes(name: string, data: Uint8Array): Bytes {
  return {
    name,
    size: data.byteLength,
    async slice(start, end) {
      checkRange(name, data.byteLength, start, end);
      return new Uint8Array(data.subarray(start, end));
    },
  };
}
