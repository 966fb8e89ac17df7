/**
 * Short reads: the one sentence for a file that gives fewer bytes than were asked of it, and the check that every
 * kind of Bytes makes before it allocates. Not about what the bytes mean: a truncated weight file is usually
 * found earlier and explained better by `formats/safetensors.ts`.
 */

import { MalformedFault } from './fault.ts';

/** The fault for a file that holds or gave `got` bytes of the range [start, end). */
export function endedEarly(name: string, start: number, end: number, got: number): MalformedFault {
  return new MalformedFault(
    `${name} ended early: bytes ${start} to ${end} were needed and only ${got} of them are there; fetch it again.`,
    { file: name, start, end, got },
  );
}

/**
 * Checks a range against a file's size before anything is allocated for it. A range past the end is a
 * MalformedFault; one that is no range at all (negative, reversed, not whole) is a bug and a RangeError.
 */
export function checkRange(name: string, size: number, start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new RangeError(`[${start}, ${end}) is not a range of bytes of ${name}`);
  }
  if (end > size) throw endedEarly(name, start, end, Math.max(0, size - start));
}
