/**
 * Counting bytes: a test double around any Bytes that records what is read, so that a test can prove that opening
 * a checkpoint reads headers only. Not for production: the record grows with every read.
 */

import type { Bytes } from './bytes.ts';

/** Bytes that remember their reads. */
export interface CountingBytes extends Bytes {
  /** Sum of the lengths of all ranges asked for so far. */
  readonly bytesRead: number;
  /** Every range asked for, in order. */
  readonly reads: readonly { readonly start: number; readonly end: number }[];
}

/** Wraps `inner`; reads go through unchanged. */
export function countingBytes(inner: Bytes): CountingBytes {
  const reads: { start: number; end: number }[] = [];
  return {
    name: inner.name,
    size: inner.size,
    reads,
    get bytesRead() {
      return reads.reduce((sum, { start, end }) => sum + (end - start), 0);
    },
    slice(start, end) {
      reads.push({ start, end });
      return inner.slice(start, end);
    },
  };
}
