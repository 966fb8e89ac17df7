import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import {
  choose,
  GREEDY,
  philox2x32,
  RANKS,
  rankTokens,
  type SamplingOptions,
  sampleToken,
  uniform,
} from './sampling.ts';

const draws = (options: Partial<SamplingOptions>): SamplingOptions => ({ ...GREEDY, temperature: 1, ...options });
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
    const numbers = Array.from({ length: 10_000 }, (_, n) => uniform(42, n));
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = numbers.filter((draw) => Math.floor(draw * 10) === tenth).length / 10_000;
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
      const options = draws({ temperature, seed: 1 });
      expect(() => sampleToken(logitsOf(1, Number.NaN, 3), options, 0)).toThrow(MalformedFault);
      const none = logitsOf(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
      expect(() => sampleToken(none, options, 0)).toThrow(MalformedFault);
    }
  });

  it('draws in proportion to the softmax at the temperature', () => {
    const logits = logitsOf(0, 1, 2, Number.NEGATIVE_INFINITY);
    const temperature = 0.7;
    const counts = [0, 0, 0, 0];
    const many = 20_000;
    for (let draw = 0; draw < many; draw++) {
      const token = sampleToken(logits, draws({ temperature, seed: 9 }), draw);
      counts[token] = (counts[token] ?? 0) + 1;
    }
    const weights = [0, 1, 2].map((logit) => Math.exp(logit / temperature));
    const sum = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, token) => {
      // Four standard deviations of a share.
      expect(Math.abs((counts[token] ?? 0) / many - weight / sum)).toBeLessThan(4 * Math.sqrt(0.25 / many));
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
            expect(allowed).toContain(sampleToken(logits, draws({ temperature: 1.5, topK, seed }), draw));
          }
        },
      ),
    );
  });

  it('is a function of logits, options and the number of the draw', () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i * 7));
    const text = (seed: number) => Array.from({ length: 60 }, (_, draw) => sampleToken(logits, draws({ seed }), draw));
    expect(text(5)).toEqual(text(5));
    expect(text(5)).not.toEqual(text(6));
    expect(new Set(text(5)).size).toBeGreaterThan(10);
  });

  it('becomes greedy as the temperature falls, without overflow', () => {
    const logits = logitsOf(3e38, 1, 2, -3e38);
    for (let draw = 0; draw < 50; draw++) {
      expect(sampleToken(logits, draws({ temperature: 1e-6, seed: 3 }), draw)).toBe(0);
    }
  });
});

/** transformers' RepetitionPenalty, Temperature, TopK, TopP and MinP LogitsProcessors, one after the other, on ROW
 * after the tokens SEEN (transformers 5.23.0, torch 2.13.0): what is left, as token and probability. */
const ROW = Float32Array.of(2.5, -1.25, 0.5, 3, -0.75, 1, 2, -3.5, 0, 1.75, -2, 0.25);
const SEEN = [3, 4, 0, 3, 1];
const TRANSFORMERS: readonly (readonly [Partial<SamplingOptions>, readonly (readonly [number, number])[]])[] = [
  [
    {},
    [
      [3, 0.379065],
      [0, 0.229914],
      [6, 0.13945],
      [9, 0.108604],
      [5, 0.051301],
      [2, 0.031116],
      [11, 0.024233],
      [8, 0.018873],
      [4, 0.008915],
      [1, 0.005407],
      [10, 0.002554],
      [7, 0.00057],
    ],
  ],
  [
    { temperature: 0.7 },
    [
      [3, 0.49413],
      [0, 0.241897],
      [6, 0.118419],
      [9, 0.082854],
      [5, 0.028379],
      [2, 0.013893],
      [11, 0.00972],
      [8, 0.006801],
      [4, 0.00233],
      [1, 0.00114],
      [10, 0.000391],
      [7, 4.6e-5],
    ],
  ],
  [
    { temperature: 1.5, topK: 5 },
    [
      [3, 0.341513],
      [0, 0.244705],
      [6, 0.175339],
      [9, 0.148421],
      [5, 0.090022],
    ],
  ],
  [
    { topP: 0.8 },
    [
      [3, 0.442299],
      [0, 0.268268],
      [6, 0.162713],
      [9, 0.126721],
    ],
  ],
  [
    { temperature: 2, topP: 0.9 },
    [
      [3, 0.246856],
      [0, 0.192252],
      [6, 0.149726],
      [9, 0.132132],
      [5, 0.090813],
      [2, 0.070725],
      [11, 0.062415],
      [8, 0.055081],
    ],
  ],
  [
    { minP: 0.2 },
    [
      [3, 0.442299],
      [0, 0.268268],
      [6, 0.162713],
      [9, 0.126721],
    ],
  ],
  [
    { temperature: 1.2, repetitionPenalty: 1.5 },
    [
      [3, 0.205278],
      [6, 0.205278],
      [9, 0.166672],
      [0, 0.155491],
      [5, 0.089213],
      [2, 0.058813],
      [11, 0.047752],
      [8, 0.038772],
      [4, 0.015183],
      [1, 0.008127],
      [10, 0.007323],
      [7, 0.002098],
    ],
  ],
  [
    { temperature: 0.8, topK: 8, topP: 0.85, minP: 0.15, repetitionPenalty: 1.3 },
    [
      [3, 0.357521],
      [6, 0.243369],
      [0, 0.221058],
      [9, 0.178052],
    ],
  ],
  [{ topK: 3, topP: 0.05 }, [[3, 1.0]]],
  [{ minP: 1 }, [[3, 1.0]]],
  [
    { topK: 6, topP: 0.95, minP: 0.01, repetitionPenalty: 0.8 },
    [
      [3, 0.524027],
      [0, 0.280491],
      [6, 0.091062],
      [9, 0.070919],
      [5, 0.0335],
    ],
  ],
];

