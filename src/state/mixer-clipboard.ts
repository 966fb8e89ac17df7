/**
 * Mixer clipboard: weights that were copied from the map, and what pasting them somewhere means. Rows keep their
 * columns by name, so that they can be pasted onto any row that has these. Pure.
 */

import type { WeightsMap } from './engine-api.ts';
import { type CellPlace, layoutOf, type Reach, placesWithin } from './map-navigation.ts';
import { type Setting, targetsAt } from './mixer-edits.ts';

/** One weight of a copied row. */
interface CopiedWeight {
  readonly column: string;
  readonly model: string;
  readonly value: number;
}

/** What was copied. */
export interface Copied {
  /** Such as `layer 3`, or `4 cells of layer 3`. */
  readonly label: string;
  readonly rows: readonly (readonly CopiedWeight[])[];
}

/** Three decimals, as a person would type it. */
function typed(weight: number): number {
  return Math.round(weight * 1000) / 1000;
}

/** Copies the weights of a selection as they are shown (`weightAt`); null where there are none. */
export function copyFrom(map: WeightsMap, reach: Reach, weightAt: (place: CellPlace) => number): Copied | null {
  const rows: CopiedWeight[][] = [];
  let count = 0;
  for (let row = reach.rows[0]; row <= reach.rows[1]; row++) {
    const own = placesWithin(layoutOf(map), { ...reach, rows: [row, row] }).flatMap((place): CopiedWeight[] => {
      const weight = weightAt(place);
      const model = map.models[place.model];
      if (!Number.isFinite(weight) || model === undefined) return [];
      return [{ column: map.columns[place.column] ?? '', model, value: typed(weight) }];
    });
    count += own.length;
    rows.push(own);
  }
  if (count === 0) return null;
  const first = map.rows[reach.rows[0]]?.label ?? '';
  const last = map.rows[reach.rows[1]]?.label ?? '';
  const place = first === last ? first : `${first} to ${last}`;
  const cellsOf = count === 1 ? `1 cell of ${place}` : `${count} cells of ${place}`;
  return { label: reach.positions === null ? place : cellsOf, rows };
}

/**
 * What pasting onto a selection sets. One copied cell goes to every selected cell; one copied row to every selected row;
 * several go one below another from the first selected row on.
 */
export function pasteOnto(map: WeightsMap, reach: Reach, { rows }: Copied): Setting[] {
  const layout = layoutOf(map);
  const [only] = rows;
  if (rows.length === 1 && only?.length === 1 && reach.positions !== null) {
    const value = only[0]?.value ?? 0;
    return placesWithin(layout, reach).flatMap((place) => targetsAt(map, place).map((own) => ({ ...own, value })));
  }
  const count = rows.length === 1 ? reach.rows[1] - reach.rows[0] + 1 : rows.length;
  const settings: Setting[] = [];
  for (let i = 0; i < count; i++) {
    const row = reach.rows[0] + i;
    for (const { column, model, value } of rows[rows.length === 1 ? 0 : i] ?? []) {
      const place: CellPlace = { row, column: map.columns.indexOf(column), model: map.models.indexOf(model) };
      if (place.column < 0 || place.model < 0) continue;
      for (const target of targetsAt(map, place)) settings.push({ ...target, value });
    }
  }
  return settings;
}
