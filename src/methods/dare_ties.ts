/** DARE with the sign election of TIES. */

import { KEEP_RANDOM } from './sparsifier.ts';
import { defineTaskVectorMethod } from './task-vectors.ts';

export const dareTies = defineTaskVectorMethod({
  name: 'dare_ties',
  title: 'DARE TIES',
  summary: 'Drops each model’s changes at random, scales the rest up and adds those that agree on a sign.',
  paper: 'https://arxiv.org/abs/2311.03099',
  differences: [
    'Which changes are dropped follows from the seed, the tensor’s name, the model’s place and the element, on any machine; mergekit’s draws depend on the order of its work.',
  ],
  sparsifier: KEEP_RANDOM,
  isElected: true,
  normalize: false,
  rescale: true,
});
