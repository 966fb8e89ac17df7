/** Breadcrumbs: of each task vector drop the smallest changes and the outliers, and add up what is left. */

import { KEEP_MIDDLE } from './sparsifier.ts';
import { defineTaskVectorMethod } from './task-vectors.ts';

export const breadcrumbs = defineTaskVectorMethod({
  name: 'breadcrumbs',
  title: 'Model Breadcrumbs',
  summary: 'Drops each model’s smallest changes and its outliers, and adds up the rest.',
  paper: 'https://arxiv.org/abs/2312.06795',
  differences: [
    'Where gamma leaves no outlier to drop, as in every tensor of fewer than 100 elements at its default, none is dropped; mergekit then drops the whole change.',
    'A density above zero keeps at least one change of every tensor.',
    'Among changes of equal size those that come first in the tensor count as the larger; mergekit’s choice is arbitrary.',
  ],
  sparsifier: KEEP_MIDDLE,
  isElected: false,
  normalize: false,
  rescale: false,
});
