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
});
