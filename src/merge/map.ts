/**
 * Map: the weights as a person sees and edits them: layer × module × model, with the figures behind each. Derived
 * from weights and statistics; it decides nothing.
 */

import { placeOf } from '../recipe/unit.ts';
import type { ParameterValue } from '../recipe/recipe.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { addSums, emptySums, type Statistics } from './statistics.ts';
import { weigh, type TensorWeights } from './weights.ts';

/** One cell of the weights map: the models' weights in one module of one layer (or one tensor outside layers). */
export interface MapCell {
  /** Index into `rows` and `columns`. */
  readonly row: number;
  readonly column: number;
  /** The substring of tensor names by which a recipe addresses exactly this cell. */
  readonly filter: string;
  readonly tensors: number;
  readonly elements: number;
  /** One per model: the mean weight over the cell's elements. */
  readonly weights: readonly number[];
  /** One per model: smallest and largest weight in the cell (equal where all tensors share one). */
  readonly ranges: readonly (readonly [number, number])[];
  /** One per model: root mean square of the change from the base; null where it was not measured. */
  readonly rmsChange: readonly number[] | null;
  /** One per model: share of elements that differ from the base; null where it was not measured. */
  readonly changedShare: readonly number[] | null;
  /** One per model: true where the recipe sets this cell by hand. */
  readonly isSet: readonly boolean[];
}

/** layer × module × model. */
export interface WeightsMap {
  /** Model names in the recipe's order, the base left out. */
  readonly models: readonly string[];
  /** The per-model parameter that a hand on the map sets (`share` for varm, `weight` for linear). */
  readonly handle: string;
  /** Range of the handle. */
  readonly handleMin: number;
  readonly handleMax: number;
  readonly rows: readonly { readonly label: string; readonly filter: string }[];
  readonly columns: readonly string[];
  readonly cells: readonly MapCell[];
  /** Said under the map where a weight is finer than a cell, e.g. per element. Empty where there is nothing to say. */
  readonly note: string;
}

/** The column of tensors that lie in no layer. */
const OUTSIDE = 'outside layers';

/** Tensors outside the layers that come before them in a model; the others come after. */
const BEFORE_LAYERS = /embed|wte|wpe/;

interface Group {
  readonly row: string;
  readonly column: string;
  readonly filter: string;
  readonly tensors: BlendTensor[];
}

/**
 * The weights map of a lineup.
 * @param statistics what was measured; cells of tensors that were not measured have no figures of change.
 */
export function weightsMap(lineup: Lineup, statistics: Statistics | null): WeightsMap {
  const { method, models } = lineup;
  const handle = method.perModel[method.handle];
  const groups = groupTensors(lineup.tensors);
  const rows = rowsOf(lineup.tensors);
  const columns = columnsOf(groups);
  let isFiner = false;
  const cells = groups.map((group): MapCell => {
    const means = new Float64Array(models.length);
    const ranges = models.map((): [number, number] => [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    let elements = 0;
    let sums = emptySums(models.length);
    let isMeasured = true;
    for (const tensor of group.tensors) {
      const weights = shownWeights(lineup, tensor, statistics);
      if (weights.unit === 'element') isFiner = true;
      for (let k = 0; k < models.length; k++) {
        for (let r = 0; r < weights.rows; r++) {
          const w = weights.coefficients[k * weights.rows + r] ?? 0;
          means[k] = (means[k] ?? 0) + (w * tensor.elements) / weights.rows;
          const range = ranges[k];
          if (range) {
            range[0] = Math.min(range[0], w);
            range[1] = Math.max(range[1], w);
          }
        }
      }
      elements += tensor.elements;
      const own = statistics?.of(tensor.name);
      if (own) sums = addSums(sums, own);
      else isMeasured = false;
    }
    const n = Math.max(1, elements);
    return {
      row: rows.findIndex((row) => row.label === group.row),
      column: columns.indexOf(group.column),
      filter: group.filter,
      tensors: group.tensors.length,
      elements,
      weights: Array.from(means, (sum) => sum / n),
      ranges,
      rmsChange: isMeasured ? models.map((_, k) => Math.sqrt((sums.gram[k * models.length + k] ?? 0) / n)) : null,
      changedShare: isMeasured ? Array.from(sums.changed, (count) => count / n) : null,
      isSet: lineup.recipe.models.map((model) => hasEntry(model.parameters[method.handle], group.filter)),
    };
  });
  return {
    models: models.map((model) => model.name),
    handle: method.handle,
    handleMin: handle?.kind === 'number' ? handle.min : 0,
    handleMax: handle?.kind === 'number' ? handle.max : 1,
    rows,
    columns,
    cells,
    note: isFiner
      ? 'Each element has weights of its own; a cell shows the models’ shares of all the change in it.'
      : '',
  };
}

/** Per element the kernel decides; what is shown then is the share of the tensor's change. */
function shownWeights(lineup: Lineup, tensor: BlendTensor, statistics: Statistics | null): TensorWeights {
  const weights = weigh(lineup, tensor, statistics);
  if (weights.unit !== 'element') return weights;
  const coefficients = lineup.method.coefficients({
    models: lineup.models.length,
    params: weights.params,
    perModel: weights.perModel,
    sums: statistics?.of(tensor.name) ?? null,
    rowSums: null,
  });
  return { ...weights, coefficients, rows: 1 };
}

function hasEntry(value: ParameterValue | undefined, filter: string): boolean {
  return value?.form === 'filtered' && value.entries.some((entry) => entry.filter === filter);
}

function groupTensors(tensors: readonly BlendTensor[]): Group[] {
  const groups = new Map<string, Group>();
  for (const tensor of tensors) {
    const place = placeOf(tensor.name);
    const isInside = place.layerPath !== null;
    const filter = isInside ? `${place.layerPath}.${place.module}.` : tensor.name;
    const group = groups.get(filter) ?? {
      row: isInside ? `layer ${place.layer}` : place.module,
      column: isInside ? place.module : OUTSIDE,
      filter,
      tensors: [],
    };
    group.tensors.push(tensor);
    groups.set(filter, group);
  }
  return [...groups.values()];
}

function rowsOf(tensors: readonly BlendTensor[]): WeightsMap['rows'] {
  const before = new Map<string, string>();
  const after = new Map<string, string>();
  const layers = new Map<number, string>();
  for (const tensor of tensors) {
    const place = placeOf(tensor.name);
    if (place.layer !== null && place.layerPath !== null) layers.set(place.layer, `${place.layerPath}.`);
    else (BEFORE_LAYERS.test(tensor.name) ? before : after).set(place.module, tensor.name);
  }
  const outside = (found: Map<string, string>) => [...found].map(([label, filter]) => ({ label, filter }));
  return [
    ...outside(before),
    ...[...layers].sort(([a], [b]) => a - b).map(([layer, filter]) => ({ label: `layer ${layer}`, filter })),
    ...outside(after),
  ];
}

/** Modules of the layers, the largest first; then the tensors outside them. */
function columnsOf(groups: readonly Group[]): string[] {
  const elements = new Map<string, number>();
  for (const group of groups) {
    const own = group.tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
    elements.set(group.column, (elements.get(group.column) ?? 0) + own);
  }
  const modules = [...elements.keys()].filter((column) => column !== OUTSIDE);
  modules.sort((a, b) => (elements.get(b) ?? 0) - (elements.get(a) ?? 0));
  return elements.has(OUTSIDE) ? [...modules, OUTSIDE] : modules;
}
