/** Moved: how far each model of a weights map moved from the base, over all that the map shows. */

import type { WeightsMap } from './engine-api.ts';

/** How far one model moved. */
export interface Moved {
  /** Root mean square of the change. */
  readonly rms: number;
  /** Share of parameters that differ from the base. */
  readonly changed: number;
}

/** Per model of the map; null where it was not measured. Cells that have no figures are left out. */
export function movedOf({ models, cells }: WeightsMap): (Moved | null)[] {
  return models.map((_, model) => {
    let squares = 0;
    let changed = 0;
    let elements = 0;
    for (const cell of cells) {
      const rms = cell.rmsChange?.[model] ?? Number.NaN;
      const share = cell.changedShare?.[model] ?? Number.NaN;
      if (!Number.isFinite(rms) || !Number.isFinite(share)) continue;
      squares += rms * rms * cell.elements;
      changed += share * cell.elements;
      elements += cell.elements;
    }
    return elements === 0 ? null : { rms: Math.sqrt(squares / elements), changed: changed / elements };
  });
}
