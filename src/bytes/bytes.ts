/**
 * Bytes: where bytes come from. Two members are the whole contract, so that a dropped File, a file on disk, an
 * HTTP range and a counting double in a test are the same thing to everything above. Not a stream and not a
 * cache: a slice is read each time it is asked for.
 */

/** A readable span of bytes of known size. */
export interface Bytes {
  /** The path or name that a person would recognise; used in messages only. */
  readonly name: string;
  /** Total size in bytes. */
  readonly size: number;
  /** Reads bytes `start` (inclusive) to `end` (exclusive). Throws MalformedFault where fewer come back. */
  slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}
