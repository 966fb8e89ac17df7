/** Linear: the weighted average of the models ("model soups"). */

import { boolean, defineMethod, number } from './method.ts';

export const linear = defineMethod({
  name: 'linear',
  title: 'Linear',
  summary: 'The weighted average of the models’ parameters.',
  paper: 'https://arxiv.org/abs/2203.05482',
  inMergekit: true,
  base: 'none',
  models: { min: 1, max: 16 },
  params: {
    normalize: boolean({ default: true, help: 'Divide by the sum of the weights, so that they add up to one.' }),
  },
  perModel: {
    weight: number({ min: 0, max: 2, default: 1, help: 'This model’s share of the average.' }),
  },
  handle: 'weight',
  statistics: () => null,
  coefficients({ params, perModel }) {
    const weights = Float64Array.from(perModel, (values) => values.weight ?? 0);
    if (params.normalize === 1) {
      const total = weights.reduce((sum, w) => sum + w, 0);
      return weights.map((w) => w / total);
    }
    return weights;
  },
  reference({ models, coefficient }) {
    const out = new Float64Array(models[0]?.length ?? 0);
    models.forEach((x, k) => {
      for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + coefficient(k, i) * (x[i] ?? 0);
    });
    return out;
  },
});
