/** Random numbers, as kernels read them, against their definition. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniform } from '../methods/random.ts';
import { mergedBy, numbersFor, pieceOf, sameBits, wave, waves } from './test/kernel-bench.ts';

describe('random numbers', () => {
  it('are those of their definition, from any start', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 32 - 20_000 }),
        fc.integer({ min: 1, max: 17_000 }),
        (start, elements) => {
          const piece = pieceOf(waves(2, elements), { start, tensorElements: 2 ** 32 });
          const numbers = numbersFor(2, {
            streams: [
              [0x12345678, 0xfedcba98],
              [0, 0xffffffff],
            ],
          });
          const text = 'fn merge(i: u32) -> f32 { return random(1u, i) + random(0u, i) * 0.0; }';
          const got = mergedBy(text, piece, numbers);
          const check = new Set([0, 1, 2, 3, 4, 15, 16, 17, 8191, 8192, elements - 1, elements >> 1]);
          for (const i of check) {
            if (i < elements) expect(got[i], `element ${i}`).toBe(uniform(start + i, [0, 0xffffffff]));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are so for every element of a long run', () => {
    const elements = 20_011;
    const key = [0xa5a5a5a5, 0x0badcafe] as const;
    const numbers = numbersFor(1, { streams: [key] });
    const piece = pieceOf([wave(elements, 1)], { start: 3, tensorElements: 100_000 });
    const got = mergedBy('fn merge(i: u32) -> f32 { return random(0u, i); }', piece, numbers);
    sameBits(
      got,
      Float32Array.from({ length: elements }, (_, i) => uniform(3 + i, key)),
    );
  });
});
