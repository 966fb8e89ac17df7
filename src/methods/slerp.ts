/** Slerp: spherical linear interpolation from the base to one model, along the arc between them. */

import { defineMethod, number } from './method.ts';
import { dot, norm, scaled, weightedSum } from './sphere.ts';

/** Vectors no longer than this are not brought to unit length. */
const SHORTEST = 1e-8;
/** Cosines beyond this, in either direction, count as collinear: the straight line is taken. */
const COLLINEAR = 0.9995;

export const slerp = defineMethod({
  name: 'slerp',
  title: 'SLERP',
  family: 'On the sphere',
  summary: 'From the base to one other model along the arc between them, tensor by tensor.',
  paper: 'https://en.wikipedia.org/wiki/Slerp',
  inMergekit: true,
  differences: ['Tensors without dimensions are blended like any other; mergekit fails at them.'],
  base: 'required',
  models: { min: 1, max: 1 },
  params: {
    t: number({ min: 0, max: 1, default: 0.5, help: 'Where on the arc: 0 is the base, 1 the other model.' }),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'Halfway',
      when: 'Use it first: as much of the base as of the other model.',
      params: { t: 0.5 },
      perModel: {},
    },
    {
      name: 'Attention and MLP crossed',
      when: 'Use it for two models of equal rank: attention leans one way where the MLPs lean the other, layer by layer.',
      params: {
        t: [
          { filter: 'self_attn', value: [0, 0.5, 0.3, 0.7, 1] },
          { filter: 'mlp', value: [1, 0.5, 0.7, 0.3, 0] },
          { value: 0.5 },
        ],
      },
      perModel: {},
    },
    {
      name: 'Handover',
      when: 'Use it where the base shall read and the other model shall speak: the early layers are the base’s, the late ones the other’s.',
      params: { t: [0, 1] },
      perModel: {},
    },
  ],
  statistics: () => 'tensor',
  measures: 'sources',
  extraCoefficients: 1,
  /** The model's factor, then the base's. */
  coefficients({ params, sums }) {
    if (!sums) throw new Error('slerp was given no sums');
    const t = params.t ?? 0;
    const [baseSquare = 0, product = 0, , modelSquare = 0] = sums.gram;
    const divisor = (square: number) => (Math.sqrt(square) > SHORTEST ? Math.sqrt(square) : 1);
    const cosine = product / divisor(baseSquare) / divisor(modelSquare);
    if (Math.abs(cosine) > COLLINEAR) return Float64Array.of(t, 1 - t);
    const angle = Math.acos(cosine);
    return Float64Array.of(Math.sin(t * angle) / Math.sin(angle), Math.sin((1 - t) * angle) / Math.sin(angle));
  },
  reference({ base, models: [to = new Float64Array()], params }) {
    const from = base ?? new Float64Array(to.length);
    const t = params.t ?? 0;
    const unit = (v: Float64Array) => (norm(v) > SHORTEST ? scaled(v, 1 / norm(v)) : v);
    const cosine = dot(unit(from), unit(to));
    if (Math.abs(cosine) > COLLINEAR) return weightedSum([from, to], [1 - t, t]);
    const angle = Math.acos(cosine);
    return scaled(weightedSum([from, to], [Math.sin(angle - t * angle), Math.sin(t * angle)]), 1 / Math.sin(angle));
  },
});
