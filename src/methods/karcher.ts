/**
 * Karcher: the Riemannian mean of the models' directions, found by iteration on the sphere, at their mean length. All
 * of it happens in the span of the models' unit vectors u_k, so that the Gram matrix is enough: a point of the
 * sphere is a set of factors a_k with u = Σ a_k u_k.
 */

import { defineMethod, number } from './method.ts';
import { difference, dot, norm, scaled, weightedSum } from './sphere.ts';

/** A mean direction shorter than this is none. */
const CANCELLED = 1e-3;
/** Cosines within this of −1 count as antiparallel: no direction leads there rather than elsewhere. */
const ANTIPARALLEL = 1e-6;
/** Below this angle θ / sin θ is 1 in float64. */
const SMALLEST_ANGLE = 1e-9;

/** How a unit vector at this cosine pulls: θ / sin θ, and nothing from the opposite side of the sphere. */
function pull(cosine: number): number {
  if (1 + cosine < ANTIPARALLEL) return 0;
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine)));
  return angle < SMALLEST_ANGLE ? 1 : angle / Math.sin(angle);
}

export const karcher = defineMethod({
  name: 'karcher',
  title: 'Karcher mean',
  family: 'On the sphere',
  summary: 'The Riemannian mean of the models’ directions, at the mean of their lengths.',
  paper: 'https://en.wikipedia.org/wiki/Karcher_mean',
  inMergekit: true,
  differences: [
    'A base lends config and tokenizer only; mergekit averages it in as one more model. List it among the models for that.',
    'Directions are calculated in float64: mergekit leaves out models whose angle to the mean is lost in float32, which moves its result by as much.',
  ],
  base: 'none',
  models: { min: 2, max: 16 },
  params: {
    max_iter: number({ min: 1, max: 100, step: 1, least: 0, default: 10, help: 'The most steps that are taken.' }),
    tol: number({
      min: 1e-9,
      max: 1e-3,
      step: 1e-9,
      least: 0,
      default: 1e-5,
      help: 'Steps shorter than this end the search; tensors with a norm of no more than this are left out.',
    }),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'Usual accuracy',
      when: 'Use it first: the search ends when nothing moves that matters.',
      params: { max_iter: 10, tol: 1e-5 },
      perModel: {},
    },
    {
      name: 'To the last digit',
      when: 'Use it where the models point in very different directions and ten steps are not enough.',
      params: { max_iter: 100, tol: 1e-9 },
      perModel: {},
    },
  ],
  statistics: () => 'tensor',
  coefficients({ models, params, sums }) {
    if (!sums) throw new Error('karcher was given no sums');
    const tol = params.tol ?? 0;
    const all = Array.from({ length: models }, (_, k) => k);
    const lengths = all.map((k) => Math.sqrt(sums.gram[k * models + k] ?? 0));
    const valid = all.filter((k) => (lengths[k] ?? 0) > tol);
    const [first] = valid;
    const out = new Float64Array(models);
    if (first === undefined) return out;
    const cosine = (j: number, k: number) =>
      j === k ? 1 : (sums.gram[j * models + k] ?? 0) / ((lengths[j] ?? 0) * (lengths[k] ?? 0));
    const towards = (factors: Float64Array, k: number) =>
      valid.reduce((sum, j) => sum + (factors[j] ?? 0) * cosine(j, k), 0);
    const lengthOf = (factors: Float64Array) =>
      Math.sqrt(
        Math.max(
          0,
          valid.reduce((sum, k) => sum + (factors[k] ?? 0) * towards(factors, k), 0),
        ),
      );

    let at = new Float64Array(models);
    for (const k of valid) at[k] = 1 / valid.length;
    const start = lengthOf(at);
    if (start < Math.max(tol, CANCELLED)) at = new Float64Array(models).fill(1, first, first + 1);
    else at = at.map((a) => a / start);
    for (let step = 0; step < (params.max_iter ?? 0); step++) {
      const tangent = new Float64Array(models);
      let back = 0;
      for (const k of valid) {
        const d = towards(at, k);
        const share = pull(d) / valid.length;
        tangent[k] = (tangent[k] ?? 0) + share;
        back += share * d;
      }
      for (const k of valid) tangent[k] = (tangent[k] ?? 0) - back * (at[k] ?? 0);
      const length = lengthOf(tangent);
      if (length < tol || length === 0) break;
      at = at.map((a, k) => Math.cos(length) * a + (Math.sin(length) / length) * (tangent[k] ?? 0));
      const long = lengthOf(at);
      at = at.map((a) => a / long);
    }
    const meanLength = lengths.reduce((sum, length) => sum + length, 0) / models;
    for (const k of valid) out[k] = (meanLength * (at[k] ?? 0)) / (lengths[k] ?? 1);
    return out;
  },
  reference({ models, params }) {
    const tol = params.tol ?? 0;
    const lengths = models.map(norm);
    const valid = models.filter((_, k) => (lengths[k] ?? 0) > tol);
    const units = valid.map((v) => scaled(v, 1 / norm(v)));
    const [first] = units;
    if (!first) return new Float64Array(models[0]?.length ?? 0);
    const shares = units.map(() => 1 / units.length);
    const mean = weightedSum(units, shares);
    let at = norm(mean) < Math.max(tol, CANCELLED) ? first : scaled(mean, 1 / norm(mean));
    for (let step = 0; step < (params.max_iter ?? 0); step++) {
      const here = at;
      const tangents = units.map((u) => scaled(difference(u, scaled(here, dot(u, here))), pull(dot(u, here))));
      const tangent = weightedSum(tangents, shares);
      const length = norm(tangent);
      if (length < tol || length === 0) break;
      at = weightedSum([here, tangent], [Math.cos(length), Math.sin(length) / length]);
      at = scaled(at, 1 / norm(at));
    }
    return scaled(at, lengths.reduce((sum, length) => sum + length, 0) / models.length);
  },
});
