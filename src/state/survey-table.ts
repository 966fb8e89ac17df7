/**
 * Survey table: the survey's tensors as rows of figures that can be searched, sorted, moved through and written as
 * CSV. Pure, and made for 100 000 tensors: rows are an index array, keys are typed, and what would take long goes in
 * slices. Not what is on the screen (`ui/models-table.tsx`).
 */

import type { Survey } from './engine-api.ts';

/** What a column shows. With `at`: of one model, or of one pair of models. */
export type ColumnKind =
  | 'tensor'
  | 'layer'
  | 'module'
  | 'dtype'
  | 'shape'
  | 'elements'
  | 'relative'
  | 'rms'
  | 'largest'
  | 'unchanged'
  | 'cosine'
  | 'conflict';

export interface TableColumn {
  /** Unlike any other column's: `tensor`, `relative 0`. */
  readonly id: string;
  readonly kind: ColumnKind;
  /** Number of the model, or of the pair; 0 where there is but one of its kind. */
  readonly at: number;
  /** The models that it is about. */
  readonly models: readonly number[];
}

export type Direction = 'ascending' | 'descending';

/** With more models than this, pairs have no columns: they are too many. */
export const MOST_PAIRED_MODELS = 3;

/** The models of each pair, in the survey's order: (0,1), (0,2), (1,2), (0,3) … */
export function pairsOf(models: number): readonly (readonly [number, number])[] {
  return Array.from({ length: models }, (_, j) => Array.from({ length: j }, (__, i) => [i, j] as const)).flat();
}

/** All columns of a survey, in the order of the table. */
export function columnsOf({ models }: Pick<Survey, 'models'>): readonly TableColumn[] {
  const single = (kind: ColumnKind): TableColumn => ({ id: kind, kind, at: 0, models: [] });
  const perModel = (kind: ColumnKind) =>
    models.map((_, at): TableColumn => ({ id: `${kind} ${at}`, kind, at, models: [at] }));
  const pairs = models.length > MOST_PAIRED_MODELS ? [] : pairsOf(models.length);
  return [
    ...(['tensor', 'layer', 'module', 'dtype', 'shape', 'elements'] as const).map(single),
    ...(['relative', 'rms', 'largest', 'unchanged'] as const).flatMap(perModel),
    ...pairs.map((pair, at): TableColumn => ({ id: `cosine ${at}`, kind: 'cosine', at, models: pair })),
    ...(models.length > 1 ? [single('conflict')] : []),
  ];
}

/** The figure of a tensor in a column; of `tensor` its place in the result, of words such as `module` their number. */
export function valueAt(survey: Survey, { kind, at }: TableColumn, tensor: number): number {
  const { models } = survey;
  const ofModel = (values: Float64Array) => values[tensor * models.length + at] ?? Number.NaN;
  switch (kind) {
    case 'tensor':
      return tensor;
    case 'layer':
      return survey.layers[tensor] ?? -1;
    case 'module':
      return survey.modules[tensor] ?? -1;
    case 'dtype':
      return survey.dtypes[tensor] ?? -1;
    case 'shape':
      return survey.shapes[tensor] ?? -1;
    case 'elements':
      return survey.elements[tensor] ?? Number.NaN;
    case 'relative':
      return ofModel(survey.relativeChange);
    case 'rms':
      return ofModel(survey.rmsChange);
    case 'largest':
      return ofModel(survey.maxChange);
    case 'unchanged':
      return ofModel(survey.unchangedShare);
    case 'cosine':
      return survey.cosines[tensor * ((models.length * (models.length - 1)) / 2) + at] ?? Number.NaN;
    case 'conflict':
      return survey.conflictShare[tensor] ?? Number.NaN;
    default:
      return kind satisfies never;
  }
}

/** The words of a column that counts them; null for figures. */
function wordsOf(survey: Survey, kind: ColumnKind): readonly string[] | null {
  if (kind === 'module') return survey.moduleNames;
  if (kind === 'dtype') return survey.dtypeNames;
  return kind === 'shape' ? survey.shapeNames : null;
}

/** The numbers of a shape such as `512×64`; none for a scalar. */
export function dimensionsOf(shape: string): number[] {
  return shape.split('×').map(Number).filter(Number.isFinite);
}

/** Fewer dimensions first, then by the first that differs. */
function isSmaller(one: string, other: string): boolean {
  const [a, b] = [dimensionsOf(one), dimensionsOf(other)];
  if (a.length !== b.length) return a.length < b.length;
  const at = a.findIndex((length, i) => length !== b[i]);
  return (a[at] ?? 0) < (b[at] ?? 0);
}

