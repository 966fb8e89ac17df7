/**
 * Equal bits: arrays of numbers with the same bits are equal, which vitest then sees at once. Left to itself it compares
 * number by number, some microseconds each, and tensors are long. Runs before every test file. What has other bits is
 * compared as ever.
 */

import { expect } from 'vitest';

function bytesOf(value: unknown): Uint8Array | null {
  if (!ArrayBuffer.isView(value)) return null;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** True where both are arrays of one kind with the same bits; undefined where somebody else has to look. */
function haveEqualBits(a: unknown, b: unknown): true | undefined {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  if (left === null || right === null || left.length !== right.length) return undefined;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return undefined;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return undefined;
  return true;
}

expect.addEqualityTesters([haveEqualBits]);
