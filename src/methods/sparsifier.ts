/**
 * Sparsifier: how a method thins out a model's change from the base: which elements stay, and the passes and
 * parameters that this takes. One object per rule; its kernel side are the files it names in `shaders/`. Not what
 * becomes of the changes that stay (`task-vectors.ts`).
 */

import { RecipeFault } from '../bytes/fault.ts';
import {
  choice,
  type Evidence,
  number,
  type Parameters,
  type Pass,
  type ReferenceInput,
  type SelectPass,
  type Values,
} from './method.ts';

/** One way of thinning out. */
export interface Sparsifier {
  /** Parameters beside those of all task vector methods. */
  readonly params: Parameters;
  readonly perModel: Parameters;
  /** WGSL files with `is_kept` and `scale`. */
  readonly parts: readonly string[];
  readonly passes: readonly Pass[];
  readonly ranks: boolean;
  /** Throws RecipeFault where a model's values cannot be used. */
  readonly check: (own: Pick<Evidence, 'tensor' | 'perModel'>, method: string) => void;
  /**
   * The oracle: per element the probability with which it was to stay if it does, else 0. `delta` is what model k
   * changed. Whether a rule is one of chance or not, 1 means that it stays in any case.
   */
  readonly kept: (input: ReferenceInput, k: number, delta: Float64Array) => Float64Array;
}

/** Kernels know parameters in float32, and what they compare with one, the oracle compares with the same. */
const single = Math.fround;

/** Whether nothing is to be thinned out: a density of 1, as kernels see it, or more. */
export function isWhole(values: Values): boolean {
  return single(values.density ?? 1) >= 1;
}

/** mergekit's count of elements that stay, but at least one of a tensor unless the density is 0. */
function keptCount(values: Values, elements: number): number {
  const density = values.density ?? 1;
  if (isWhole(values)) return elements;
  return density > 0 ? Math.min(elements, Math.max(1, Math.floor(density * elements))) : 0;
}

/** Indices by descending size, ties by index. */
function bySize(delta: Float64Array): Uint32Array {
  const size = delta.map(Math.abs);
  return Uint32Array.from(delta.keys()).sort((a, b) => (size[b] ?? 0) - (size[a] ?? 0) || a - b);
}

/** 1 for elements from place `from` to place `to` (exclusive) by descending size, else 0. */
function places(delta: Float64Array, from: number, to: number): Float64Array {
  const out = new Float64Array(delta.length);
  for (const i of bySize(delta).subarray(from, to)) out[i] = 1;
  return out;
}

const DENSITY = {
  density: number({
    least: 0,
    min: 0,
    max: 1,
    default: 1,
    help: 'The share of this model’s changes that stays; 1 keeps all of them.',
  }),
} as const satisfies Parameters;

/** The magnitudes' thresholds; the key is `fn magnitude` in task_vectors.wgsl. */
function magnitudes(per: Pick<SelectPass, 'slots' | 'select'>): SelectPass {
  return {
    kind: 'select',
    name: 'magnitude',
    isNeeded: (_, perModel) => !perModel.every(isWhole),
    keys: (models) => models,
    ...per,
  };
}

/** TIES: the largest changes stay. */
export const KEEP_LARGEST: Sparsifier = {
  params: {},
  perModel: DENSITY,
  parts: ['keep_largest'],
  passes: [
    magnitudes({
      slots: (models) => models,
      select: ({ perModel, elements }) => perModel.map((values, key) => ({ key, count: keptCount(values, elements) })),
    }),
  ],
  ranks: false,
  check: () => {},
  kept: ({ perModel }, k, delta) => places(delta, 0, keptCount(perModel[k] ?? {}, delta.length)),
};

/** Breadcrumbs' places by descending size: the outliers before `from` go, and the smallest from `to` on. */
function middle(values: Values, elements: number): { readonly from: number; readonly to: number } {
  if (isWhole(values)) return { from: 0, to: elements };
  const count = keptCount(values, elements);
  const outliers = Math.min(Math.floor((values.gamma ?? 0) * elements), elements - count);
  return { from: outliers, to: outliers + count };
}

