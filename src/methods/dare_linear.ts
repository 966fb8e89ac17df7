/** DARE, linear: drop changes at random, make up for them, and add up what is left. */

import { KEEP_RANDOM } from './sparsifier.ts';
import { defineTaskVectorMethod } from './task-vectors.ts';

export const dareLinear = defineTaskVectorMethod({
  name: 'dare_linear',
  title: 'Linear DARE',
  summary: 'Drops each model’s changes at random, scales the rest up and adds them.',
  paper: 'https://arxiv.org/abs/2311.03099',
  differences: [
    'Which changes are dropped follows from the seed, the tensor’s name, the model’s place and the element, on any machine; mergekit’s draws depend on the order of its work.',
  ],
  sparsifier: KEEP_RANDOM,
  isElected: false,
  normalize: false,
  rescale: true,
});
