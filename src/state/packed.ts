/**
 * Packed: what has as many parts as a model has tensors, as a few columns: so it crosses from the worker without a hundred
 * thousand objects being cloned on the page's own thread, and is unpacked there bit by bit, with turns for others. Not
 * what it means (`merge/map.ts`, `merge/survey.ts`), nor who sends it (`engine-wire.ts`).
 */

import type { MapCell, Survey, WeightsMap } from './engine-api.ts';

/** Many texts one after another, and the length of each. */
export interface PackedTexts {
  readonly text: string;
  readonly lengths: Uint32Array;
}

/** Lists of texts: all of them, and how many belong to each list. */
export interface PackedLists {
  readonly counts: Uint32Array;
  readonly texts: PackedTexts;
}

/** A weights map whose rows and cells are columns. */
export interface PackedMap extends Omit<WeightsMap, 'rows' | 'cells'> {
  readonly rowLabels: PackedTexts;
  readonly rowFilters: PackedLists;
  /** Row, column and number of tensors of each cell. */
  readonly places: Int32Array;
  readonly elements: Float64Array;
  readonly filters: PackedLists;
  /** One per cell and model. */
  readonly weights: Float64Array;
  /** Two per cell and model. */
  readonly ranges: Float64Array;
  /** 1 where a cell has figures of change; without them its numbers mean nothing. */
  readonly hasChanges: Uint8Array;
  readonly rmsChange: Float64Array;
  readonly changedShare: Float64Array;
  readonly isSet: Uint8Array;
  /** Per cell and model the index of a filter in `setByWords`, or -1. */
  readonly setBy: Int32Array;
  readonly setByWords: readonly string[];
}

/** A survey whose names are packed; its figures are columns anyhow. */
export interface PackedSurvey extends Omit<Survey, 'tensors'> {
  readonly tensors: PackedTexts;
}

/** Packs texts. */
export function packedTexts(texts: readonly string[]): PackedTexts {
  return { text: texts.join(''), lengths: Uint32Array.from(texts, ({ length }) => length) };
}

function packedLists(lists: readonly (readonly string[])[]): PackedLists {
  return { counts: Uint32Array.from(lists, ({ length }) => length), texts: packedTexts(lists.flat()) };
}

/** Packs a weights map. */
export function packedMap({ rows, cells, ...head }: WeightsMap): PackedMap {
  const models = head.models.length;
  const column = () => new Float64Array(cells.length * models).fill(Number.NaN);
  const packed = {
    places: new Int32Array(cells.length * 3),
    elements: Float64Array.from(cells, ({ elements }) => elements),
    weights: column(),
    ranges: new Float64Array(cells.length * models * 2),
    hasChanges: new Uint8Array(cells.length),
    rmsChange: column(),
    changedShare: column(),
    isSet: new Uint8Array(cells.length * models),
    setBy: new Int32Array(cells.length * models).fill(-1),
  };
  const words = new Map<string, number>();
  for (const [c, cell] of cells.entries()) {
    packed.places.set([cell.row, cell.column, cell.tensors], c * 3);
    packed.weights.set(cell.weights, c * models);
    packed.ranges.set(cell.ranges.flat(), c * models * 2);
    if (cell.rmsChange && cell.changedShare) {
      packed.hasChanges[c] = 1;
      packed.rmsChange.set(cell.rmsChange, c * models);
      packed.changedShare.set(cell.changedShare, c * models);
    }
    packed.isSet.set(cell.isSet.map(Number), c * models);
    for (const [m, word] of cell.setBy.entries()) {
      if (word === null) continue;
      const at = words.get(word) ?? words.size;
      words.set(word, at);
      packed.setBy[c * models + m] = at;
    }
  }
  return {
    ...head,
    ...packed,
    rowLabels: packedTexts(rows.map(({ label }) => label)),
    rowFilters: packedLists(rows.map(({ filters }) => filters)),
    filters: packedLists(cells.map(({ filters }) => filters)),
    setByWords: [...words.keys()],
  };
}

