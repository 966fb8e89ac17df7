/**
 * Task vectors: the methods that thin out each model's change from the base, weigh what stays, let the models elect a
 * sign or not, and add up, in mergekit's order of work. What differs between them is the sparsifier, the election and
 * the defaults. Not a method itself, and not `task_arithmetic`, which thins out nothing.
 */

import {
  boolean,
  defineMethod,
  ignored,
  number,
  type Evidence,
  type Method,
  type Preset,
  type ReferenceInput,
  type SumPass,
} from './method.ts';
import { isWhole, type Sparsifier } from './sparsifier.ts';

/** mergekit's guard: a sum of weights this close to zero is not divided by. */
const ZERO_WEIGHT_SUM = 1e-8;

/** mergekit's guard: a change whose L1 norm is below this is not rescaled. */
const ZERO_NORM = 1e-7;

/** Index of `probability` among the options of `rescale_by`. */
const BY_PROBABILITY = 1;

/** Decisions, such as a sign, fall on float32 numbers, in mergekit and in kernels; so they do in the oracle. */
const single = Math.fround;

/** Coefficients of summed task vectors: lambda · weight, divided by the sum of the weights where that is asked for. */
export function summedCoefficients({ params, perModel }: Pick<Evidence, 'params' | 'perModel'>): Float64Array {
  const weights = Float64Array.from(perModel, (values) => values.weight ?? 0);
  const total = weights.reduce((sum, w) => sum + w, 0);
  const divisor = params.normalize === 1 && Math.abs(total) >= ZERO_WEIGHT_SUM ? total : 1;
  return weights.map((w) => ((params.lambda ?? 1) * w) / divisor);
}

function l1Factor(before: number, after: number): number {
  return before < ZERO_NORM || after < ZERO_NORM ? 1 : before / after;
}

/** Σ|δ| of each model, and of what stays of each; found is the factor that makes up for the difference. */
const L1: SumPass = {
  kind: 'sums',
  name: 'l1',
  over: 'tensor',
  isNeeded: (params, perModel) =>
    params.rescale === 1 && params.rescale_by !== BY_PROBABILITY && !perModel.every(isWhole),
  quantities: (models) => 2 * models,
  finds: {
    over: 'tensor',
    width: (models) => models,
    from({ models, passes }) {
      const totals = passes.get('l1')?.totals;
      return Float64Array.from({ length: models }, (_, k) => l1Factor(totals?.[k] ?? 0, totals?.[models + k] ?? 0));
    },
  },
};

/** What tells one of these methods from another. */
export interface TaskVectorMethod {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly paper: string;
  readonly differences: readonly string[];
  readonly sparsifier: Sparsifier;
  /** Whether only changes with the sign of the weighted sum of all count. */
  readonly isElected: boolean;
  readonly normalize: boolean;
  readonly rescale: boolean;
  readonly presets: readonly Preset[];
}

/** A declaration from what is its own. The WGSL file's `merge` calls `summed` or `elected` of task_vectors.wgsl. */
export function defineTaskVectorMethod(own: TaskVectorMethod): Method {
  const { name, title, summary, paper, differences, sparsifier, isElected } = own;
  return defineMethod({
    name,
    title,
    family: 'Task vectors',
    summary,
    paper,
    inMergekit: true,
    differences,
    base: 'required',
    models: { min: 1, max: 16 },
    params: {
      lambda: number({ min: 0, max: 2, default: 1, help: 'Scales the summed change before it is added.' }),
      normalize: boolean({
        default: own.normalize,
        help: isElected
          ? 'Divide each parameter’s change by the sum of the weights of the models that agree on its sign.'
          : 'Divide by the sum of the weights, so that they add up to one.',
      }),
      rescale: boolean({
        default: own.rescale,
        help: 'Scale up what stays of each model’s change to make up for what was dropped.',
      }),
      ...sparsifier.params,
      int8_mask: ignored('Only saves memory in mergekit; the result is the same.'),
    },
    perModel: {
      weight: number({ min: 0, max: 2, default: 1, help: 'How much of this model’s change is added.' }),
      ...sparsifier.perModel,
    },
    handle: 'weight',
    presets: own.presets,
    parts: ['task_vectors', ...sparsifier.parts],
    statistics: () => null,
    passes: [...sparsifier.passes, L1],
    ranks: sparsifier.ranks,
    // With an election the divisor differs from element to element: the kernel takes weight and lambda as parameters.
    check: (own) => sparsifier.check(own, name),
    coefficients(evidence) {
      if (!isElected) return summedCoefficients(evidence);
      return Float64Array.from(evidence.perModel, (values) => (evidence.params.lambda ?? 1) * (values.weight ?? 0));
    },
    reference: (input) => reference(input, sparsifier, isElected),
  });
}

/** What each model changed, as the float32 number that mergekit and kernels work with. */
export function deltasOf({ base, models }: Pick<ReferenceInput, 'base' | 'models'>): Float64Array[] {
  return models.map((x) => x.map((value, i) => single(value - (base?.[i] ?? 0))));
}

/** One model's change, thinned out and rescaled; float32 numbers again, since the vote falls on them. */
function thinned(input: ReferenceInput, sparsifier: Sparsifier, k: number, delta: Float64Array): Float64Array {
  const kept = sparsifier.kept(input, k, delta);
  const stays = delta.map((d, i) => (kept[i] ? d : 0));
  if (input.params.rescale !== 1) return stays;
  const scaled = (d: number, factor: number) => single(d * single(factor));
  if (input.params.rescale_by === BY_PROBABILITY) return stays.map((d, i) => (kept[i] ? scaled(d, 1 / kept[i]) : 0));
  const sum = (values: Float64Array) => values.reduce((total, value) => total + Math.abs(value), 0);
  const factor = l1Factor(sum(delta), sum(stays));
  return stays.map((d) => scaled(d, factor));
}

function reference(input: ReferenceInput, sparsifier: Sparsifier, isElected: boolean): Float64Array {
  const { base, params, perModel } = input;
  const deltas = deltasOf(input).map((delta, k) => thinned(input, sparsifier, k, delta));
  const weights = perModel.map((values) => values.weight ?? 0);
  const lambda = params.lambda ?? 1;
  return Float64Array.from(base ?? [], (origin, i) => {
    const changes = deltas.map((delta) => delta[i] ?? 0);
    const agreeing = isElected ? elect(changes, weights) : changes.map(() => true);
    let sum = 0;
    changes.forEach((change, k) => {
      if (agreeing[k]) sum += (weights[k] ?? 0) * change;
    });
    if (params.normalize === 1) sum /= divisorOf(weights, agreeing, isElected);
    return origin + lambda * sum;
  });
}

/** Which weighted changes have the sign of their sum, zero counting as positive. Zeros never agree. */
function elect(changes: readonly number[], weights: readonly number[]): boolean[] {
  const weighted = changes.map((change, k) => single(single(weights[k] ?? 0) * change));
  const vote = weighted.reduce((sum, change) => single(sum + change), 0);
  return weighted.map((change) => (vote >= 0 ? change > 0 : change < 0));
}

/** The sum of the weights that count; 1 where it is zero: exactly, in float32, after an election; nearly without. */
function divisorOf(weights: readonly number[], agreeing: readonly boolean[], isElected: boolean): number {
  const own = weights.filter((_, k) => agreeing[k]);
  const sum = own.reduce((total, w) => total + w, 0);
  if (!isElected) return Math.abs(sum) < ZERO_WEIGHT_SUM ? 1 : sum;
  return own.reduce((total, w) => single(total + single(w)), 0) === 0 ? 1 : sum;
}