/** The place of each word in their order. */
function ranksOf(words: readonly string[], isBefore: (a: string, b: string) => boolean): Float64Array {
  const order = [...words.keys()].sort((a, b) => (isBefore(words[a] ?? '', words[b] ?? '') ? -1 : 1));
  const rank = new Float64Array(order.length);
  order.forEach((word, place) => {
    rank[word] = place;
  });
  return rank;
}

/** One sort key per tensor. `names` are the tensors' places in alphabetical order, which `nameRanks` finds. */
export function sortKeys(survey: Survey, column: TableColumn, names: Float64Array | null): Float64Array {
  if (column.kind === 'tensor' && names !== null) return names;
  const keys = new Float64Array(survey.tensors.length);
  const words = wordsOf(survey, column.kind);
  if (words !== null) {
    const rank = ranksOf(words, column.kind === 'shape' ? isSmaller : (a, b) => a < b);
    for (let t = 0; t < keys.length; t++) keys[t] = rank[valueAt(survey, column, t)] ?? Number.NaN;
    return keys;
  }
  for (let t = 0; t < keys.length; t++) keys[t] = valueAt(survey, column, t);
  return keys;
}

/** 16 bits at a time. */
const RADIX = 1 << 16;
/** Below this many rows a comparison sort is faster. */
const FEW_ROWS = 4096;

/**
 * Rows in the order of their keys. Equal keys keep the order of `rows`, in both directions, and rows without a number
 * come last in both.
 * @param rows numbers of tensors.
 * @param keys one per tensor (not per row).
 */
export function sorted(rows: Int32Array, keys: Float64Array, direction: Direction): Int32Array {
  const isNumber = (row: number) => !Number.isNaN(keys[row] ?? Number.NaN);
  const known = rows.filter(isNumber);
  const unknown = rows.filter((row) => !isNumber(row));
  const order = known.length < FEW_ROWS ? compared(known, keys, direction) : radixSorted(known, keys, direction);
  const result = new Int32Array(rows.length);
  result.set(order);
  result.set(unknown, order.length);
  return result;
}

function compared(rows: Int32Array, keys: Float64Array, direction: Direction): Int32Array {
  const sign = direction === 'ascending' ? 1 : -1;
  return rows.slice().sort((a, b) => sign * ((keys[a] ?? 0) - (keys[b] ?? 0)));
}

/** Least digit first over the 64 bits of each key, turned so that they order as unsigned numbers do. */
function radixSorted(rows: Int32Array, keys: Float64Array, direction: Direction): Int32Array {
  const count = rows.length;
  const digits = new Uint16Array(count * 4);
  const value = new Float64Array(1);
  const halves = new Uint32Array(value.buffer);
  const turned = direction === 'ascending' ? 0 : 0xffffffff;
  for (let i = 0; i < count; i++) {
    // −0 is 0.
    value[0] = (keys[rows[i] ?? 0] ?? 0) + 0;
    let low = halves[0] ?? 0;
    let high = halves[1] ?? 0;
    if (high >>> 31 === 1) {
      low = ~low;
      high = ~high;
    } else high ^= 0x80000000;
    low ^= turned;
    high ^= turned;
    digits[i * 4] = low;
    digits[i * 4 + 1] = low >>> 16;
    digits[i * 4 + 2] = high;
    digits[i * 4 + 3] = high >>> 16;
  }
  let from = Int32Array.from({ length: count }, (_, i) => i);
  let to = new Int32Array(count);
  const starts = new Uint32Array(RADIX);
  for (let digit = 0; digit < 4; digit++) {
    starts.fill(0);
    for (let i = 0; i < count; i++) {
      const d = digits[i * 4 + digit] ?? 0;
      starts[d] = (starts[d] ?? 0) + 1;
    }
    let start = 0;
    for (let d = 0; d < RADIX; d++) {
      const own = starts[d] ?? 0;
      starts[d] = start;
      start += own;
    }
    for (let i = 0; i < count; i++) {
      const at = from[i] ?? 0;
      const d = digits[at * 4 + digit] ?? 0;
      const place = starts[d] ?? 0;
      to[place] = at;
      starts[d] = place + 1;
    }
    [from, to] = [to, from];
  }
  return from.map((i) => rows[i] ?? 0);
}

/** Names that are compared, or keys that are made, before others get a turn: a few milliseconds. */
const SLICE = 4000;