describe('sampleToken beside transformers', () => {
  it.each(TRANSFORMERS)('draws from what is left by %j', (options, left) => {
    const share = (end: number) => left.slice(0, end).reduce((sum, [, probability]) => sum + probability, 0);
    for (let draw = 0; draw < 400; draw++) {
      const at = uniform(11, draw);
      const rank = left.findIndex((_, index) => share(index + 1) > at);
      // Their probabilities are float32 and rounded.
      if (rank < 0 || at - share(rank) < 1e-5 || share(rank + 1) - at < 1e-5) continue;
      expect(sampleToken(ROW, draws({ ...options, seed: 11 }), draw, SEEN)).toBe(left[rank]?.[0]);
    }
  });
});

/** The definition, as slow as can be. */
function slowly(logits: Float32Array, options: SamplingOptions, draw: number, seen: readonly number[]): number {
  const { temperature, topK, topP, minP, repetitionPenalty: penalty } = options;
  const ranked = [...logits]
    .map((logit, token) => {
      const isPenalised = penalty !== 1 && seen.includes(token);
      return { token, logit: !isPenalised ? logit : logit > 0 ? logit / penalty : logit * penalty };
    })
    .sort((a, b) => (a.logit === b.logit ? a.token - b.token : b.logit > a.logit ? 1 : -1));
  const top = ranked[0]?.logit ?? 0;
  if (temperature === 0 || topK === 1) return ranked[0]?.token ?? 0;
  const weighed = ranked.map(({ token, logit }) => ({
    token,
    weight: logit === top ? 1 : Math.exp((logit - top) / temperature),
  }));
  const byRank = (list: typeof weighed) => list.reduce((sum, { weight }) => sum + weight, 0);
  const mass = (list: typeof weighed) =>
    list.length < logits.length ? byRank(list) : byRank([...list].sort((a, b) => a.token - b.token));
  let left = weighed;
  if (topK > 0) left = left.slice(0, topK);
  if (topP < 1) {
    const limit = topP * mass(left);
    left = left.filter((_, rank) => rank === 0 || byRank(left.slice(0, rank)) < limit);
  }
  if (minP > 0) left = left.filter(({ weight }, rank) => rank === 0 || weight >= minP);
  const at = uniform(options.seed, draw) * mass(left);
  const found = left.findIndex((_, rank) => byRank(left.slice(0, rank + 1)) > at);
  return (left[found] ?? left.filter(({ weight }) => weight > 0).at(-1))?.token ?? 0;
}

/** The definition for long rows, without penalty and min-p, by running sums. */
function faster(logits: Float32Array, { temperature, topK, topP, seed }: SamplingOptions, draw: number): number {
  const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  const top = logits[order[0] ?? 0] ?? 0;
  const weightOf = (token: number) => Math.exp(((logits[token] ?? 0) - top) / temperature);
  const sums = [0];
  for (const token of order) sums.push((sums.at(-1) ?? 0) + weightOf(token));
  const all = [...logits.keys()].reduce((sum, token) => sum + weightOf(token), 0);
  let end = topK || logits.length;
  const massOf = (ranks: number) => (ranks === logits.length ? all : (sums[ranks] ?? 0));
  if (topP < 1)
    end = Math.min(
      end,
      sums.findIndex((sum, rank) => rank > 0 && sum >= topP * massOf(end)),
    );
  const at = uniform(seed, draw) * massOf(end);
  return order[sums.findIndex((sum) => sum > at) - 1] ?? -1;
}

