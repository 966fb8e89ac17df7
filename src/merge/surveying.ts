/**
 * Surveying: makes a survey, and histograms of the changes, of what was measured. Pure: one walk over the tensors. Not the
 * contract (`survey.ts`), the measuring (`evidence.ts`), nor what is said of the figures (`insights.ts`, `recommend.ts`).
 */

import { SIZE_BINS } from '../methods/kernel.ts';
import type { Sums } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { placeOf } from '../recipe/unit.ts';
import { type ChangeSums, exponentOf, pairOf, pairsOf } from './change-sums.ts';
import { insightsOf } from './insights.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { recommendedStart } from './recommend.ts';
import type { Statistics } from './statistics.ts';
import type { ChangeHistogram, Survey, SurveyTotals } from './survey.ts';

/** The figures of a survey, without what is said of them. */
export type SurveyFigures = Omit<Survey, 'insights' | 'start'>;

/** A tensor whose change has no size, and the models by which it has none. */
export interface BrokenTensor {
  readonly tensor: string;
  readonly models: readonly string[];
}

/**
 * The recipe whose lineup is surveyed: the same checkpoints, whatever the method makes of them, and muted models, too.
 * Null where it names no base: nothing is a change then.
 */
export function surveyRecipe(recipe: Recipe): Recipe | null {
  if (recipe.base === null && recipe.modules === undefined) return null;
  const models = recipe.models
    .filter(({ model }) => model !== recipe.base)
    .map(({ model }) => ({ model, parameters: {} }));
  return { ...recipe, method: 'task_arithmetic', models, parameters: {} };
}

/** The survey of a lineup, of what is known of it. */
export function survey(lineup: Lineup, statistics: Statistics): Survey {
  const figures = figuresOf(lineup, statistics);
  const broken = lineup.tensors.flatMap(({ name }): BrokenTensor[] => {
    const reason = statistics.unmeasurable(name);
    return reason ? [{ tensor: name, models: reason.models }] : [];
  });
  // What is written out slice by slice, or stage by stage, has no one method to begin with.
  const { modules, stages = [] } = lineup.recipe;
  const start = modules === undefined && stages.length === 0 ? recommendedStart(figures) : null;
  return { ...figures, insights: insightsOf(figures, broken), start };
}

/** Words that many tensors share, each kept once. */
class Index {
  readonly #places = new Map<string, number>();

  /** The word's place. */
  of(word: string): number {
    const place = this.#places.get(word) ?? this.#places.size;
    this.#places.set(word, place);
    return place;
  }

  names(): string[] {
    return [...this.#places.keys()];
  }
}

/** Columns of `length` numbers that are not known yet. */
function unknown(length: number): Float64Array {
  return new Float64Array(length).fill(Number.NaN);
}

/** The figures of a lineup. */
export function figuresOf(lineup: Lineup, statistics: Statistics): SurveyFigures {
  const { tensors, models } = lineup;
  const count = models.length;
  const pairs = pairsOf(count);
  const moduleNames = new Index();
  const shapeNames = new Index();
  const dtypeNames = new Index();
  const columns = {
    layers: new Int32Array(tensors.length),
    modules: new Int32Array(tensors.length),
    shapes: new Int32Array(tensors.length),
    dtypes: new Int32Array(tensors.length),
    elements: new Float64Array(tensors.length),
    baseRms: unknown(tensors.length),
    rmsChange: unknown(tensors.length * count),
    relativeChange: unknown(tensors.length * count),
    maxChange: unknown(tensors.length * count),
    unchangedShare: unknown(tensors.length * count),
    cosines: unknown(tensors.length * pairs),
    conflicts: unknown(tensors.length * pairs),
    conflictShare: unknown(tensors.length),
  };
  const totals = new TotalSums(count);
  tensors.forEach((tensor, t) => {
    const { layer, module } = placeOf(tensor.name);
    columns.layers[t] = layer ?? -1;
    columns.modules[t] = moduleNames.of(module);
    columns.shapes[t] = shapeNames.of(tensor.shape.join('×') || 'scalar');
    columns.dtypes[t] = dtypeNames.of([...new Set(tensor.dtypes)].join(', '));
    columns.elements[t] = tensor.elements;
    const sums = tensor.hasBase ? statistics.of(tensor.name) : null;
    if (!sums) return;
    const changes = statistics.changesOf(tensor.name);
    totals.add(tensor, sums, changes);
    fill(columns, t, count, tensor, sums, changes);
  });
  return {
    base: lineup.base?.name ?? null,
    models: models.map(({ name }) => name),
    tensors: tensors.map(({ name }) => name),
    moduleNames: moduleNames.names(),
    shapeNames: shapeNames.names(),
    dtypeNames: dtypeNames.names(),
    ...columns,
    totals: totals.shares(),
  };
}

type Columns = Pick<
  SurveyFigures,
  | 'baseRms'
  | 'rmsChange'
  | 'relativeChange'
  | 'maxChange'
  | 'unchangedShare'
  | 'cosines'
  | 'conflicts'
  | 'conflictShare'
>;

/** Writes one tensor's figures. */
function fill(
  to: Columns,
  t: number,
  count: number,
  tensor: BlendTensor,
  sums: Sums,
  changes: ChangeSums | null,
): void {
  const { elements, modelOf } = tensor;
  const own = modelOf.length;
  const pairs = pairsOf(count);
  const squares = (k: number) => sums.gram[k * own + k] ?? 0;
  const base = changes?.baseSquares ?? Number.NaN;
  to.baseRms[t] = Math.sqrt(base / elements);
  modelOf.forEach((model, k) => {
    const at = t * count + model;
    to.rmsChange[at] = Math.sqrt(squares(k) / elements);
    to.relativeChange[at] = ratio(squares(k), base);
    to.maxChange[at] = sums.max[k] ?? 0;
    to.unchangedShare[at] = 1 - (sums.changed[k] ?? 0) / elements;
    for (let j = 0; j < k; j++) {
      const pair = t * pairs + pairOf(modelOf[j] ?? 0, model);
      to.cosines[pair] = cosine(sums.gram[j * own + k] ?? 0, squares(j), squares(k));
      if (changes) to.conflicts[pair] = (changes.opposed[pairOf(j, k)] ?? 0) / elements;
    }
  });
  if (changes) to.conflictShare[t] = changes.contested / elements;
}

/** √(change / base): 0 where nothing changed, whatever the base is. */
function ratio(squares: number, base: number): number {
  return squares === 0 && !Number.isNaN(base) ? 0 : Math.sqrt(squares / base);
}

/** NaN where either has no direction. */
function cosine(dot: number, a: number, b: number): number {
  const length = Math.sqrt(a) * Math.sqrt(b);
  return length > 0 ? Math.min(1, Math.max(-1, dot / length)) : Number.NaN;
}

/** Sums over tensors, for the totals. */
class TotalSums {
  readonly #count: number;
  readonly #elements: Float64Array;
  readonly #changed: Float64Array;
  readonly #squares: Float64Array;
  /** Squares and the base's, of tensors where both are known. */
  readonly #comparedSquares: Float64Array;
  readonly #baseSquares: Float64Array;
  /** Pairs, of tensors that both have. */
  readonly #dots: Float64Array;
  readonly #pairSquares: Float64Array;
  readonly #opposed: Float64Array;
  readonly #pairElements: Float64Array;

