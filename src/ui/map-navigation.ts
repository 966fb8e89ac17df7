/**
 * Map navigation: where things stand in the grid of the weights map and where a key leads. Pure: the grid itself is
 * `weights-map.tsx`.
 */

import type { MapCell } from '../state/engine-api.ts';

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