/** Packs a survey. Its columns are copies: the engine keeps its own when these are handed over. */
export function packedSurvey({ tensors, ...figures }: Survey): PackedSurvey {
  const own = Object.entries(figures).map(([name, column]) => [
    name,
    column instanceof Float64Array || column instanceof Int32Array ? column.slice() : column,
  ]);
  return { ...(Object.fromEntries(own) as typeof figures), tensors: packedTexts(tensors) };
}

/** The memory that what is packed may be handed over with, instead of being copied. */
export function buffersOf(packed: object): ArrayBuffer[] {
  return Object.values(packed).flatMap((part: unknown) => {
    if (ArrayBuffer.isView(part)) return part.buffer instanceof ArrayBuffer ? [part.buffer] : [];
    return typeof part === 'object' && part !== null && !Array.isArray(part) ? buffersOf(part) : [];
  });
}

/** Unpacks in steps, between which others may have their turn. */
type Unpacking<T> = Generator<undefined, T>;

/** Texts, or cells, that are unpacked before others get a turn: a few milliseconds. */
const SLICE_TEXTS = 20_000;
const SLICE_CELLS = 1500;

/** Unpacks texts. */
export function* unpackingTexts({ text, lengths }: PackedTexts): Unpacking<string[]> {
  const texts: string[] = [];
  let at = 0;
  for (const length of lengths) {
    texts.push(text.slice(at, at + length));
    at += length;
    if (texts.length % SLICE_TEXTS === 0) yield;
  }
  return texts;
}

function* unpackingLists({ counts, texts }: PackedLists): Unpacking<string[][]> {
  const all = yield* unpackingTexts(texts);
  const lists: string[][] = [];
  let at = 0;
  for (const count of counts) {
    lists.push(all.slice(at, at + count));
    at += count;
    if (lists.length % SLICE_TEXTS === 0) yield;
  }
  return lists;
}

/** Unpacks a weights map. */
export function* unpackingMap(packed: PackedMap): Unpacking<WeightsMap> {
  const { rowLabels, rowFilters, places, elements, filters, weights, ranges, hasChanges, ...others } = packed;
  const { rmsChange, changedShare, isSet, setBy, setByWords, ...head } = others;
  const models = head.models.length;
  const labels = yield* unpackingTexts(rowLabels);
  const filtersOfRows = yield* unpackingLists(rowFilters);
  const filtersOfCells = yield* unpackingLists(filters);
  const numbers = Array.from({ length: models }, (_, m) => m);
  const cells: MapCell[] = [];
  for (let c = 0; c < elements.length; c++) {
    if (c % SLICE_CELLS === SLICE_CELLS - 1) yield;
    const at = c * models;
    const isChangeKnown = hasChanges[c] === 1;
    cells.push({
      row: places[c * 3] ?? -1,
      column: places[c * 3 + 1] ?? -1,
      tensors: places[c * 3 + 2] ?? 0,
      filters: filtersOfCells[c] ?? [],
      elements: elements[c] ?? 0,
      weights: Array.from(weights.subarray(at, at + models)),
      ranges: numbers.map((m) => [ranges[2 * (at + m)] ?? Number.NaN, ranges[2 * (at + m) + 1] ?? Number.NaN]),
      rmsChange: isChangeKnown ? Array.from(rmsChange.subarray(at, at + models)) : null,
      changedShare: isChangeKnown ? Array.from(changedShare.subarray(at, at + models)) : null,
      isSet: numbers.map((m) => isSet[at + m] === 1),
      setBy: numbers.map((m) => setByWords[setBy[at + m] ?? -1] ?? null),
    });
  }
  return { ...head, rows: labels.map((label, r) => ({ label, filters: filtersOfRows[r] ?? [] })), cells };
}

/** Unpacks a survey. */
export function* unpackingSurvey({ tensors, ...figures }: PackedSurvey): Unpacking<Survey> {
  return { ...figures, tensors: yield* unpackingTexts(tensors) };
}
