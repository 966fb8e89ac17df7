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
  presets: [
    {
      name: 'Keep half',
      when: 'Use it first: half of each model’s changes stays, and those that agree on a sign are averaged.',
      params: { lambda: 1, normalize: true, rescale: true, rescale_by: 'l1' },
      perModel: { weight: 1, density: 0.5 },
    },
    {
      name: 'As in the paper',
      when: 'Use it with light fine-tunes, whose changes are small: one change in ten stays and is scaled up tenfold.',
      params: { lambda: 1, normalize: true, rescale: true, rescale_by: 'probability' },
      perModel: { weight: 1, density: 0.1 },
    },
    {
      name: 'Gentle',
      when: 'Use it with heavily trained models, which lose too much when half of their changes go.',
      params: { lambda: 1, normalize: true, rescale: true, rescale_by: 'l1' },
      perModel: { weight: 1, density: 0.8 },
    },
  ],
});
