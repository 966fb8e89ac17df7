/**
 * VaRM: variation ratio merge (FuseChat, arXiv 2402.16107, section 3.3). Each model's weight in a unit is its
 * share of the squared change from the pivot, W_j = e_j / Σ e with e_j = weight_j · mean(δ_j²); the result is
 * Σ W_j θ_j = θ_0 + Σ W_j δ_j, and the pivot where nothing changed. Means are pooled over the unit's elements.
 */

import { choice, defineMethod, number, UNITS, type Values } from './method.ts';

/** Scores of one unit to weights that add up to one, or to all zeros (the pivot) where every score is zero. */
function ratios(scores: Float64Array, temperature: number, shares: Float64Array): Float64Array {
  const models = scores.length;
  const total = scores.reduce((sum, e) => sum + e, 0);
  let weights: Float64Array;
  if (!(total > 0)) {
    weights = new Float64Array(models);
  } else if (Number.isNaN(temperature)) {
    weights = scores.map((e) => e / total);
  } else {
    // Scores are divided by their mean first: raw ones are about 1e-7, where every softmax is uniform.
    const logits = scores.map((e) => (e * models) / total / temperature);
    const top = Math.max(...logits);
    const powers = logits.map((l) => Math.exp(l - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    weights = powers.map((p) => p / sum);
  }
  return shares.every(Number.isNaN) ? weights : withShares(weights, shares);
}

/**
 * Puts the shares that a person has fixed in place; the others divide what is left of one by evidence. Where no
 * evidence is left to divide it by, the rest stays with the pivot: a fixed share is always exactly what was set.
 */
function withShares(weights: Float64Array, shares: Float64Array): Float64Array {
  let fixed = 0;
  let free = 0;
  weights.forEach((w, k) => {
    const share = shares[k] ?? Number.NaN;
    if (Number.isNaN(share)) free += w;
    else fixed += share;
  });
  const rest = Math.max(0, 1 - fixed);
  return weights.map((w, k) => {
    const share = shares[k] ?? Number.NaN;
    if (!Number.isNaN(share)) return share;
    return free > 0 ? (w / free) * rest : 0;
  });
}

function column(perModel: readonly Values[], name: string): Float64Array {
  return Float64Array.from(perModel, (values) => values[name] ?? Number.NaN);
}

export const varm = defineMethod({
  name: 'varm',
  title: 'Variation ratio (VaRM)',
  family: 'Evidence',
  summary: 'Each model weighs, in every part, by its share of the change from the base.',
  paper: 'https://arxiv.org/abs/2402.16107',
  inMergekit: false,
  base: 'required',
  models: { min: 1, max: 16 },
  params: {
    granularity: choice({
      default: 'tensor',
      options: {
        model: 'One weight per model for everything.',
        layer: 'One weight per layer.',
        module: 'One weight per module of a layer, such as its attention or its MLP.',
        tensor: 'One weight per tensor, as the paper recommends.',
        row: 'One weight per row, the parameters of one output.',
        element: 'One weight per single parameter.',
      },
      help: 'The part of a model that shares one weight.',
    }),
    statistic: choice({
      default: 'square',
      options: {
        square: 'The mean of the squared changes, as in the paper.',
        abs: 'The mean of the absolute changes; large changes count for less.',
      },
      help: 'How change is measured.',
    }),
    temperature: number({
      least: 0.001,
      min: 0.05,
      max: 5,
      step: 0.05,
      default: null,
      help: 'Softmax over the scores, in units of their mean: low is decisive, high is even. Off: plain shares.',
    }),
  },
  perModel: {
    weight: number({
      least: 0,
      min: 0,
      max: 4,
      default: 1,
      help: 'Multiplies this model’s evidence before the shares are taken.',
    }),
    share: number({
      least: 0,
      min: 0,
      max: 1,
      default: null,
      help: 'Fixes this model’s weight by hand; the others divide the rest by evidence.',
    }),
  },
  handle: 'share',
  presets: [
    {
      name: 'As in the paper',
      when: 'Use it first: every tensor follows the models by how much they changed it.',
      params: { granularity: 'tensor', statistic: 'square', temperature: null },
      perModel: { weight: 1, share: null },
    },
    {
      name: 'Whole modules',
      when: 'Use it where tensor by tensor tears apart what was learned together, such as the parts of one attention.',
      params: { granularity: 'module', statistic: 'square', temperature: null },
      perModel: { share: null },
    },
    {
      name: 'Winner takes most',
      when: 'Use it where each model learned something of its own, and every module should follow the one that changed it most.',
      params: { granularity: 'module', statistic: 'square', temperature: 0.25 },
      perModel: { share: null },
    },
    {
      name: 'Nearly even',
      when: 'Use it where one model changed far more than the others and drowns them out.',
      params: { granularity: 'tensor', statistic: 'square', temperature: 3 },
      perModel: { share: null },
    },
  ],
  statistics: (params) => UNITS[params.granularity ?? 3] ?? 'tensor',
  coefficients({ models, params, perModel, sums, lineSums }) {
    const weight = column(perModel, 'weight');
    const shares = column(perModel, 'share');
    const temperature = params.temperature ?? Number.NaN;
    const isAbs = params.statistic === 1;
    if (lineSums) {
      const { lines: rows, lineElements: rowElements } = lineSums;
      const total = (k: number, r: number) =>
        isAbs ? lineSums.abs[k * rows + r] : lineSums.gram[(k * models + k) * rows + r];
      const out = new Float64Array(models * rows);
      const scores = new Float64Array(models);
      for (let r = 0; r < rows; r++) {
        for (let k = 0; k < models; k++) scores[k] = ((weight[k] ?? 0) * (total(k, r) ?? 0)) / rowElements;
        ratios(scores, temperature, shares).forEach((w, k) => {
          out[k * rows + r] = w;
        });
      }
      return out;
    }
    if (!sums) return new Float64Array(models); // per element: the kernel takes the ratios itself
    const scores = Float64Array.from({ length: models }, (_, k) => {
      const total = isAbs ? sums.abs[k] : sums.gram[k * models + k];
      return ((weight[k] ?? 0) * (total ?? 0)) / Math.max(1, sums.elements);
    });
    return ratios(scores, temperature, shares);
  },
  reference({ base, models, params, perModel, coefficient }) {
    const out = Float64Array.from(base ?? []);
    if (UNITS[params.granularity ?? 3] !== 'element') {
      models.forEach((x, k) => {
        for (let i = 0; i < out.length; i++) {
          out[i] = (out[i] ?? 0) + coefficient(k, i) * ((x[i] ?? 0) - (base?.[i] ?? 0));
        }
      });
      return out;
    }
    const weight = column(perModel, 'weight');
    const shares = column(perModel, 'share');
    const temperature = params.temperature ?? Number.NaN;
    const scores = new Float64Array(models.length);
    for (let i = 0; i < out.length; i++) {
      const pivot = out[i] ?? 0;
      models.forEach((x, k) => {
        const delta = (x[i] ?? 0) - pivot;
        scores[k] = (weight[k] ?? 0) * (params.statistic === 1 ? Math.abs(delta) : delta * delta);
      });
      const own = ratios(scores, temperature, shares);
      let sum = pivot;
      models.forEach((x, k) => {
        sum += (own[k] ?? 0) * ((x[i] ?? 0) - pivot);
      });
      out[i] = sum;
    }
    return out;
  },
});