const anyOptions = fc.record({
  temperature: fc.constantFrom(0, 0.3, 1, 1.7, 20),
  topK: fc.oneof(fc.constantFrom(0, 1, 127, 128, 129), fc.nat(300)),
  topP: fc.oneof(fc.constantFrom(1, 0.999, 0), fc.double({ min: 0, max: 1, noNaN: true })),
  minP: fc.oneof(fc.constantFrom(0, 1, 0.001), fc.double({ min: 0, max: 1, noNaN: true })),
  repetitionPenalty: fc.constantFrom(1, 1.1, 2, 0.5),
  seed: fc.nat(),
});
const anyLogit = fc.oneof(
  { weight: 6, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -12, max: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom(-1, 0, 3) },
  { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
);

describe('sampleToken beside its definition', () => {
  it('chooses the same token', () => {
    fc.assert(
      fc.property(
        fc.array(anyLogit, { minLength: 1, maxLength: 300 }),
        anyOptions,
        fc.array(fc.nat(299), { maxLength: 30 }),
        (values, options, seen) => {
          const logits = Float32Array.from(values);
          if (logits.every((logit) => logit === Number.NEGATIVE_INFINITY)) return;
          for (const draw of [0, 1, 2]) {
            expect(sampleToken(logits, options, draw, seen)).toBe(slowly(logits, options, draw, seen));
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('chooses the same token from a long row, however many ranks that takes', () => {
    const logits = Float32Array.from({ length: 6000 }, (_, i) => 3 * Math.sin(i * 12.9898) + (i % 11) / 7);
    for (const options of [draws({ temperature: 30 }), draws({ temperature: 5, topP: 0.9 }), draws({ topK: 3000 })]) {
      for (let draw = 0; draw < 6; draw++) {
        const one = { ...options, seed: 21 };
        expect(sampleToken(logits, one, draw)).toBe(faster(logits, one, draw));
      }
    }
  });

  it('is never wrong where it chooses from the first ranks and an uncertain mass', () => {
    let decided = 0;
    let undecided = 0;
    fc.assert(
      fc.property(
        fc.array(anyLogit, { minLength: 2, maxLength: 200 }),
        anyOptions,
        fc.nat(60),
        fc.constantFrom(0, 1e-4, 0.03),
        fc.nat(20),
        (values, given, known, doubt, draw) => {
          const logits = Float32Array.from(values);
          const options = { ...given, repetitionPenalty: 1 };
          if (logits.every((logit) => logit === Number.NEGATIVE_INFINITY)) return;
          const tokens = rankTokens(logits, Math.min(known + 1, logits.length - 1));
          const top = logits[tokens[0] ?? 0] ?? 0;
          const mass = [...logits].reduce(
            (sum, logit) => sum + (logit === top ? 1 : Math.exp((logit - top) / options.temperature)),
            0,
          );
          const facts = { vocabularySize: logits.length, leastMass: mass * (1 - doubt), mostMass: mass * (1 + doubt) };
          const ranking = { tokens, logits: [...tokens].map((token) => logits[token] ?? 0), ...facts };
          const chosen = choose(ranking, options, draw);
          if (chosen === null) undecided++;
          else decided++;
          if (chosen !== null) expect(chosen).toBe(slowly(logits, options, draw, []));
        },
      ),
      { numRuns: 2000 },
    );
    expect(decided).toBeGreaterThan(500);
    expect(undecided).toBeGreaterThan(50);
  });

  it('ranks by value, then by index', () => {
    fc.assert(
      fc.property(
        fc.array(anyLogit, { minLength: 1, maxLength: 700 }),
        fc.integer({ min: 1, max: RANKS }),
        (values, count) => {
          const order = [...values.keys()].sort((a, b) => {
            const [x = 0, y = 0] = [values[a], values[b]];
            return x === y ? a - b : y > x ? 1 : -1;
          });
          expect([...rankTokens(Float32Array.from(values), count)]).toEqual(order.slice(0, count));
        },
      ),
    );
  });
});
