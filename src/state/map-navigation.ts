/**
 * Map navigation: where things stand in the grid of the weights map, where a key leads and what lies between two
 * places. Pure: the grid itself is `ui/map-grid.tsx`, and what a hand does with the places is `mixer.ts`.
 */

import type { MapCell, WeightsMap } from './engine-api.ts';

/** A place in the grid; column −1 is the row's header. */
export interface CellPlace {
  readonly row: number;
  readonly column: number;
  readonly model: number;
}

/** The map's cells by row and column; undefined where there is none. */
export type CellTable = readonly (readonly (MapCell | undefined)[])[];

/** Puts a map's cells in a table. */
export function cellTable(cells: readonly MapCell[], rows: number, columns: number): CellTable {
  const table = Array.from({ length: rows }, () => new Array<MapCell | undefined>(columns).fill(undefined));
  for (const cell of cells) {
    const row = table[cell.row];
    if (row && cell.column < columns) row[cell.column] = cell;
  }
  return table;
}

/** Whether two places are one. */
export function samePlace(a: CellPlace, b: CellPlace): boolean {
  return a.row === b.row && a.column === b.column && a.model === b.model;
}

/**
 * The columns that get a place of their own. A column whose rows have no other cell (tensors outside the layers) gets
 * none: its cells stand at the beginning of their rows, which else would be empty but for the far end.
 */
export function columnsShown(cells: CellTable, count: number): readonly number[] {
  const all = Array.from({ length: count }, (_, column) => column);
  const shared = new Set<number>();
  for (const row of cells) {
    const used = all.filter((column) => row[column] !== undefined);
    if (used.length > 1) for (const column of used) shared.add(column);
  }
  return shared.size === 0 ? all : all.filter((column) => shared.has(column));
}

/** A map as it lies on the screen. */
export interface MapLayout {
  readonly map: WeightsMap;
  readonly cells: CellTable;
  /** The columns that have a place of their own, from left to right. */
  readonly shownColumns: readonly number[];
}

const layouts = new WeakMap<WeightsMap, MapLayout>();

/** The layout of a map; the same one for the same map. */
export function layoutOf(map: WeightsMap): MapLayout {
  let layout = layouts.get(map);
  if (!layout) {
    const cells = cellTable(map.cells, map.rows.length, map.columns.length);
    layout = { map, cells, shownColumns: columnsShown(cells, map.columns.length) };
    layouts.set(map, layout);
  }
  return layout;
}

/** How far a place is from the left, in cells; −1 for a row's header. A cell without a column of its own is the first. */
export function positionOf({ map, shownColumns }: MapLayout, { column, model }: CellPlace): number {
  return column < 0 ? -1 : Math.max(0, shownColumns.indexOf(column)) * map.models.length + model;
}

/** The cells of a row from left to right, with their positions. */
export function placesInRow(
  layout: MapLayout,
  row: number,
): { readonly place: CellPlace; readonly position: number }[] {
  const { map, cells } = layout;
  return (cells[row] ?? []).flatMap((cell, column) =>
    cell
      ? map.models.map((_, model) => {
          const place = { row, column, model };
          return { place, position: positionOf(layout, place) };
        })
      : [],
  );
}

/** What a selection reaches over: rows and, where it is of cells, positions. */
export interface Reach {
  readonly rows: readonly [number, number];
  /** Null where whole rows are selected. */
  readonly positions: readonly [number, number] | null;
}

/** What lies between two places. */
export function reachOf(layout: MapLayout, from: CellPlace, to: CellPlace): Reach {
  const rows = [Math.min(from.row, to.row), Math.max(from.row, to.row)] as const;
  if (from.column < 0 || to.column < 0) return { rows, positions: null };
  const [a, b] = [positionOf(layout, from), positionOf(layout, to)];
  return { rows, positions: [Math.min(a, b), Math.max(a, b)] };
}

/** The cells within a selection. */
export function placesWithin(layout: MapLayout, { rows, positions }: Reach): CellPlace[] {
  const out: CellPlace[] = [];
  for (let row = rows[0]; row <= rows[1]; row++) {
    for (const { place, position } of placesInRow(layout, row)) {
      if (!positions || (position >= positions[0] && position <= positions[1])) out.push(place);
    }
  }
  return out;
}

/** Where something that a map shows stands on another map: the place whose filters reach into the same tensors. */
export function placeOfFilters(
  { map, cells }: MapLayout,
  filters: readonly string[],
  like: CellPlace,
): CellPlace | null {
  const reaches = (own: readonly string[]) => own.some((a) => filters.some((b) => a.startsWith(b) || b.startsWith(a)));
  const model = Math.min(like.model, map.models.length - 1);
  const row = map.rows.findIndex((head) => reaches(head.filters));
  if (row < 0) return null;
  if (like.column < 0) return { row, column: -1, model: 0 };
  const column = (cells[row] ?? []).findIndex((cell) => cell !== undefined && reaches(cell.filters));
  return column < 0 ? { row, column: -1, model: 0 } : { row, column, model };
}

/** Where a key leads; places without a cell are passed over. Null where the key does not move. */
export function movedPlace(
  key: string,
  from: CellPlace,
  cells: CellTable,
  shownColumns: readonly number[],
  models: number,
): CellPlace | null {
  const stops = (row: number): CellPlace[] => [
    { row, column: -1, model: 0 },
    ...(cells[row] ?? []).flatMap((cell, column) =>
      cell ? Array.from({ length: models }, (_, model) => ({ row, column, model })) : [],
    ),
  ];
  /** From left to right on the screen. */
  const position = ({ column, model }: CellPlace) =>
    column < 0 ? -1 : Math.max(0, shownColumns.indexOf(column)) * models + model;
  const inRow = (row: number): CellPlace => {
    const left = stops(row).filter((place) => position(place) <= position(from));
    return left.reduce((best, place) => (position(place) > position(best) ? place : best));
  };
  const own = stops(from.row);
  const here = own.findIndex((place) => samePlace(place, from));
  const lastRow = cells.length - 1;
  switch (key) {
    case 'ArrowRight':
      return own[here + 1] ?? from;
    case 'ArrowLeft':
      return own[here - 1] ?? from;
    case 'ArrowDown':
      return from.row < lastRow ? inRow(from.row + 1) : from;
    case 'ArrowUp':
      return from.row > 0 ? inRow(from.row - 1) : from;
    case 'Home':
      return own[0] ?? from;
    case 'End':
      return own.at(-1) ?? from;
    case 'PageDown':
      return inRow(lastRow);
    case 'PageUp':
      return inRow(0);
    default:
      return null;
  }
}
