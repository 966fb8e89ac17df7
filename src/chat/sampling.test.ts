import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import { philox2x32, sampleToken, uniform } from './sampling.ts';

const GREEDY = { temperature: 0, topK: 0, seed: 0 };
const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -30, max: 30 });
const logitsOf = (...values: number[]) => Float32Array.from(values);

describe('philox2x32', () => {
  it.each([
    // Known answers of Random123.
    [0, 0, 0, 0xff1dae59, 0x6cd10df2],
    [0xffffffff, 0xffffffff, 0xffffffff, 0x2c3f628b, 0xab4fd7ad],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0xdd7ce038, 0xf62a4c12],
  ])('gives the published answer for %i, %i, %i', (c0, c1, key, left, right) => {
    expect(philox2x32(c0, c1, key)).toEqual([left, right]);
  });
});

describe('uniform', () => {
  it('lies in [0, 1) and spreads evenly', () => {
    const draws = Array.from({ length: 10_000 }, (_, n) => uniform(42, n));
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...draws)).toBeLessThan(1);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = draws.filter((draw) => Math.floor(draw * 10) === tenth).length / 10_000;
      expect(share).toBeGreaterThan(0.08);
      expect(share).toBeLessThan(0.12);
    }
  });
});

describe('sampleToken', () => {
  it('is greedy at temperature 0 and takes the lowest of equals', () => {
    expect(sampleToken(logitsOf(1, 5, 5, 2), GREEDY, 0)).toBe(1);
    expect(sampleToken(logitsOf(-3), GREEDY, 0)).toBe(0);
    expect(sampleToken(logitsOf(0, Number.NEGATIVE_INFINITY, 1), GREEDY, 0)).toBe(2);
  });

  it('refuses NaN and a row of minus infinity, at any temperature', () => {
    for (const temperature of [0, 1]) {
      const options = { temperature, topK: 0, seed: 1 };
      expect(() => sampleToken(logitsOf(1, Number.NaN, 3), options, 0)).toThrow(MalformedFault);
      const none = logitsOf(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
      expect(() => sampleToken(none, options, 0)).toThrow(MalformedFault);
    }
  });

  it('draws in proportion to the softmax at the temperature', () => {
    const logits = logitsOf(0, 1, 2, Number.NEGATIVE_INFINITY);
    const temperature = 0.7;
    const counts = [0, 0, 0, 0];
    const draws = 20_000;
    for (let draw = 0; draw < draws; draw++) {
      const token = sampleToken(logits, { temperature, topK: 0, seed: 9 }, draw);
      counts[token] = (counts[token] ?? 0) + 1;
    }
    const weights = [0, 1, 2].map((logit) => Math.exp(logit / temperature));
    const sum = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, token) => {
      // Four standard deviations of a share.
      expect(Math.abs((counts[token] ?? 0) / draws - weight / sum)).toBeLessThan(4 * Math.sqrt(0.25 / draws));
    });
    expect(counts[3]).toBe(0);
  });

  it('draws only from the topK most likely, ties going to the lower index', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(finite, fc.constantFrom(-1, 0, 3)), { minLength: 1, maxLength: 40 }),
        fc.nat(45),
        fc.nat(),
        (values, topK, seed) => {
          const logits = Float32Array.from(values);
          const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
          const allowed = new Set(topK === 0 ? order : order.slice(0, topK));
          for (let draw = 0; draw < 20; draw++) {
            expect(allowed).toContain(sampleToken(logits, { temperature: 1.5, topK, seed }, draw));
          }
        },
      ),
    );
  });

  it('is a function of logits, options and the number of the draw', () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i * 7));
    const text = (seed: number) =>
      Array.from({ length: 60 }, (_, draw) => sampleToken(logits, { temperature: 1, topK: 0, seed }, draw));
    expect(text(5)).toEqual(text(5));
    expect(text(5)).not.toEqual(text(6));
    expect(new Set(text(5)).size).toBeGreaterThan(10);
  });

  it('becomes greedy as the temperature falls, without overflow', () => {
    const logits = logitsOf(3e38, 1, 2, -3e38);
    for (let draw = 0; draw < 50; draw++) {
      expect(sampleToken(logits, { temperature: 1e-6, topK: 0, seed: 3 }, draw)).toBe(0);
    }
  });
});
