/** Linear: the weighted average of the models ("model soups"). */

import { boolean, defineMethod, number } from './method.ts';

export const linear = defineMethod({
  name: 'linear',
  title: 'Linear',
  family: 'Weighted sums',
  summary: 'The weighted average of the models’ parameters.',
  paper: 'https://arxiv.org/abs/2203.05482',
  inMergekit: true,
  differences: [
    'Weights that add up to zero are refused where they are normalized; mergekit writes infinities.',
    'A base model that is not among the models only lends config and tokenizer; mergekit stops with an error.',
  ],
  base: 'none',
  models: { min: 1, max: 16 },
  params: {
    normalize: boolean({ default: true, help: 'Divide by the sum of the weights, so that they add up to one.' }),
  },
  perModel: {
    weight: number({ min: 0, max: 2, default: 1, help: 'This model’s share of the average.' }),
  },
  handle: 'weight',
  presets: [
    {
      name: 'Equal parts',
      when: 'Use it for fine-tunes of one base towards one goal: the model soup.',
      params: { normalize: true },
      perModel: { weight: 1 },
    },
    {
      name: 'Weights as they stand',
      when: 'Use it where weights shall add up to something other than one, such as one model minus another.',
      params: { normalize: false },
      perModel: {},
    },
  ],
  statistics: () => null,
  coefficients({ params, perModel }) {
    const weights = Float64Array.from(perModel, (values) => values.weight ?? 0);
    if (params.normalize === 1) {
      const total = weights.reduce((sum, w) => sum + w, 0);
      return weights.map((w) => w / total);
    }
    return weights;
  },
  reference({ models, params, perModel }) {
    const weights = perModel.map((values) => values.weight ?? 0);
    const divisor = params.normalize === 1 ? weights.reduce((sum, w) => sum + w, 0) : 1;
    return Float64Array.from(models[0] ?? [], (_, i) => {
      const sum = models.reduce((own, x, k) => own + (weights[k] ?? 0) * (x[i] ?? 0), 0);
      return sum / divisor;
    });
  },
});
