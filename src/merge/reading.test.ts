/** Reads are few and right, and what was read in one go lies in one memory. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countingBytes } from '../bytes/counting-bytes.ts';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { readRanges } from './reading.ts';

const content = Uint8Array.from({ length: 2 ** 20 }, (_, i) => (i * 7919) % 251);
const file = () => countingBytes(memoryBytes('a.safetensors', content));

describe('readRanges', () => {
  it('reads what lies side by side in one go, in whatever order it is asked for', async () => {
    const counted = file();
    const ranges = [2, 0, 1, 3].map((k) => ({ file: counted, start: k * 100, end: (k + 1) * 100 }));
    const read = await readRanges(ranges);
    expect(read.map((bytes) => bytes[0])).toEqual([2, 0, 1, 3].map((k) => content[k * 100]));
    expect(counted.reads).toHaveLength(1);
    // As many as were read go over to another thread.
    expect(new Set(read.map(({ buffer }) => buffer)).size).toBe(1);
  });

  it('reads nothing that was not asked for, and large ranges alone', async () => {
    const counted = file();
    await readRanges([
      { file: counted, start: 0, end: 10 },
      { file: counted, start: 11, end: 20 },
      { file: counted, start: 20, end: 2 ** 19 },
    ]);
    expect(counted.reads).toHaveLength(3);
  });

  it('gives every range its bytes', async () => {
    const range = fc.tuple(fc.nat(2 ** 20), fc.nat(2 ** 19)).map(([a, length]) => ({ a, length }));
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 12 }), async (wanted) => {
        const files = [file(), file()];
        const ranges = wanted.map(({ a, length }, i) => ({
          file: files[i % 2] ?? file(),
          start: a,
          end: Math.min(content.length, a + length),
        }));
        const read = await readRanges(ranges);
        read.forEach((bytes, i) => {
          const { start = 0, end = 0 } = ranges[i] ?? {};
          expect(Buffer.compare(bytes, content.subarray(start, end))).toBe(0);
        });
      }),
      { numRuns: 40 },
    );
  });
});
