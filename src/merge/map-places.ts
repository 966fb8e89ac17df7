/**
 * Map places: which rows and columns a weights map has at each detail, which tensors lie in each cell, and by which
 * substrings of tensor names a recipe addresses exactly those. Pure, from names and sizes alone; the weights in the
 * cells are `map.ts`.
 */

import { placeOf } from '../recipe/unit.ts';

/** How fine a weights map is: groups of modules, the modules of each layer, or their tensors. */
export type MapDetail = 'groups' | 'modules' | 'tensors';

/** What is known of a tensor here. */
export interface PlacedTensor {
  readonly name: string;
  readonly elements: number;
}

/** One row: a layer, a block of layers, or tensors outside the layers. */
export interface MapRowHead {
  readonly label: string;
  /** Substrings of tensor names that address exactly this row; empty where none do. */
  readonly filters: readonly string[];
}

/** The tensors of one cell. */
export interface MapPart<T extends PlacedTensor> {
  readonly row: number;
  readonly column: number;
  /** Substrings of tensor names that together address exactly these tensors; empty where none do. */
  readonly filters: readonly string[];
  readonly tensors: readonly T[];
}

/** Rows, columns and what lies where they cross. */
export interface MapPlaces<T extends PlacedTensor> {
  readonly rows: readonly MapRowHead[];
  readonly columns: readonly string[];
  readonly parts: readonly MapPart<T>[];
}

/** The column of tensors that lie in no layer. */
export const OUTSIDE = 'outside layers';

/** Tensors outside the layers that come before them in a model; the others come after. */
const BEFORE_LAYERS = /embed|wte|wpe/;

/** Deeper stacks are shown in blocks of layers where modules are grouped. */
const MOST_BLOCKS = 12;
/** More tensor columns than this are joined by what stands before their first number: experts, mostly. */
const MOST_ROLES = 32;
/** More rows outside the layers than this are joined by the beginnings of their names where modules are grouped. */
const MOST_OUTSIDE = 24;
/** The same at every other detail: more rows than this nobody looks through, and sending them to the page takes time. */
const MOST_ROWS = 2000;
/** More filters than this for one cell are no gesture any more. */
const MOST_FILTERS = 512;
/** Characters looked through for filters that are part of other names; beyond it names are taken to be their own. */
const MOST_SEARCHED = 4e8;

/** What a module is for, by its name; the first that fits. */
const GROUPS: readonly (readonly [string, RegExp])[] = [
  ['norms', /norm|^ln(_|$)/i],
  ['attention', /attn|attention|^(q|k|v|o)_proj$/i],
  ['MLP', /mlp|ffn|feed_?forward|moe|experts?|^fc\d|^intermediate$|^output$|^dense/i],
];
const GROUP_ORDER = ['attention', 'MLP', 'norms', 'other'];

function groupOfModule(module: string): string {
  return GROUPS.find(([, pattern]) => pattern.test(module))?.[0] ?? 'other';
}

/** A tensor inside a layer, with its name in parts. */
interface Inside<T> {
  readonly tensor: T;
  /** Such as `model.layers`. */
  readonly stack: string;
  readonly layer: number;
  /** Such as `model.layers.3`. */
  readonly path: string;
  /** What follows the layer, such as `self_attn.q_proj.weight`. */
  readonly rest: string;
  readonly module: string;
}

/** Answers whether a filter means some tensors and no others. */
class Exactness {
  readonly #sorted: readonly string[];
  readonly #joined: string;
  /** Stacks whose path is the end of another stack's, with what stands before it there. */
  readonly #inner = new Map<string, string[]>();
  #searched = 0;

