/** Model stock: how far to go from the base to the models' average, from the angles between what they changed. */

import { boolean, defineMethod, number } from './method.ts';
import { changes, dot, norm, weightedSum } from './sphere.ts';

/**
 * 1 + (N − 1) c below this counts as zero: the changes balance each other out, their average has no direction, and
 * the base stays.
 */
const BALANCED = 1e-6;

/** The ratio t = N c / (1 + (N − 1) c) for N models and the mean cosine c of their changes. */
function ratio(models: number, cosine: number): number {
  const divisor = 1 + (models - 1) * cosine;
  return divisor < BALANCED ? 0 : (models * cosine) / divisor;
}

export const modelStock = defineMethod({
  name: 'model_stock',
  title: 'Model stock',
  family: 'Weighted sums',
  summary: 'Between the base and the models’ average, nearer to the average the more the models’ changes agree.',
  paper: 'https://arxiv.org/abs/2403.19522',
  inMergekit: true,
  differences: [
    'Cosines are exact however small the changes; mergekit divides by no less than 1e-6, which keeps the base where changes are small. `norm_floor: 1e-6` does the same here.',
    'Where the changes balance each other out exactly the base stays; mergekit divides by zero.',
    'With `filter_wise`, in tensors of three or more dimensions a filter is a slice along the first dimension, not a vector along the last.',
  ],
  base: 'required',
  models: { min: 2, max: 16 },
  params: {
    filter_wise: boolean({ default: false, help: 'Go by rows, each with its own angle, instead of whole tensors.' }),
    norm_floor: number({
      min: 0,
      max: 1e-5,
      step: 1e-6,
      least: 0,
      default: 0,
      help: 'The least product of two norms that a cosine is divided by. mergekit always uses 1e-6.',
    }),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'Whole tensors',
      when: 'Use it with two or more fine-tunes of the same kind, such as runs with different seeds.',
      params: { filter_wise: false, norm_floor: 0 },
      perModel: {},
    },
    {
      name: 'Row by row',
      when: 'Use it where some outputs of a layer agree among the models and others do not.',
      params: { filter_wise: true, norm_floor: 0 },
      perModel: {},
    },
    {
      name: 'As mergekit counts',
      when: 'Use it to get what mergekit gets, which keeps the base where changes are very small.',
      params: { filter_wise: false, norm_floor: 1e-6 },
      perModel: {},
    },
  ],
  statistics: (params) => (params.filter_wise === 1 ? 'row' : 'tensor'),
  coefficients({ models, params, sums, lineSums }) {
    const lines = lineSums?.lines ?? 1;
    const gram = lineSums?.gram ?? sums?.gram;
    if (!gram) throw new Error('model_stock was given no sums');
    const entry = (i: number, j: number, line: number) => gram[(i * models + j) * lines + line] ?? 0;
    const out = new Float64Array(models * lines);
    for (let line = 0; line < lines; line++) {
      let total = 0;
      for (let i = 0; i < models; i++) {
        for (let j = i + 1; j < models; j++) {
          const lengths = Math.sqrt(entry(i, i, line)) * Math.sqrt(entry(j, j, line));
          if (lengths === 0) continue;
          total += Math.max(-1, Math.min(1, entry(i, j, line) / Math.max(lengths, params.norm_floor ?? 0)));
        }
      }
      const t = ratio(models, total / ((models * (models - 1)) / 2));
      for (let k = 0; k < models; k++) out[k * lines + line] = t / models;
    }
    return out;
  },
  reference({ base, models, params, rowElements }) {
    const out = Float64Array.from(base ?? []);
    const length = params.filter_wise === 1 ? rowElements : out.length;
    const floor = params.norm_floor ?? 0;
    for (let start = 0; start < out.length; start += length) {
      const part = (v: Float64Array) => v.subarray(start, start + length);
      const offsets = changes(part(out), models.map(part));
      const cosines = offsets.flatMap((a, i) =>
        offsets.slice(i + 1).map((b) => {
          const lengths = norm(a) * norm(b);
          return lengths === 0 ? 0 : Math.max(-1, Math.min(1, dot(a, b) / Math.max(lengths, floor)));
        }),
      );
      const t = ratio(models.length, cosines.reduce((sum, c) => sum + c, 0) / cosines.length);
      const average = weightedSum(
        models.map(part),
        models.map(() => 1 / models.length),
      );
      part(out).set(weightedSum([average, part(out)], [t, 1 - t]));
    }
    return out;
  },
});
