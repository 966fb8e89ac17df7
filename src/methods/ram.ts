/** RAM (reinforced agent merging): shared changes are averaged, a change that one model alone made is kept whole. */

import { defineMethod } from './method.ts';
import { averaged, REACH_PARAMS } from './reach.ts';

export const ram = defineMethod({
  name: 'ram',
  title: 'RAM',
  family: 'Task vectors',
  summary: 'Averages changes that several models made; a change that one model alone made is kept whole.',
  paper: 'https://arxiv.org/abs/2601.13572',
  inMergekit: true,
  differences: ['mergekit has this method from release 0.1.5 on.'],
  base: 'required',
  models: { min: 1, max: 16 },
  params: REACH_PARAMS,
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'As in the paper',
      when: 'Use it with models from reinforcement learning, which change few parameters, and different ones.',
      params: { epsilon: 1e-5 },
      perModel: {},
    },
    {
      name: 'Ignore small changes',
      when: 'Use it with models from ordinary fine-tuning, where nearly every parameter changed a little.',
      params: { epsilon: 0.0001 },
      perModel: {},
    },
  ],
  parts: ['reach'],
  statistics: () => null,
  coefficients: ({ models }) => new Float64Array(models).fill(1),
  reference: (input) => averaged(input, () => 1),
});
