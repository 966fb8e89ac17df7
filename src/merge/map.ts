/**
 * Map: the weights as a person sees and edits them: layer × module × model, with the figures behind each. Derived
 * from weights and statistics; it decides nothing.
 */

import type { PassResult } from '../methods/method.ts';
import type { ParameterValue, Recipe } from '../recipe/recipe.ts';
import { depthOf, resolveAt } from '../recipe/resolve.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { type MapDetail, type MapRowHead, placesOf } from './map-places.ts';
import type { Statistics } from './statistics.ts';
import { evidenceOf, type TensorWeights, unitOf } from './weights.ts';

export type { MapDetail } from './map-places.ts';

/** One cell of the weights map: the models' weights in one module of one layer, say (or one tensor outside layers). */
export interface MapCell {
  /** Index into `rows` and `columns`. */
  readonly row: number;
  readonly column: number;
  /** Substrings of tensor names by which a recipe addresses exactly this cell; empty where none do. */
  readonly filters: readonly string[];
  readonly tensors: number;
  readonly elements: number;
  /** One per model: the mean weight over the cell's elements; NaN where it has none here, or none is known yet. */
  readonly weights: readonly number[];
  /** One per model: smallest and largest weight in the cell (equal where all tensors share one). */
  readonly ranges: readonly (readonly [number, number])[];
  /** One per model: root mean square of the change from the base; null where it was not measured. */
  readonly rmsChange: readonly number[] | null;
  /** One per model: share of elements that differ from the base; null where it was not measured. */
  readonly changedShare: readonly number[] | null;
  /** One per model: true where the recipe sets this cell, or a part of it, by hand. */
  readonly isSet: readonly boolean[];
  /** One per model: the filter of the recipe that decides here; null where none does. */
  readonly setBy: readonly (string | null)[];
}

/** layer × module × model. */
export interface WeightsMap {
  readonly detail: MapDetail;
  /** Model names in the recipe's order, the base left out. */
  readonly models: readonly string[];
  /** One per model: true where it is muted. Its weights are those that its settings say, and take no part. */
  readonly isMuted: readonly boolean[];
  /**
   * The per-model parameter that a hand on the map sets (`share` for varm, `weight` for linear); null where there is
   * none, and the map can only be read.
   */
  readonly handle: string | null;
  /** Range of the handle. */
  readonly handleMin: number;
  readonly handleMax: number;
  readonly rows: readonly MapRowHead[];
  readonly columns: readonly string[];
  readonly cells: readonly MapCell[];
  /** Said under the map, such as that weights are finer than a cell, or which parameters decide them. May be empty. */
  readonly note: string;
}

/** How a lineup is to be shown. */
export interface MapView {
  readonly detail?: MapDetail | undefined;
  /** The recipe as it is written, with its muted models; where it is left out, the lineup's own. */
  readonly written?: Recipe | undefined;
}

/** A model of the map: where it stands in the lineup (-1 where it is muted), and its entry in the recipe. */
interface MapModel {
  readonly name: string;
  readonly place: number;
  readonly entry: Recipe['models'][number] | null;
}

function modelsOf({ recipe, models }: Lineup, written: Recipe): MapModel[] {
  if (recipe.modules !== undefined || written.models.length === 0) {
    return models.map(({ name }, place) => ({ name, place, entry: null }));
  }
  let heard = 0;
  return written.models.map((entry) => {
    const place = entry.isMuted ? -1 : heard++;
    return { name: models[place]?.name ?? entry.model, place, entry };
  });
}

/**
 * The weights map of a lineup.
 * @param statistics what was measured; cells of tensors that were not measured have no figures of change.
 * @param known weights that were found with everything that their method looks for, by tensor, where there are any.
 */
