/** NearSwap: the model's value where it is near to the base's, and nearer to the base the further it is away. */

import { defineMethod, number } from './method.ts';

/** mergekit's guard: distances below this count as this. */
const NEAREST = 1e-6;

export const nearswap = defineMethod({
  name: 'nearswap',
  title: 'NearSwap',
  family: 'Selective',
  summary: 'Takes the other model’s parameter where the two are near each other; elsewhere the base prevails.',
  paper: 'https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001',
  inMergekit: true,
  base: 'required',
  models: { min: 1, max: 1 },
  params: {
    t: number({
      min: 0,
      max: 0.01,
      step: 0.0001,
      default: 0.0001,
      help: 'Parameters no further apart than this are swapped; others move this far towards the other model.',
    }),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'A trace',
      when: 'Use it to flavour the base: only parameters that were nearly the same are taken over.',
      params: { t: 0.0001 },
      perModel: {},
    },
    {
      name: 'Stronger',
      when: 'Use it where a trace cannot be noticed in replies.',
      params: { t: 0.001 },
      perModel: {},
    },
  ],
  statistics: () => null,
  coefficients: ({ models }) => new Float64Array(models).fill(1),
  reference({ base, models: [model = new Float64Array()], params }) {
    const t = params.t ?? 0;
    return model.map((x, i) => {
      const from = base?.[i] ?? 0;
      const weight = Math.max(0, Math.min(1, t / Math.max(Math.abs(from - x), NEAREST)));
      return weight * x + (1 - weight) * from;
    });
  },
});
