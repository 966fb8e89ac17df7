/**
 * SCE (FuseChat 2.0): select the positions where the models differ most, calculate one weight per model and tensor from
 * the squares of its changes there, erase changes against the sign of the sum. mergekit and the authors' own script
 * differ in what the selection is for; both forms are here.
 */

import { boolean, choice, defineMethod, ignored, number, type Evidence, type Values } from './method.ts';
import { deltasOf } from './task-vectors.ts';

/** Index of `fuseai` among the options of `form`. */
const FUSEAI = 1;

/** mergekit's bounds: of the summed mean squares below which shares are equal, and the least divisor. */
const SMALL_ENERGY = 1e-6;
const LEAST_DIVISOR = 1e-6;

/** Whether every position is selected, as kernels see it. */
function isWhole(params: Values): boolean {
  return Math.fround(params.select_topk ?? 1) >= 1;
}

/** Each model's share of the squared change; equal shares where nothing changed, or by mergekit's rule for little. */
function shares(energies: Float64Array, elements: number, isEqualWhereSmall: boolean): Float64Array {
  const total = energies.reduce((sum, e) => sum + e, 0);
  const isSmall = isEqualWhereSmall && total / Math.max(1, elements) < SMALL_ENERGY;
  return energies.map((e) => (total > 0 && !isSmall ? e / total : 1 / energies.length));
}

/** How many of the positions where the models differ at all are selected; in float32, as mergekit counts. */
function selectedCount(params: Values, varied: number): number {
  const { fround } = Math;
  return Math.max(0, Math.floor(fround(fround(params.select_topk ?? 1) * fround(varied))));
}

export const sce = defineMethod({
  name: 'sce',
  title: 'SCE',
  family: 'Evidence',
  summary:
    'Each model weighs, in every tensor, by its share of the change where models differ most; minority signs are erased.',
  paper: 'https://arxiv.org/abs/2408.07990',
  inMergekit: true,
  differences: [
    'Weights follow the changes however small these are. mergekit weighs all models the same where the mean squared changes add up to less than 1e-6, as they do in most fine-tunes; `equal_when_small` brings that back.',
    'Where no position is selected, as in a tensor that nobody changed, the base stays; mergekit 0.1.4 then writes a tensor of another shape.',
    'Among positions of equal variance those that come first in the tensor are selected; mergekit’s choice is arbitrary.',
  ],
  base: 'required',
  models: { min: 1, max: 16 },
  params: {
    select_topk: number({
      least: 0,
      min: 0,
      max: 1,
      default: 1,
      help: 'The share of positions that is selected, of those where the models differ; largest variance first.',
    }),
    form: choice({
      default: 'mergekit',
      options: {
        mergekit: 'Only selected positions are merged; elsewhere the base stays.',
        fuseai: 'The selection only decides the weights; all positions are merged, as in FuseChat 2.0’s own script.',
      },
      help: 'What the selection is for.',
    }),
    equal_when_small: boolean({
      default: false,
      help: 'As in mergekit: models weigh the same in tensors whose mean squared changes add up to less than 1e-6.',
    }),
    int8_mask: ignored('Only saves memory in mergekit; the result is the same.'),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'As FuseChat was made',
      when: 'Use it to merge as the authors of FuseChat 2.0 did: a tenth of the positions decides, all are merged.',
      params: { select_topk: 0.1, form: 'fuseai', equal_when_small: false },
      perModel: {},
    },
    {
      name: 'The telling tenth',
      when: 'Use it where the models differ in few places, and everything else shall stay as in the base.',
      params: { select_topk: 0.1, form: 'mergekit', equal_when_small: false },
      perModel: {},
    },
    {
      name: 'All positions',
      when: 'Use it where the models’ changes are spread out, so that a selection would lose most of them.',
      params: { select_topk: 1, form: 'mergekit', equal_when_small: false },
      perModel: {},
    },
  ],
  statistics: () => null,
  passes: [
    {
      kind: 'sums',
      name: 'varied',
      isNeeded: (params) => !isWhole(params),
      over: 'tensor',
      quantities: () => 1,
    },
    {
      kind: 'select',
      name: 'variance',
      isNeeded: (params) => !isWhole(params),
      keys: () => 1,
      slots: () => 1,
      select: ({ params, passes }) => [{ key: 0, count: selectedCount(params, passes.get('varied')?.totals[0] ?? 0) }],
    },
    { kind: 'sums', name: 'energy', over: 'tensor', quantities: (models) => models },
  ],
  coefficients({ models, params, passes, elements }: Evidence) {
    const energies = passes.get('energy')?.totals ?? new Float64Array(models);
    return shares(energies, elements, params.equal_when_small === 1);
  },
  reference(input) {
    const { base, params } = input;
    const deltas = deltasOf(input);
    const elements = base?.length ?? 0;
    const isSelected = selection(deltas, params);
    const energies = deltas.map((delta) => delta.reduce((sum, d, i) => sum + (isSelected[i] ? d * d : 0), 0));
    const weights = shares(Float64Array.from(energies), elements, params.equal_when_small === 1);
    return Float64Array.from(base ?? [], (origin, i) => {
      if (params.form !== FUSEAI && !isSelected[i]) return origin;
      const changes = deltas.map((delta) => delta[i] ?? 0);
      const vote = changes.reduce((sum, d) => Math.fround(sum + d), 0);
      let sum = 0;
      let divisor = 0;
      changes.forEach((d, k) => {
        if (!(vote >= 0 ? d > 0 : d < 0)) return;
        sum += (weights[k] ?? 0) * d;
        divisor += weights[k] ?? 0;
      });
      return origin + sum / (params.form === FUSEAI ? divisor || 1 : Math.max(divisor, LEAST_DIVISOR));
    });
  },
});

/** The oracle's selection: population variances, rounded to the float32 in which mergekit has them, largest first. */
function selection(deltas: readonly Float64Array[], params: Values): boolean[] {
  const elements = deltas[0]?.length ?? 0;
  if (isWhole(params)) return Array.from({ length: elements }, () => true);
  const variances = Float64Array.from({ length: elements }, (_, i) => {
    // Taken from the first model's change, so that changes that are all the same have no variance at all.
    const own = deltas.map((delta) => (delta[i] ?? 0) - (deltas[0]?.[i] ?? 0));
    const mean = own.reduce((sum, d) => sum + d, 0) / own.length;
    return Math.fround(own.reduce((sum, d) => sum + (d - mean) ** 2, 0) / own.length);
  });
  const count = selectedCount(params, variances.filter((v) => v > 0).length);
  const isSelected = Array.from({ length: elements }, () => false);
  const order = Uint32Array.from(variances.keys()).sort((a, b) => (variances[b] ?? 0) - (variances[a] ?? 0) || a - b);
  for (const i of order.subarray(0, count)) isSelected[i] = true;
  return isSelected;
}