export function weightsMap(
  lineup: Lineup,
  statistics: Statistics | null,
  known: ReadonlyMap<string, TensorWeights> | null = null,
  { detail = 'modules', written = lineup.recipe }: MapView = {},
): WeightsMap {
  const { method, recipe } = lineup;
  const isSliced = recipe.modules !== undefined;
  const handle = isSliced ? null : method.handle;
  const declared = handle === null ? undefined : method.perModel[handle];
  const { rows, columns, parts } = placesOf(lineup.tensors, detail);
  const models = modelsOf(lineup, written);
  const shown = lineup.tensors.map((tensor) => shownWeights(lineup, tensor, statistics, known?.get(tensor.name)));
  const weightsOf = new Map(lineup.tensors.map((tensor, i) => [tensor, shown[i] ?? null]));
  const cells = parts.map(({ row, column, filters, tensors }): MapCell => {
    const own = tensors.map((tensor) => ({ tensor, weights: weightsOf.get(tensor) ?? null }));
    const found = weightsOfCell(own, lineup.models.length);
    const changes = changesOfCell(tensors, statistics, lineup.models.length);
    const at = <T>(values: readonly T[], { place }: MapModel, muted: T) =>
      place < 0 ? muted : (values[place] ?? muted);
    const quiet = models.map((model) => (model.place < 0 ? quietWeight(lineup, written, model, tensors) : Number.NaN));
    const hands = models.map(({ entry }) => handOn(entry?.parameters[handle ?? ''], filters, tensors));
    return {
      row,
      column,
      filters,
      tensors: tensors.length,
      elements: tensors.reduce((sum, { elements }) => sum + elements, 0),
      weights: models.map((model, k) => at(found.weights, model, quiet[k] ?? Number.NaN)),
      ranges: models.map((model, k) => at(found.ranges, model, [quiet[k] ?? Number.NaN, quiet[k] ?? Number.NaN])),
      rmsChange: changes.rmsChange && models.map((model) => at(changes.rmsChange ?? [], model, Number.NaN)),
      changedShare: changes.changedShare && models.map((model) => at(changes.changedShare ?? [], model, Number.NaN)),
      isSet: hands.map(({ isSet }) => isSet),
      setBy: hands.map(({ by }) => by),
    };
  });
  return {
    detail,
    models: models.map(({ name }) => name),
    isMuted: models.map(({ place }) => place < 0),
    handle,
    handleMin: declared?.kind === 'number' ? declared.min : 0,
    handleMax: declared?.kind === 'number' ? declared.max : 1,
    rows,
    columns,
    cells,
    note: [noteOf(lineup, shown), missingChanges(lineup, statistics)].filter((text) => text !== '').join(' '),
  };
}

/** What a muted model's settings say of some tensors: their mean; NaN where they say nothing. */
function quietWeight(
  { method, layers }: Lineup,
  written: Recipe,
  { entry }: MapModel,
  tensors: readonly BlendTensor[],
): number {
  const { handle } = method;
  if (handle === null || entry === null) return Number.NaN;
  const scopes = [entry.parameters, written.parameters];
  let sum = 0;
  let elements = 0;
  for (const tensor of tensors) {
    const { perModel } = resolveAt(method, {
      tensor: tensor.name,
      depth: depthOf(tensor.name, layers),
      scopes: [written.parameters],
      models: [{ tensor: tensor.name, scopes }],
    });
    sum += (perModel[0]?.[handle] ?? Number.NaN) * tensor.elements;
    elements += tensor.elements;
  }
  return sum / elements;
}

/** Whether filters of a model's handle reach into a cell, and the first that decides over its first tensor. */
function handOn(
  value: ParameterValue | undefined,
  filters: readonly string[],
  tensors: readonly BlendTensor[],
): { readonly isSet: boolean; readonly by: string | null } {
  const name = tensors[0]?.name;
  if (value?.form !== 'filtered' || name === undefined) return { isSet: false, by: null };
  const decides = value.entries.find(({ filter }) => filter === null || filter === '*' || name.includes(filter));
  const by = decides?.filter === '*' ? null : (decides?.filter ?? null);
  const isWithin = () =>
    value.entries.some((entry) => filters.some((filter) => entry.filter !== null && entry.filter.startsWith(filter)));
  return { isSet: by !== null || isWithin(), by };
}

/** The weights of one tensor as a cell shows them, or why it has none. */
interface ShownWeights {
  /** Per model of the tensor, `k * lines + line`; null where they are found only while the tensor is merged. */
  readonly coefficients: Float64Array | null;
  readonly lines: number;
  /** Whether every element has weights of its own, and these are the models' shares of all the change. */
  readonly isFiner: boolean;
}

const UNKNOWN: ShownWeights = { coefficients: null, lines: 1, isFiner: false };

/** True where the method's coefficients come of passes of its own, so that the map needs `known` weights to show any. */
export function needsPasses(lineup: Lineup, statistics: Statistics | null): boolean {
  if (lineup.method.passes === undefined) return false;
  // All tensors of a method are weighed the same way: the first tells.
  const [first] = lineup.tensors.filter(({ elements }) => elements > 0);
  return first !== undefined && shownWeights(lineup, first, statistics, undefined).coefficients === null;
}

/** What passes found, where none have run; it remembers whether anybody asked. */
class NoPasses extends Map<string, PassResult> {
  isAsked = false;

  override get(_name: string): undefined {
    this.isAsked = true;
    return undefined;
  }
}

