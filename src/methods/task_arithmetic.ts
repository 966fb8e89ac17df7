/** Task arithmetic: the base plus a weighted sum of what each fine-tune changed. */

import { boolean, defineMethod, ignored, number } from './method.ts';
import { deltasOf, summedCoefficients } from './task-vectors.ts';

export const taskArithmetic = defineMethod({
  name: 'task_arithmetic',
  title: 'Task arithmetic',
  family: 'Task vectors',
  summary: 'The base plus the weighted sum of the models’ task vectors (their differences from the base).',
  paper: 'https://arxiv.org/abs/2212.04089',
  inMergekit: true,
  base: 'required',
  models: { min: 1, max: 16 },
  params: {
    lambda: number({ min: 0, max: 2, default: 1, help: 'Scales the summed task vector before it is added.' }),
    normalize: boolean({ default: false, help: 'Divide by the sum of the weights, so that they add up to one.' }),
    int8_mask: ignored('Only saves memory in mergekit; the result is the same.'),
    rescale: ignored('Has no effect without a density below 1, which task arithmetic does not use.'),
  },
  perModel: {
    weight: number({ min: 0, max: 2, default: 1, help: 'How much of this model’s task vector is added.' }),
    density: ignored('mergekit accepts it for task arithmetic and does not use it.'),
  },
  handle: 'weight',
  presets: [
    {
      name: 'Add everything',
      when: 'Use it with one or two models whose skills have little to do with each other.',
      params: { lambda: 1, normalize: false },
      perModel: { weight: 1 },
    },
    {
      name: 'Careful sum',
      when: 'Use it with three or more models: added up in full, their changes overshoot.',
      params: { lambda: 0.4, normalize: false },
      perModel: { weight: 1 },
    },
    {
      name: 'Average change',
      when: 'Use it where the models learned much the same, so that nothing counts several times.',
      params: { lambda: 1, normalize: true },
      perModel: { weight: 1 },
    },
  ],
  statistics: () => null,
  coefficients: summedCoefficients,
  reference(input) {
    const { base, params, perModel } = input;
    const deltas = deltasOf(input);
    const weights = perModel.map((values) => values.weight ?? 0);
    const total = weights.reduce((sum, w) => sum + w, 0);
    const divisor = params.normalize === 1 && Math.abs(total) >= 1e-8 ? total : 1;
    return Float64Array.from(base ?? [], (origin, i) => {
      const sum = deltas.reduce((own, delta, k) => own + (weights[k] ?? 0) * (delta[i] ?? 0), 0);
      return origin + ((params.lambda ?? 1) * sum) / divisor;
    });
  },
});
