/**
 * Multi-SLERP: the weighted mean direction of several models, or of what they changed of a base, at the weighted mean
 * of their lengths. Its step in the tangent space at that mean is always zero: Σ w (u − (u·μ)μ) = m − |m|μ = 0 for the
 * mean m and its direction μ. What is left of it is the factor cos(eps).
 */

import { boolean, defineMethod, number, type Values } from './method.ts';
import { changes, difference, dot, norm, scaled, weightedSum } from './sphere.ts';

/** Directions whose weighted mean is shorter than this part of them have none; the straight line is taken. */
const CANCELLED = 1e-3;

/** The models' weights, adding up to one where that is asked for. */
function weightsOf(params: Values, perModel: readonly Values[]): Float64Array {
  const weights = Float64Array.from(perModel, (values) => values.weight ?? 0);
  if (params.normalize_weights !== 1) return weights;
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w) => w / total);
}

export const multislerp = defineMethod({
  name: 'multislerp',
  title: 'Multi-SLERP',
  family: 'On the sphere',
  summary:
    'The weighted mean direction of the models, or of their changes where a base is named, at their mean length.',
  paper: 'https://goddard.blog/posts/multislerp-wow-what-a-cool-idea',
  inMergekit: true,
  differences: [
    'Tensors that no model changed keep the base’s values, and directions that cancel out are blended along the straight line; mergekit stops there with three or more models, and takes what rounding leaves for the direction with two.',
  ],
  base: 'optional',
  models: { min: 2, max: 16 },
  params: {
    normalize_weights: boolean({
      default: true,
      help: 'Divide by the sum of the weights, so that they add up to one.',
    }),
    eps: number({
      min: 0,
      max: 1e-6,
      step: 1e-9,
      least: 0,
      default: 1e-8,
      help: 'Added to lengths before anything is divided by them; mean directions shorter than this count as none.',
    }),
  },
  perModel: {
    weight: number({ min: 0, max: 2, default: 1, help: 'This model’s share of the direction and of the length.' }),
  },
  handle: 'weight',
  presets: [
    {
      name: 'Equal parts',
      when: 'Use it with three or more models of one kind, whose lengths an average would shrink.',
      params: { normalize_weights: true },
      perModel: { weight: 1 },
    },
  ],
  statistics: () => 'tensor',
  coefficients({ models, params, perModel, sums }) {
    if (!sums) throw new Error('multislerp was given no sums');
    const weights = weightsOf(params, perModel);
    const eps = params.eps ?? 0;
    const lengths = weights.map((_, k) => Math.sqrt(sums.gram[k * models + k] ?? 0));
    // The mean direction is Σ direction_k · change_k.
    const direction = weights.map((w, k) => ((lengths[k] ?? 0) > 0 ? w / ((lengths[k] ?? 0) + eps) : 0));
    let square = 0;
    let reach = 0;
    let length = 0;
    for (let k = 0; k < models; k++) {
      for (let j = 0; j < models; j++) {
        square += (direction[k] ?? 0) * (direction[j] ?? 0) * (sums.gram[k * models + j] ?? 0);
      }
      reach += Math.abs(direction[k] ?? 0) * (lengths[k] ?? 0);
      length += (weights[k] ?? 0) * (lengths[k] ?? 0);
    }
    const mean = Math.sqrt(Math.max(0, square));
    if (mean < Math.max(eps, CANCELLED * reach) || mean === 0) return weights;
    return direction.map((d) => (d / mean) * length * Math.cos(eps));
  },
  reference({ base, models, params, perModel }) {
    const weights = weightsOf(params, perModel);
    const eps = params.eps ?? 0;
    const vectors = changes(base, models);
    const lengths = vectors.map(norm);
    const units = vectors.map((v, k) => scaled(v, (lengths[k] ?? 0) > 0 ? 1 / ((lengths[k] ?? 0) + eps) : 0));
    const mean = weightedSum(units, weights);
    const reach = units.reduce((sum, u, k) => sum + Math.abs(weights[k] ?? 0) * norm(u), 0);
    let result: Float64Array;
    if (norm(mean) < Math.max(eps, CANCELLED * reach) || norm(mean) === 0) {
      result = weightedSum(vectors, weights);
    } else {
      const centre = scaled(mean, 1 / norm(mean));
      const tangents = units.map((u) => difference(u, scaled(centre, dot(u, centre))));
      const step = weightedSum(tangents, weights);
      const angle = norm(step) + eps;
      const sinc = angle > 0 ? Math.sin(angle) / angle : 1;
      const length = lengths.reduce((sum, l, k) => sum + l * (weights[k] ?? 0), 0);
      result = scaled(weightedSum([centre, step], [Math.cos(angle), sinc]), length);
    }
    return result.map((x, i) => x + (base?.[i] ?? 0));
  },
});