function shownWeights(
  lineup: Lineup,
  tensor: BlendTensor,
  statistics: Statistics | null,
  known: TensorWeights | undefined,
): ShownWeights {
  if (tensor.elements === 0) return UNKNOWN;
  const unit = unitOf(lineup, tensor);
  if (known && unit !== 'element') {
    const { values, lines } = known.numbers.coefficients;
    return { coefficients: values, lines, isFiner: false };
  }
  const passes = new NoPasses();
  const evidence = evidenceOf(lineup, tensor, statistics, passes);
  const isFiner = unit === 'element';
  if (unit !== null && !isFiner && !evidence.sums && !evidence.lineSums) return UNKNOWN;
  // Where every element has its own, what is shown is the share of the tensor's change.
  const sums = isFiner ? (statistics?.of(tensor.name) ?? null) : evidence.sums;
  const coefficients = lineup.method.coefficients({ ...evidence, sums });
  if (passes.isAsked) return UNKNOWN;
  const width = tensor.modelOf.length + (lineup.method.extraCoefficients ?? 0);
  return { coefficients, lines: coefficients.length / width, isFiner };
}

/** Mean, smallest and largest weight of each model over some tensors; NaN for models without any. */
function weightsOfCell(
  parts: readonly { readonly tensor: BlendTensor; readonly weights: ShownWeights | null }[],
  models: number,
): Pick<MapCell, 'weights' | 'ranges'> {
  const sums = new Float64Array(models);
  const elements = new Float64Array(models);
  const ranges = Array.from({ length: models }, (): [number, number] => [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
  for (const { tensor, weights } of parts) {
    if (!weights?.coefficients) continue;
    const { coefficients, lines } = weights;
    for (const [k, model] of tensor.modelOf.entries()) {
      elements[model] = (elements[model] ?? 0) + tensor.elements;
      const range = ranges[model];
      for (let line = 0; line < lines; line++) {
        const weight = coefficients[k * lines + line] ?? 0;
        sums[model] = (sums[model] ?? 0) + (weight * tensor.elements) / lines;
        if (!range) continue;
        range[0] = Math.min(range[0], weight);
        range[1] = Math.max(range[1], weight);
      }
    }
  }
  return { weights: Array.from(sums, (sum, model) => sum / (elements[model] ?? 0)), ranges };
}

/** How far each model moved from the base in some tensors; null where that was not measured. */
function changesOfCell(
  tensors: readonly BlendTensor[],
  statistics: Statistics | null,
  models: number,
): Pick<MapCell, 'rmsChange' | 'changedShare'> {
  const squares = new Float64Array(models);
  const changed = new Float64Array(models);
  const elements = new Float64Array(models);
  for (const tensor of tensors) {
    const sums = tensor.hasBase ? (statistics?.of(tensor.name) ?? null) : null;
    if (!sums) return { rmsChange: null, changedShare: null };
    for (const [k, model] of tensor.modelOf.entries()) {
      squares[model] = (squares[model] ?? 0) + (sums.gram[k * tensor.modelOf.length + k] ?? 0);
      changed[model] = (changed[model] ?? 0) + (sums.changed[k] ?? 0);
      elements[model] = (elements[model] ?? 0) + tensor.elements;
    }
  }
  return {
    rmsChange: Array.from(squares, (sum, model) => Math.sqrt(sum / (elements[model] ?? 0))),
    changedShare: Array.from(changed, (count, model) => count / (elements[model] ?? 0)),
  };
}

/** What has to be said of the weights under the map; empty where they speak for themselves. */
function noteOf({ method, recipe }: Lineup, shown: readonly ShownWeights[]): string {
  const sentences: string[] = [];
  if (shown.some(({ isFiner }) => isFiner)) {
    sentences.push('Each element has weights of its own; a cell shows the models’ shares of all the change in it.');
  } else if (shown.some(({ coefficients }) => coefficients === null)) {
    sentences.push(`${method.title} finds its weights tensor by tensor while it merges; none are known before.`);
  }
  if (recipe.modules !== undefined) {
    sentences.push('This recipe takes layers from several models; its weights are set in the recipe’s text.');
  } else if (method.handle === null) {
    const names = Object.entries({ ...method.params, ...method.perModel }).flatMap(([name, p]) =>
      p.kind === 'ignored' ? [] : [name],
    );
    sentences.push(
      names.length === 0
        ? `${method.title} has no weights to set by hand.`
        : `${method.title} has no weights to set by hand; they follow from ${listed(names)}.`,
    );
  }
  return sentences.join(' ');
}

/** Why some cells have no figures of change; empty where all that were measured have. */
function missingChanges({ tensors }: Lineup, statistics: Statistics | null): string {
  const reasons = tensors.flatMap(({ name }) => statistics?.unmeasurable(name)?.reason ?? []);
  const [first] = reasons;
  if (first === undefined) return '';
  const more = reasons.length === 1 ? '' : `, and so do ${reasons.length - 1} more`;
  return `Some cells have no figures of change: ${first}${more}.`;
}

/** `a, b and c`. */
function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
