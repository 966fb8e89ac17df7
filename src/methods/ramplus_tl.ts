/**
 * RAM+ (reinforced agent merging plus, tensor-local): RAM, where a model's unshared changes are made larger the more of
 * its changes in the tensor it shares with others.
 */

import { defineMethod, number, type Values } from './method.ts';
import { averaged, REACH_PARAMS, reachOf } from './reach.ts';

/** 1 + r · (shared / own, at most alpha); with no change of its own a model has nothing that this would scale. */
function factorOf(params: Values, shared: number, own: number): number {
  const ratio = shared / Math.max(own, params.epsilon || Number.MIN_VALUE);
  return 1 + (params.r ?? 0) * Math.min(Math.max(ratio, 0), params.alpha ?? 0);
}

export const ramplusTl = defineMethod({
  name: 'ramplus_tl',
  title: 'RAM+ (tensor-local)',
  family: 'Task vectors',
  summary: 'RAM, with changes that one model alone made scaled up by how much it shares with others in the tensor.',
  paper: 'https://arxiv.org/abs/2601.13572',
  inMergekit: true,
  differences: [
    'mergekit has this method from release 0.1.5 on.',
    'Results have the recipe’s dtype; mergekit writes float32 unless `out_dtype` says otherwise.',
  ],
  base: 'required',
  models: { min: 1, max: 16 },
  params: {
    ...REACH_PARAMS,
    r: number({ min: 0, max: 1, default: 0.1, help: 'How strongly a model’s unshared changes are scaled up.' }),
    alpha: number({
      least: 0,
      min: 0,
      max: 2,
      default: 0.2,
      help: 'The most that shared changes per unshared one count for: the scale is at most 1 + r · alpha.',
    }),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'As in the paper',
      when: 'Use it with models from reinforcement learning, where averaging wears down what one model alone learned.',
      params: { epsilon: 1e-5, r: 0.1, alpha: 0.2 },
      perModel: {},
    },
    {
      name: 'Favour the specialists',
      when: 'Use it where skills that only one model has are still too weak.',
      params: { epsilon: 1e-5, r: 0.5, alpha: 1 },
      perModel: {},
    },
  ],
  parts: ['reach'],
  statistics: () => null,
  passes: [{ kind: 'sums', name: 'overlap', over: 'tensor', quantities: (models) => 2 * models }],
  coefficients({ models, params, passes }) {
    const totals = passes.get('overlap')?.totals;
    return Float64Array.from({ length: models }, (_, k) =>
      factorOf(params, totals?.[k] ?? 0, totals?.[models + k] ?? 0),
    );
  },
  reference(input) {
    const { changes, counts } = reachOf(input);
    const countWhere = (k: number, isCounted: (count: number) => boolean) =>
      counts.filter((count, i) => isCounted(count) && changes[k]?.[i] !== 0).length;
    const factors = changes.map((_, k) =>
      factorOf(
        input.params,
        countWhere(k, (count) => count > 1),
        countWhere(k, (count) => count === 1),
      ),
    );
    return averaged(input, (k) => factors[k] ?? 1);
  },
});
