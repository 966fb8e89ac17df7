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
  presets: [
    {
      name: 'Trim both ends',
      when: 'Use it first: the smallest tenth of each model’s changes goes, and of the largest one in a hundred.',
      params: { lambda: 1, normalize: true },
      perModel: { weight: 1, density: 0.9, gamma: 0.01 },
    },
    {
      name: 'Few crumbs',
      when: 'Use it with many models: most small changes go, and outliers too, so that little collides.',
      params: { lambda: 1, normalize: true },
      perModel: { weight: 1, density: 0.15, gamma: 0.01 },
    },
  ],
});
