import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyFilter } from '../cpu/key-filter.ts';
import type { Caught } from './arithmetic.ts';
import { KeyNet } from './cpu-counts.ts';
import { EVERYTHING, thresholdIn, windowOf } from './window.ts';

const TOP = 0x7fffffff;

const filter = new KeyFilter(200_000);

/** What nets over pieces of the keys catch. */
function caught(
  keys: Uint32Array,
  window: { low: number; high: number },
  cuts: number[],
  limit = keys.length,
): Caught[] {
  const ends = [...new Set([...cuts.map((cut) => Math.min(cut, keys.length)), keys.length])].sort((a, b) => a - b);
  let from = 0;
  return ends.map((end) => {
    const net = new KeyNet(window, limit);
    const middle = Math.floor((from + end) / 2);
    for (const own of [keys.subarray(from, middle), keys.subarray(middle, end)]) {
      filter.keys.set(own);
      net.draw(filter, own.length);
    }
    from = end;
    return net.caught;
  });
}

/** The threshold by sorting. */
function sorted(keys: Uint32Array, count: number) {
  const bits = keys.slice().sort()[keys.length - count] ?? 0;
  const above = keys.filter((key) => key > bits).length;
  const remaining = count - above;
  const at = Array.from(keys.keys()).filter((i) => keys[i] === bits)[remaining - 1];
  return { found: { bits, remaining, equal: keys.filter((key) => key === bits).length }, at };
}

const key = fc.oneof(
  fc.constantFrom(0, 1, 2, 0x3f800000, 0x3f800001, 0x7f800000, TOP),
  fc.integer({ min: 0, max: TOP }),
);

describe('a threshold in a window', () => {
  it('is the one that sorting gives, or none where the window misses it', () => {
    fc.assert(
      fc.property(
        fc.array(key, { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 80 }),
        key,
        key,
        fc.array(fc.integer({ min: 1, max: 79 }), { maxLength: 3 }),
        (values, wanted, one, other, cuts) => {
          const keys = Uint32Array.from(values);
          const count = Math.min(wanted, keys.length);
          const { found: truth, at } = sorted(keys, count);
          const whole = caught(keys, EVERYTHING, cuts);
          const everything = thresholdIn(whole, EVERYTHING, count);
          expect(everything).toMatchObject(truth);
          // The last one wanted is where sorting has it.
          const { part = 0, nth = 0 } = everything?.last ?? {};
          const before = whole.slice(0, part).reduce((sum, { inside }) => sum + inside, 0);
          const own = Array.from(whole[part]?.bits ?? [], (bits, i) => ({ bits, i })).filter(
            ({ bits }) => bits === truth.bits,
          );
          expect(before + (own[nth - 1]?.i ?? Number.NaN)).toBe(at);
          const window = { low: Math.min(one, other), high: Math.max(one, other) };
          const found = thresholdIn(caught(keys, window, cuts), window, count);
          const isInside = truth.bits >= window.low && truth.bits <= window.high;
          if (isInside) expect(found).toMatchObject(truth);
          else expect(found).toBeNull();
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is not claimed where a net was too small', () => {
    const keys = Uint32Array.from({ length: 50 }, (_, i) => 100 + i);
    const window = { low: 100, high: 149 };
    expect(caught(keys, window, [], 10)[0]).toEqual({ above: 0, inside: 50, bits: null });
    expect(thresholdIn(caught(keys, window, [], 10), window, 25)).toBeNull();
  });

  it('is caught by the window of a sample, which is narrow', () => {
    const keys = Uint32Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 1);
    const sample = [keys.filter((_, i) => i % 16 === 0)];
    for (const count of [1, 50, 20_000, 100_000, 199_999]) {
      const window = windowOf(sample, keys.length, count);
      const parts = caught(keys, window, []);
      expect(thresholdIn(parts, window, count)).toMatchObject(sorted(keys, count).found);
      expect(parts[0]?.inside).toBeLessThan(keys.length / 10);
    }
  });
});