/** Model Breadcrumbs: neither the smallest changes nor the largest stay. */
export const KEEP_MIDDLE: Sparsifier = {
  params: {},
  perModel: {
    ...DENSITY,
    gamma: number({
      least: 0,
      min: 0,
      max: 0.2,
      step: 0.005,
      default: 0.01,
      help: 'The share of this model’s changes, its largest ones, that is dropped as outliers.',
    }),
  },
  parts: ['keep_middle'],
  passes: [
    magnitudes({
      slots: (models) => 2 * models,
      select({ perModel, elements }) {
        const spans = perModel.map((values) => middle(values, elements));
        return [
          ...spans.map(({ to }, key) => ({ key, count: to })),
          ...spans.map(({ from }, key) => ({ key, count: from })),
        ];
      },
    }),
  ],
  ranks: false,
  check: () => {},
  kept({ perModel }, k, delta) {
    const { from, to } = middle(perModel[k] ?? {}, delta.length);
    return places(delta, from, to);
  },
};

/** Parameters of the rules of chance. */
const CHANCE = {
  seed: number({
    strict: true,
    least: 0,
    min: 0,
    max: 2 ** 32 - 1,
    step: 1,
    default: 0,
    help: 'Decides, with the tensor’s name and the model’s place, which changes stay. The same seed gives the same merge.',
  }),
  rescale_by: choice({
    default: 'l1',
    options: {
      l1: 'What stays is scaled, tensor by tensor, to the L1 norm of the whole change, as in mergekit.',
      probability:
        'What stays is divided by the probability with which it did: 1/density for DARE, as in its paper and in PEFT.',
    },
    help: 'How changes that stay make up for those that were dropped, where `rescale` is on.',
  }),
} as const satisfies Parameters;

/** DARE: each change stays with probability `density`. */
export const KEEP_RANDOM: Sparsifier = {
  params: CHANCE,
  perModel: DENSITY,
  parts: ['keep_random'],
  passes: [],
  ranks: false,
  check: () => {},
  kept({ perModel, random }, k, delta) {
    const probability = Math.min(1, single(perModel[k]?.density ?? 1));
    return delta.map((_, i) => (random(k, i) < probability ? probability : 0));
  },
};

/** DELLA (MAGPRUNE): within each row, the larger a change, the more probably it stays. */
export const KEEP_BY_RANK: Sparsifier = {
  params: CHANCE,
  perModel: {
    ...DENSITY,
    epsilon: number({
      min: 0,
      max: 0.5,
      default: 0.15,
      help: 'Within a row the probability to stay rises from density − epsilon for the smallest change to density + epsilon for the largest.',
    }),
  },
  parts: ['keep_random', 'keep_by_rank'],
  passes: [],
  ranks: true,
  check({ perModel, tensor }, method) {
    for (const values of perModel) {
      const density = values.density ?? 1;
      const reach = Math.abs(values.epsilon ?? 0);
      if (isWhole(values) || density <= 0 || (density - reach > 0 && density + reach < 1)) continue;
      throw new RecipeFault(
        `${method} keeps changes with probabilities from density − epsilon to density + epsilon, which must lie between 0 and 1: for ${tensor}, with density ${density}, choose an epsilon below ${round(Math.min(density, 1 - density))} instead of ${reach}.`,
        { tensors: [tensor], density, epsilon: values.epsilon },
      );
    }
  },
  kept({ perModel, random, rowElements }, k, delta) {
    const { density = 1, epsilon = 0 } = perModel[k] ?? {};
    if (isWhole(perModel[k] ?? {})) return delta.map(() => 1);
    if (density <= 0) return new Float64Array(delta.length);
    const out = new Float64Array(delta.length);
    for (let start = 0; start < delta.length; start += rowElements) {
      const row = delta.subarray(start, start + rowElements);
      const last = row.length - 1;
      const ascending = Uint32Array.from(row.keys()).sort(
        (a, b) => Math.abs(row[a] ?? 0) - Math.abs(row[b] ?? 0) || a - b,
      );
      ascending.forEach((i, rank) => {
        const place = last === 0 ? 0.5 : rank / last;
        const probability = density - epsilon + 2 * epsilon * place;
        if (random(k, start + i) < probability) out[start + i] = probability;
      });
    }
    return out;
  },
};

/** A bound as a person reads it. */
function round(value: number): number {
  return Number(value.toFixed(6));
}
