import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_ELEMENTS } from '../methods/kernel.ts';
import { DIGITS, Selection, thresholdsOf } from './selection.ts';

/** Counts as a place would, and gives the elements that each slot keeps. */
function keep(keys: readonly Float32Array[], slots: readonly { key: number; count: number }[]): boolean[][] {
  const elements = keys[0]?.length ?? 0;
  const bits = keys.map((values) => new Uint32Array(values.buffer));
  const selection = new Selection(slots, elements);
  for (const digit of DIGITS) {
    const queries = selection.queries();
    const counts = new Float64Array(queries.length * 2 ** digit.width);
    queries.forEach(({ key, prefix }, q) => {
      for (const own of bits[key] ?? []) {
        if (Math.floor(own / 2 ** (digit.shift + digit.width)) !== prefix) continue;
        const at = q * 2 ** digit.width + ((own >>> digit.shift) & (2 ** digit.width - 1));
        counts[at] = (counts[at] ?? 0) + 1;
      }
    });
    selection.take(counts, digit);
  }
  const blocks = Math.ceil(elements / BLOCK_ELEMENTS);
  const ties = selection.ties();
  const counts = new Float64Array(ties.length * blocks);
  ties.forEach((tie, q) => {
    (bits[tie.key] ?? new Uint32Array()).forEach((own, i) => {
      const at = q * blocks + Math.floor(i / BLOCK_ELEMENTS);
      if (own === tie.bits) counts[at] = (counts[at] ?? 0) + 1;
    });
  });
  for (const { slot, tie, block, nth } of selection.lastTies(counts)) {
    const start = block * BLOCK_ELEMENTS;
    selection.settle(slot, block, nth, (bits[tie.key] ?? new Uint32Array()).slice(start, start + BLOCK_ELEMENTS));
  }
  const result = selection.result();
  return slots.map(({ key }, slot) =>
    Array.from(bits[key] ?? [], (own, i) => {
      const threshold = result.bits[slot] ?? 0;
      return own > threshold || (own === threshold && i < (result.cuts[slot] ?? 0));
    }),
  );
}

/** The same by sorting: larger keys first, among equal ones the lower index. */
function sorted(values: Float32Array, count: number): boolean[] {
  const order = Array.from(values.keys()).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
  const kept = new Set(order.slice(0, Math.max(0, Math.floor(count))));
  return Array.from(values, (_, i) => kept.has(i));
}

describe('a selection', () => {
  it('keeps exactly the largest keys, ties by index, whatever the values', () => {
    const grid = fc.constantFrom(0, 1e-30, 0.25, 0.5, 0.5000001, 1, 3e38, Number.POSITIVE_INFINITY);
    const anything = fc.float({ min: 0, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(grid, anything), { minLength: 1, maxLength: 60 }),
        fc.array(fc.integer({ min: -1, max: 62 }), { minLength: 1, maxLength: 4 }),
        (values, counts) => {
          // Negative zero is a key of no method; |x| takes its sign away.
          const keys = [Float32Array.from(values, Math.abs), Float32Array.from(values, (v) => Math.abs(v) / 3)];
          const slots = counts.map((count, s) => ({ key: s % 2, count }));
          const got = keep(keys, slots);
          slots.forEach(({ key, count }, s) => expect(got[s]).toEqual(sorted(keys[key] ?? new Float32Array(), count)));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('finds the last tie in a later block', () => {
    const values = new Float32Array(3 * BLOCK_ELEMENTS + 5).fill(0.125);
    values[7] = 1;
    const count = 2 * BLOCK_ELEMENTS + 11;
    const [got = []] = keep([values], [{ key: 0, count }]);
    expect(got).toEqual(sorted(values, count));
    expect(got.filter(Boolean).length).toBe(count);
  });

  it('needs no counting where all or nothing is wanted', () => {
    const selection = new Selection(
      [
        { key: 0, count: 0 },
        { key: 0, count: 9 },
      ],
      9,
    );
    expect(selection.isTrivial).toBe(true);
    expect([...thresholdsOf(selection.result().bits)]).toEqual([Number.POSITIVE_INFINITY, 0]);
  });

  it('finds the least key where everything is wanted, if asked for the threshold', () => {
    const keys = Float32Array.of(0.5, 0.25, 3);
    const selection = new Selection([{ key: 0, count: 3 }], 3, true);
    for (const digit of DIGITS) {
      const counts = new Float64Array(2 ** digit.width);
      const [query] = selection.queries();
      for (const bits of new Uint32Array(keys.buffer)) {
        if (Math.floor(bits / 2 ** (digit.shift + digit.width)) !== query?.prefix) continue;
        const bin = (bits >>> digit.shift) & (2 ** digit.width - 1);
        counts[bin] = (counts[bin] ?? 0) + 1;
      }
      selection.take(counts, digit);
    }
    expect(selection.ties()).toEqual([]);
    expect([...thresholdsOf(selection.result().bits)]).toEqual([0.25]);
  });
});
