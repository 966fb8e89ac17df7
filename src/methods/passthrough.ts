/** Passthrough: one model as it is, times a factor where one is set. What frankenmerges stack their layers with. */

import { defineMethod, number } from './method.ts';

export const passthrough = defineMethod({
  name: 'passthrough',
  title: 'Passthrough',
  family: 'Stacking',
  summary: 'One model’s parameters as they are, or scaled; with slices, layers of several models one upon another.',
  paper: null,
  inMergekit: true,
  base: 'none',
  models: { min: 1, max: 1 },
  params: {},
  perModel: {
    scale: number({ min: 0, max: 2, default: null, help: 'Multiplies the parameters. Off: they stay as they are.' }),
  },
  handle: 'scale',
  presets: [
    {
      name: 'As it is',
      when: 'Use it to keep one model’s layers as they are, such as in a stack of slices.',
      params: {},
      perModel: { scale: null },
    },
  ],
  statistics: () => null,
  coefficients: ({ perModel }) =>
    Float64Array.from(perModel, ({ scale = Number.NaN }) => (Number.isNaN(scale) ? 1 : scale)),
  reference({ models: [model = new Float64Array()], perModel }) {
    const scale = perModel[0]?.scale ?? Number.NaN;
    return Number.isNaN(scale) ? Float64Array.from(model) : model.map((x) => x * scale);
  },
});