/**
 * Every name's place in alphabetical order, with numbers in it by their value: `layers.2` before `layers.10`.
 * @param pause lets others have a turn; called every few milliseconds.
 */
export async function nameRanks(names: readonly string[], pause: () => Promise<void>): Promise<Float64Array> {
  const keys: string[] = [];
  for (const name of names) {
    if (keys.length % SLICE === SLICE - 1) await pause();
    keys.push(name.replace(/\d+/g, (digits) => digits.padStart(12, '0')));
  }
  const isBefore = (a: number, b: number) => (keys[a] ?? '') <= (keys[b] ?? '');
  let from = Int32Array.from(names.keys());
  let to = new Int32Array(names.length);
  let done = 0;
  for (let width = 1; width < names.length; width *= 2) {
    for (let start = 0; start < names.length; start += 2 * width) {
      const middle = Math.min(start + width, names.length);
      const end = Math.min(start + 2 * width, names.length);
      let left = start;
      let right = middle;
      for (let place = start; place < end; place++) {
        const isLeft = left < middle && (right >= end || isBefore(from[left] ?? 0, from[right] ?? 0));
        to[place] = from[isLeft ? left++ : right++] ?? 0;
        if (++done % SLICE === 0) await pause();
      }
    }
    [from, to] = [to, from];
  }
  const ranks = new Float64Array(names.length);
  from.forEach((name, place) => {
    ranks[name] = place;
  });
  return ranks;
}

const lowered = new WeakMap<Survey, readonly string[]>();

function lowerNames(survey: Survey): readonly string[] {
  const known = lowered.get(survey) ?? survey.tensors.map((name) => name.toLowerCase());
  lowered.set(survey, known);
  return known;
}

/** Whether a tensor is what one word of a search asks for. */
type Test = (tensor: number) => boolean;

function testOf(survey: Survey, word: string): Test {
  const layers = /^layer:(\d+)(?:-(\d+))?$/.exec(word);
  if (layers) {
    const first = Number(layers[1]);
    const last = Number(layers[2] ?? layers[1]);
    return (tensor) => {
      const layer = survey.layers[tensor] ?? -1;
      return layer >= first && layer <= last;
    };
  }
  if (word === 'layer:none') return (tensor) => survey.layers[tensor] === -1;
  const module = /^module:(.+)$/.exec(word)?.[1];
  if (module !== undefined) {
    const isWanted = survey.moduleNames.map((name) => name.toLowerCase().includes(module));
    return (tensor) => isWanted[survey.modules[tensor] ?? -1] === true;
  }
  const dtype = /^dtype:(.+)$/.exec(word)?.[1];
  if (dtype !== undefined) {
    const isWanted = survey.dtypeNames.map((name) => name.toLowerCase().includes(dtype));
    return (tensor) => isWanted[survey.dtypes[tensor] ?? -1] === true;
  }
  const shape = /^shape:(.+)$/.exec(word)?.[1];
  if (shape !== undefined) {
    // Numbers that follow one another in it: 64 is a part of 512×64, and not of 640.
    const wanted = `×${shape.replaceAll(/[x*,]/g, '×')}×`;
    const isWanted = survey.shapeNames.map((name) => `×${name}×`.includes(wanted));
    return (tensor) => isWanted[survey.shapes[tensor] ?? -1] === true;
  }
  const names = lowerNames(survey);
  return (tensor) => names[tensor]?.includes(word) === true;
}

/**
 * The tensors that a search finds, in the result's order. Each of its words must hold: a part of the name, or
 * `layer:12`, `layer:4-8`, `layer:none`, `module:mlp`, `dtype:bf16`, `shape:512x64`, `shape:64`. Case does not matter.
 */
export function found(survey: Survey, search: string): Int32Array {
  const tests = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => testOf(survey, word));
  const rows = new Int32Array(survey.tensors.length);
  let count = 0;
  for (let tensor = 0; tensor < rows.length; tensor++) {
    if (tests.every((test) => test(tensor))) rows[count++] = tensor;
  }
  return rows.subarray(0, count);
}

/** Where a key leads from a row of `count`; null where the key does not move. A page is `page` rows. */
export function movedRow(key: string, row: number, count: number, page: number): number | null {
  const to = { ArrowDown: row + 1, ArrowUp: row - 1, PageDown: row + page, PageUp: row - page, Home: 0, End: count }[
    key
  ];
  return to === undefined || count === 0 ? null : Math.max(0, Math.min(count - 1, to));
}