  constructor(names: readonly string[], stacks: Iterable<string>) {
    this.#sorted = names.toSorted();
    this.#joined = `\n${this.#sorted.join('\n')}`;
    const all = [...stacks];
    for (const stack of all) {
      const before = all.filter((other) => other !== stack && other.endsWith(stack));
      if (before.length > 0) {
        this.#inner.set(
          stack,
          before.map((other) => other.slice(0, -stack.length)),
        );
      }
    }
  }

  /** How many names begin with a text. */
  beginning(text: string): number {
    // Above every name that begins so: names hold no such character.
    return this.#rank(`${text}\uffff`) - this.#rank(text);
  }

  /** True where a filter in a layer of `stack` is part of no names but the `count` that begin with it. */
  insideLayer(filter: string, stack: string, count: number): boolean {
    if (this.beginning(filter) !== count) return false;
    return (this.#inner.get(stack) ?? []).every((before) => this.beginning(before + filter) === 0);
  }

  /** The same for any filter, by looking through all names. */
  anywhere(filter: string, count: number): boolean {
    if (this.beginning(filter) !== count) return false;
    if (this.#searched > MOST_SEARCHED) return true;
    this.#searched += this.#joined.length;
    for (let at = this.#joined.indexOf(filter); at >= 0; at = this.#joined.indexOf(filter, at + 1)) {
      if (this.#joined[at - 1] !== '\n') return false;
    }
    return true;
  }

  #rank(text: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? '') < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A cell that is being gathered. */
interface Gathered<T> {
  readonly row: string;
  readonly column: string;
  /** How many tensors each filter means; null where some filter means others too. */
  filters: Map<string, { readonly stack: string; count: number }>;
  readonly tensors: T[];
}

/** Where everything of a model stands on a map of the given detail. */
export function placesOf<T extends PlacedTensor>(tensors: readonly T[], detail: MapDetail): MapPlaces<T> {
  const inside: Inside<T>[] = [];
  const outside: T[] = [];
  for (const tensor of tensors) {
    const { layer, layerPath, module } = placeOf(tensor.name);
    if (layer === null || layerPath === null) {
      outside.push(tensor);
      continue;
    }
    const stack = layerPath.slice(0, layerPath.lastIndexOf('.'));
    inside.push({ tensor, stack, layer, path: layerPath, rest: tensor.name.slice(layerPath.length + 1), module });
  }
  const stacks = grouped(inside, ({ stack }) => stack);
  const exact = new Exactness(
    tensors.map(({ name }) => name),
    stacks.keys(),
  );
  const roleOf = detail === 'tensors' ? roles(inside) : ({ module }: Inside<T>) => module;
  const layerRows = rowsOfLayers(stacks, detail);
  const layerCells = new Map<string, Gathered<T>>();
  for (const one of inside) {
    const role = roleOf(one);
    const row = layerRows.labelOf(one);
    const column = detail === 'groups' ? groupOfModule(role) : role;
    const cell = gathered(layerCells, row, column);
    cell.tensors.push(one.tensor);
    const filter = one.rest === role ? one.tensor.name : `${one.path}.${role}.`;
    const count = cell.filters.get(filter);
    if (count) count.count++;
    else cell.filters.set(filter, { stack: one.stack, count: 1 });
  }
  const outsideParts = partsOutside(outside, detail, exact);
  const columns = columnsOf([...layerCells.values()], detail);
  if (outside.length > 0) columns.push(OUTSIDE);
  const rowHead = ({ label, filters }: OutsidePart<T>): MapRowHead => ({ label, filters });
  const before = outsideParts.filter(({ isBefore }) => isBefore);
  const after = outsideParts.filter(({ isBefore }) => !isBefore);
  const rows = [
    ...before.map(rowHead),
    ...layerRows.rows.map(({ label, paths, stack }) => ({
      label,
      filters: paths.every((path) => exact.insideLayer(`${path}.`, stack, exact.beginning(`${path}.`)))
        ? paths.map((path) => `${path}.`)
        : [],
    })),
    ...after.map(rowHead),
  ];
  const rowAt = new Map(rows.map(({ label }, index) => [label, index]));
  const columnAt = new Map(columns.map((column, index) => [column, index]));
  const parts: MapPart<T>[] = [...layerCells.values()].map((cell) => {
    const filters = [...cell.filters];
    const isExact =
      filters.length <= MOST_FILTERS &&
      filters.every(([filter, { stack, count }]) => exact.insideLayer(filter, stack, count));
    return {
      row: rowAt.get(cell.row) ?? -1,
      column: columnAt.get(cell.column) ?? -1,
      filters: isExact ? filters.map(([filter]) => filter) : [],
      tensors: cell.tensors,
    };
  });
  const outsideColumn = columnAt.get(OUTSIDE) ?? -1;
  for (const part of outsideParts) {
    parts.push({
      row: rowAt.get(part.label) ?? -1,
      column: outsideColumn,
      filters: part.filters,
      tensors: part.tensors,
    });
  }
  return { rows, columns: shortened(columns, detail), parts };
}

function gathered<T>(cells: Map<string, Gathered<T>>, row: string, column: string): Gathered<T> {
  const key = `${row}\n${column}`;
  let cell = cells.get(key);
  if (!cell) {
    cell = { row, column, filters: new Map(), tensors: [] };
    cells.set(key, cell);
  }
  return cell;
}

/** Which tensor of a layer each is: its name there without `weight` or `bias`; experts together where they are many. */
function roles<T>(inside: readonly Inside<T>[]): (one: Inside<T>) => string {
  const full = ({ rest }: Inside<T>) => rest.replace(/\.(weight|bias)$/, '');
  const withoutNumbers = (one: Inside<T>) => full(one).replace(/\.\d+(\..*)?$/, '');
  for (const roleOf of [full, withoutNumbers]) {
    if (new Set(inside.map(roleOf)).size <= MOST_ROLES) return roleOf;
  }
  return ({ module }) => module;
}

/** The rows of the layers, one stack after another. */
function rowsOfLayers<T>(stacks: ReadonlyMap<string, readonly Inside<T>[]>, detail: MapDetail) {
  const rows: { readonly label: string; readonly stack: string; readonly paths: string[] }[] = [];
  const labels = new Map<string, string>();
  for (const [stack, own] of stacks) {
    const layers = new Map(own.map(({ layer, path }) => [layer, path]));
    const sorted = [...layers].sort(([a], [b]) => a - b);
    const name = stacks.size === 1 ? '' : `${stack.slice(0, Math.max(0, stack.lastIndexOf('.'))) || stack} `;
    let size = 1;
    while (detail === 'groups' && sorted.length / size > MOST_BLOCKS) size *= 2;
    for (let at = 0; at < sorted.length; at += size) {
      const block = sorted.slice(at, at + size);
      const [first, last] = [block[0]?.[0] ?? 0, block.at(-1)?.[0] ?? 0];
      const label = first === last ? `${name}layer ${first}` : `${name}layers ${first}–${last}`;
      rows.push({ label, stack, paths: block.map(([, path]) => path) });
      for (const [, path] of block) labels.set(path, label);
    }
  }
  return { rows, labelOf: ({ path }: { readonly path: string }) => labels.get(path) ?? path };
}

interface OutsidePart<T> extends MapRowHead {
  readonly isBefore: boolean;
  readonly tensors: readonly T[];
}

/** The rows of tensors in no layer. */
function partsOutside<T extends PlacedTensor>(
  outside: readonly T[],
  detail: MapDetail,
  exact: Exactness,
): OutsidePart<T>[] {
  const own = ({ name }: T) => name.replace(/\.(weight|bias)$/, '');
  const joined = beginnings(outside.map(own), detail === 'groups' ? MOST_OUTSIDE : MOST_ROWS);
  const groups = grouped(outside, (tensor) => (joined ? joined(own(tensor)) : own(tensor)));
  return [...groups].map(([label, tensors]): OutsidePart<T> => {
    const names = tensors.map(({ name }) => name);
    const isBefore = names.every((name) => BEFORE_LAYERS.test(name));
    const prefix = `${label}.`;
    const canShare = names.length > 1 && names.every((name) => name.startsWith(prefix));
    if (canShare && exact.anywhere(prefix, names.length)) return { label, filters: [prefix], isBefore, tensors };
    const isExact = names.length <= MOST_FILTERS && names.every((name) => exact.anywhere(name, 1));
    return { label, filters: isExact ? names : [], isBefore, tensors };
  });
}

/**
 * Joins more names than `most` by as many parts of their beginnings as leave no more rows than that; null where they
 * are few enough.
 */
function beginnings(names: readonly string[], most: number): ((name: string) => string) | null {
  if (new Set(names).size <= most) return null;
  const beginning = (depth: number) => (name: string) => name.split('.').slice(0, depth).join('.');
  const deep = [8, 7, 6, 5, 4, 3, 2, 1].find((depth) => new Set(names.map(beginning(depth))).size <= most);
  return deep === undefined ? () => 'all tensors' : beginning(deep);
}

/** Columns of the layers: groups in their own order, else the largest module first and its tensors together. */
function columnsOf<T extends PlacedTensor>(cells: readonly Gathered<T>[], detail: MapDetail): string[] {
  const elements = new Map<string, number>();
  const modules = new Map<string, number>();
  const moduleOf = (column: string) => (detail === 'tensors' ? (column.split('.')[0] ?? column) : column);
  for (const { column, tensors } of cells) {
    const own = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
    elements.set(column, (elements.get(column) ?? 0) + own);
    modules.set(moduleOf(column), (modules.get(moduleOf(column)) ?? 0) + own);
  }
  const columns = [...elements.keys()];
  if (detail === 'groups') return columns.sort((a, b) => GROUP_ORDER.indexOf(a) - GROUP_ORDER.indexOf(b));
  const order = [...modules].sort(([, a], [, b]) => b - a).map(([module]) => module);
  const rank = new Map(order.map((module, index) => [module, index]));
  // Tensors of one module stay in the model's own order.
  return columns.sort((a, b) => (rank.get(moduleOf(a)) ?? 0) - (rank.get(moduleOf(b)) ?? 0));
}

/** Tensors by the last part of their names where no other ends so. */
function shortened(columns: readonly string[], detail: MapDetail): string[] {
  if (detail !== 'tensors') return [...columns];
  const last = (column: string) => column.split('.').at(-1) ?? column;
  const counts = grouped(columns, last);
  return columns.map((column) => (counts.get(last(column))?.length === 1 ? last(column) : column));
}

function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