  constructor(count: number) {
    this.#count = count;
    this.#elements = new Float64Array(count);
    this.#changed = new Float64Array(count);
    this.#squares = new Float64Array(count);
    this.#comparedSquares = new Float64Array(count);
    this.#baseSquares = new Float64Array(count);
    this.#dots = new Float64Array(count * count);
    this.#pairSquares = new Float64Array(count * count);
    this.#opposed = new Float64Array(count * count);
    this.#pairElements = new Float64Array(count * count);
  }

  add({ elements, modelOf }: BlendTensor, sums: Sums, changes: ChangeSums | null): void {
    const own = modelOf.length;
    const count = this.#count;
    const gram = (j: number, k: number) => sums.gram[j * own + k] ?? 0;
    modelOf.forEach((model, k) => {
      increase(this.#elements, model, elements);
      increase(this.#changed, model, sums.changed[k] ?? 0);
      increase(this.#squares, model, gram(k, k));
      if (changes && Number.isFinite(changes.baseSquares)) {
        increase(this.#comparedSquares, model, gram(k, k));
        increase(this.#baseSquares, model, changes.baseSquares);
      }
      modelOf.forEach((other, j) => {
        const at = model * count + other;
        increase(this.#dots, at, gram(j, k));
        // The row's model's own, over what it shares with the column's.
        increase(this.#pairSquares, at, gram(k, k));
        if (!changes) return;
        increase(this.#pairElements, at, elements);
        if (j !== k) increase(this.#opposed, at, changes.opposed[pairOf(j, k)] ?? 0);
      });
    });
  }

  shares(): SurveyTotals {
    const count = this.#count;
    const models = Array.from({ length: count }, (_, k) => k);
    const each = (of: (k: number) => number) => models.map(of);
    const of = (column: Float64Array, at: number) => column[at] ?? 0;
    const pairs = (value: (at: number, mirrored: number) => number) =>
      models.flatMap((k) => models.map((j) => value(k * count + j, j * count + k)));
    return {
      rmsChange: each((k) => Math.sqrt(of(this.#squares, k) / of(this.#elements, k))),
      relativeChange: each((k) => ratio(of(this.#comparedSquares, k), of(this.#baseSquares, k) || Number.NaN)),
      unchangedShare: each((k) => 1 - of(this.#changed, k) / of(this.#elements, k)),
      cosines: pairs((at, mirrored) =>
        cosine(of(this.#dots, at), of(this.#pairSquares, at), of(this.#pairSquares, mirrored)),
      ),
      conflicts: pairs((at) => of(this.#opposed, at) / of(this.#pairElements, at)),
    };
  }
}

function increase(column: Float64Array, at: number, by: number): void {
  column[at] = (column[at] ?? 0) + by;
}

/** How large the changes are in one tensor, or (null) in all that were measured; null where none was. */
export function histogramOf(lineup: Lineup, statistics: Statistics, tensor: string | null): ChangeHistogram | null {
  const count = lineup.models.length;
  const counts = new Float64Array(count * SIZE_BINS);
  const unchanged = new Float64Array(count);
  let isMeasured = false;
  for (const own of lineup.tensors) {
    if (tensor !== null && own.name !== tensor) continue;
    const sums = own.hasBase ? statistics.of(own.name) : null;
    const sizes = statistics.changesOf(own.name)?.sizes;
    if (!sums || !sizes) continue;
    isMeasured = true;
    own.modelOf.forEach((model, k) => {
      increase(unchanged, model, own.elements - (sums.changed[k] ?? 0));
      for (let bin = 0; bin < sizes.bins; bin++) {
        increase(counts, model * SIZE_BINS + sizes.first + bin, sizes.counts[k * sizes.bins + bin] ?? 0);
      }
    });
  }
  if (!isMeasured) return null;
  const models = lineup.models.map(({ name }) => name);
  return { models, firstExponent: exponentOf(0), bins: SIZE_BINS, counts, unchanged };
}
