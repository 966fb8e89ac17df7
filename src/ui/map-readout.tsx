/** The figures of the place that is pointed at or focused, on lines of their own so that nothing moves. */

import type { MapCell, WeightsMap } from '../state/engine-api.ts';
import { countFigure, plural } from '../state/figures.ts';
import type { CellPlace } from './map-navigation.ts';
import styles from './weights-map.module.css';

export function MapReadout({ map, cell, place }: { map: WeightsMap; cell: MapCell | null; place: CellPlace }) {
  const row = map.rows[place.row];
  if (!cell || !row) {
    return (
      <p className={styles.readout}>
        {map.handle === null
          ? 'Point at a cell for its figures.'
          : 'Click a cell or a row to set its weight; drag a cell up or down; Delete resets it.'}
      </p>
    );
  }
  const model = map.models[place.model] ?? '';
  return (
    <p className={styles.readout}>
      <strong>
        {row.label} · {map.columns[cell.column]} · {model}
      </strong>
      <br />
      {figuresOf(cell, place.model).join(', ')}
    </p>
  );
}

function figuresOf(cell: MapCell, model: number): string[] {
  const [low, high] = cell.ranges[model] ?? [Number.NaN, Number.NaN];
  const weight = cell.weights[model] ?? Number.NaN;
  const out = [Number.isFinite(weight) ? `weight ${weight.toFixed(3)}` : 'no weight known'];
  if (high - low > 5e-4) out.push(`from ${low.toFixed(3)} to ${high.toFixed(3)}`);
  if (cell.isSet[model]) out.push('set by hand');
  const rms = cell.rmsChange?.[model];
  if (rms !== undefined && Number.isFinite(rms)) out.push(`rms change ${rms.toExponential(2)}`);
  const changed = cell.changedShare?.[model];
  if (changed !== undefined && Number.isFinite(changed))
    out.push(`${(changed * 100).toFixed(1)} % of parameters changed`);
  out.push(plural(cell.tensors, 'tensor'), `${countFigure(cell.elements)} parameters`);
  return out;
}
