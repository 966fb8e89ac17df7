/** DELLA: drop changes at random, small ones more often, elect a sign per parameter, merge what agrees with it. */

import { KEEP_BY_RANK } from './sparsifier.ts';
import { defineTaskVectorMethod } from './task-vectors.ts';

export const della = defineTaskVectorMethod({
  name: 'della',
  title: 'DELLA',
  summary:
    'Drops each model’s changes at random, small ones more often; of the rest, those that agree on a sign are added up.',
  paper: 'https://arxiv.org/abs/2406.11617',
  differences: [
    'Which changes are dropped follows from the seed, the tensor’s name, the model’s place and the element, on any machine; mergekit’s draws depend on the order of its work.',
    'In rows of one element a change stays with probability density; mergekit divides by zero and stops.',
    'In tensors of three or more dimensions a row is all that one output holds; mergekit ranks along the second dimension.',
  ],
  sparsifier: KEEP_BY_RANK,
  isElected: true,
  normalize: true,
  rescale: true,
  presets: [
    {
      name: 'Keep half',
      when: 'Use it first: half of each model’s changes stays, the large ones more often.',
      params: { lambda: 1, normalize: true, rescale: true },
      perModel: { weight: 1, density: 0.5, epsilon: 0.15 },
    },
    {
      name: 'Keep a third',
      when: 'Use it with three or more models, which get into each other’s way less when each keeps less.',
      params: { lambda: 1, normalize: true, rescale: true },
      perModel: { weight: 1, density: 0.35, epsilon: 0.2 },
    },
    {
      name: 'By size above all',
      when: 'Use it where large changes matter most: the smallest seldom stay, the largest nearly always.',
      params: { lambda: 1, normalize: true, rescale: true },
      perModel: { weight: 1, density: 0.5, epsilon: 0.45 },
    },
  ],
});
