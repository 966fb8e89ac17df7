/**
 * Arcee Fusion: takes the model's parameters where their change matters most and the base's elsewhere. What matters is
 * I = |x − base| · KL(softmax(x) ‖ softmax(base)) with one divergence per row; taken is what reaches the median plus
 * one and a half interquartile ranges of the tensor's I.
 *
 * The divergence of a row that hardly changed is a small sum of large terms of both signs. It is calculated as
 * Σ q h(p/q − 1) with h(r) = (1 + r) ln(1 + r) − r instead, which is the same, because Σ p = Σ q, and has no terms
 * below zero.
 */

import { defineMethod, type Evidence } from './method.ts';

/** mergekit's guard, added to every probability. */
const LEAST_PROBABILITY = 1e-8;

/** Where the lower quartile, the median and the upper quartile stand among `count` numbers in ascending order. */
function quartiles(count: number): readonly [number, number, number] {
  return [Math.floor(0.25 * (count - 1)), Math.floor(0.5 * (count - 1)), Math.floor(0.75 * (count - 1))];
}

/** What I has to reach, from its quartiles. */
function threshold([lower = 0, median = 0, upper = 0]: ArrayLike<number> & Iterable<number>): number {
  return median + 1.5 * (upper - lower);
}

/** Quantity `q` of a pass at line `line`. */
function total(evidence: Evidence, pass: string, q: number, line: number): number {
  const result = evidence.passes.get(pass);
  return result?.totals[q * result.lines + line] ?? 0;
}

function rowsOf(evidence: Evidence): number {
  return evidence.elements / Math.max(1, evidence.rowElements);
}

/** Undoes `raised` of the shader, which maps all numbers, in order, to positive ones. */
function lowered(value: number): number {
  return value >= 1 ? value - 1 : 1 - 1 / value;
}

export const arceeFusion = defineMethod({
  name: 'arcee_fusion',
  title: 'Arcee Fusion',
  family: 'Selective',
  summary: 'Takes the other model’s parameters where their change matters most, and keeps the base’s elsewhere.',
  paper: 'https://arcee.ai',
  inMergekit: true,
  differences: [
    'Quartiles are exact; mergekit takes them from random samples of tensors of more than a million elements.',
    'The divergence of a row that changed little is calculated without cancellation; mergekit’s float32 sum is mostly rounding error there, and may be negative.',
    'The result is written in the dtype that was asked for; mergekit writes float32.',
    'In tensors of three or more dimensions a row is a slice along the first dimension, not a vector along the last.',
  ],
  base: 'required',
  models: { min: 1, max: 1 },
  params: {},
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'As it is',
      when: 'Use it with one fine-tune whose most important changes shall be taken, and nothing else; it has nothing to set.',
      params: {},
      perModel: {},
    },
  ],
  statistics: () => null,
  passes: [
    {
      kind: 'sums',
      name: 'top',
      over: 'row',
      quantities: () => 1,
      isMaximum: true,
      // The largest element of either source: subtracted before exp, so that nothing overflows.
      finds: {
        over: 'row',
        width: () => 1,
        from: (evidence) =>
          Float64Array.from({ length: rowsOf(evidence) }, (_, row) => lowered(total(evidence, 'top', 0, row))),
      },
    },
    {
      kind: 'sums',
      name: 'mass',
      over: 'row',
      quantities: () => 3,
      // One over Σ exp(base), and ln(Σ exp(x) / Σ exp(base)).
      finds: {
        over: 'row',
        width: () => 2,
        from(evidence) {
          const rows = rowsOf(evidence);
          const out = new Float64Array(2 * rows);
          for (let row = 0; row < rows; row++) {
            // A row that lies so far below the other that exp gives zero has next to no probability.
            const before = Math.max(total(evidence, 'mass', 0, row), 1e-30);
            const after = Math.max(total(evidence, 'mass', 1, row), 1e-30);
            const growth = total(evidence, 'mass', 2, row) / before;
            out[row] = 1 / before;
            out[rows + row] = Math.abs(growth) < 0.5 ? Math.log1p(growth) : Math.log(after / before);
          }
          return out;
        },
      },
    },
    {
      kind: 'sums',
      name: 'divergence',
      over: 'row',
      quantities: () => 1,
      // Relative to the largest of the tensor: only comparisons are made, and products cannot underflow.
      finds: {
        over: 'row',
        width: () => 1,
        from(evidence) {
          const own = Float64Array.from({ length: rowsOf(evidence) }, (_, row) =>
            evidence.rowElements === 1 ? 0 : total(evidence, 'divergence', 0, row),
          );
          const largest = own.reduce((most, x) => Math.max(most, x), 0);
          return largest > 0 ? own.map((x) => x / largest) : own;
        },
      },
    },
    {
      kind: 'select',
      name: 'importance',
      keys: () => 1,
      slots: () => 3,
      select: ({ elements }) => quartiles(elements).map((rank) => ({ key: 0, count: elements - rank })),
      finds: {
        over: 'tensor',
        width: () => 1,
        from: ({ passes }) => Float64Array.of(threshold(passes.get('importance')?.thresholds ?? new Float64Array(3))),
      },
    },
  ],
  coefficients: ({ models }) => new Float64Array(models).fill(1),
  reference({ base, models: [model = new Float64Array()], rowElements }) {
    const origin = base ?? new Float64Array(model.length);
    const divergences = Float64Array.from({ length: model.length / Math.max(1, rowElements) }, (_, row) => {
      if (rowElements === 1) return 0;
      const probabilities = (v: Float64Array) => {
        const own = v.subarray(row * rowElements, (row + 1) * rowElements);
        const top = own.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
        const powers = own.map((x) => Math.exp(x - top));
        const mass = powers.reduce((sum, x) => sum + x, 0);
        return powers.map((x) => x / mass + LEAST_PROBABILITY);
      };
      const q = probabilities(origin);
      return Math.max(
        0,
        probabilities(model).reduce((sum, p, i) => sum + p * Math.log(p / (q[i] ?? 1)), 0),
      );
    });
    // Relative to the largest, so that where there is one row only changes that lie just on the bound stay there.
    const largest = divergences.reduce((most, x) => Math.max(most, x), 0) || 1;
    const importance = model.map(
      (x, i) => Math.abs(x - (origin[i] ?? 0)) * ((divergences[Math.floor(i / rowElements)] ?? 0) / largest),
    );
    const sorted = Float64Array.from(importance).sort();
    const least = threshold(quartiles(sorted.length).map((rank) => sorted[rank] ?? 0));
    return model.map((x, i) => ((importance[i] ?? 0) >= least ? x : (origin[i] ?? 0)));
  },
});
