/** TIES: trim each task vector to its largest changes, elect a sign per parameter, merge what agrees with it. */

import { KEEP_LARGEST } from './sparsifier.ts';
import { defineTaskVectorMethod } from './task-vectors.ts';

export const ties = defineTaskVectorMethod({
  name: 'ties',
  title: 'TIES',
  summary: 'Keeps each model’s largest changes and, parameter by parameter, adds up those that agree on a sign.',
  paper: 'https://arxiv.org/abs/2306.01708',
  differences: [
    'A density above zero keeps at least one change of every tensor; mergekit stops where it would keep none, as in scalars.',
    'Among changes of equal size those that come first in the tensor are kept; mergekit’s choice is arbitrary.',
  ],
  sparsifier: KEEP_LARGEST,
  isElected: true,
  normalize: true,
  rescale: false,
  presets: [
    {
      name: 'As in the paper',
      when: 'Use it first: the largest fifth of each model’s changes stays, and signs are settled.',
      params: { lambda: 1, normalize: true },
      perModel: { weight: 1, density: 0.2 },
    },
    {
      name: 'Keep half',
      when: 'Use it where a fifth is too little of what the models learned.',
      params: { lambda: 1, normalize: true },
      perModel: { weight: 1, density: 0.5 },
    },
    {
      name: 'Settle signs only',
      when: 'Use it where the models’ changes are small and spread out: nothing is dropped.',
      params: { lambda: 1, normalize: true },
      perModel: { weight: 1, density: 1 },
    },
  ],
});
