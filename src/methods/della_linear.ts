/** DELLA, linear: drop changes at random, small ones more often, and add up what is left. */

import { KEEP_BY_RANK } from './sparsifier.ts';
import { defineTaskVectorMethod } from './task-vectors.ts';

export const dellaLinear = defineTaskVectorMethod({
  name: 'della_linear',
  title: 'Linear DELLA',
  summary: 'Drops each model’s changes at random, small ones more often, scales the rest up and adds them.',
  paper: 'https://arxiv.org/abs/2406.11617',
  differences: [
    'Which changes are dropped follows from the seed, the tensor’s name, the model’s place and the element, on any machine; mergekit’s draws depend on the order of its work.',
    'In rows of one element a change stays with probability density; mergekit divides by zero and stops.',
    'In tensors of three or more dimensions a row is all that one output holds; mergekit ranks along the second dimension.',
  ],
  sparsifier: KEEP_BY_RANK,
  isElected: false,
  normalize: false,
  rescale: true,
  presets: [
    {
      name: 'Keep half',
      when: 'Use it first: half of each model’s changes stays, the large ones more often, and the models are averaged.',
      params: { lambda: 1, normalize: true, rescale: true },
      perModel: { weight: 1, density: 0.5, epsilon: 0.15 },
    },
    {
      name: 'Add everything',
      when: 'Use it with two models of different skills, which shall both be there in full.',
      params: { lambda: 1, normalize: false, rescale: true },
      perModel: { weight: 1, density: 0.5, epsilon: 0.15 },
    },
  ],
});
