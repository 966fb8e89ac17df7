/** The figures of the place that is pointed at or focused, on lines of their own so that nothing moves. */

import type { MapCell, WeightsMap } from '../state/engine-api.ts';
import { countFigure, plural } from '../state/figures.ts';
import type { CellPlace } from '../state/map-navigation.ts';
import styles from './weights-map.module.css';
import { useMixer } from './workbench-context.ts';

export function MapReadout({ map, cell, place }: { map: WeightsMap; cell: MapCell | null; place: CellPlace }) {
  const notice = useMixer((state) => state.notice);
  const row = map.rows[place.row];
  const model = map.models[place.model] ?? '';
  return (
    <div className={styles.readout}>
      <p aria-live="polite" className={styles.notice}>
        {notice}
      </p>
      {cell && row ? (
        <p>
          <strong>
            {row.label} · {map.columns[cell.column]} · {model}
          </strong>
          <br />
          {figuresOf(map, cell, place.model).map((figure, index, all) => (
            <span key={figure}>
              <span className={styles.figure}>{figure}</span>
              {index < all.length - 1 && ', '}
            </span>
          ))}
        </p>
      ) : (
        <p>
          {map.handle === null
            ? 'Point at a cell for its figures.'
            : 'Click a cell or a row to set its weight; drag a cell up or down; Delete resets it.'}
        </p>
      )}
    </div>
  );
}

function figuresOf(map: WeightsMap, cell: MapCell, model: number): string[] {
  const [low, high] = cell.ranges[model] ?? [Number.NaN, Number.NaN];
  const weight = cell.weights[model] ?? Number.NaN;
  const out = [Number.isFinite(weight) ? `weight ${weight.toFixed(3)}` : 'no weight known'];
  if (map.isMuted[model]) out.push('muted');
  if (high - low > 5e-4) out.push(`from ${low.toFixed(3)} to ${high.toFixed(3)}`);
  const by = cell.setBy[model] ?? null;
  if (cell.isSet[model]) out.push(by === null ? 'set by hand in parts' : 'set by hand');
  if (by !== null && !cell.filters.includes(by)) out.push(`by the filter '${by}'`);
  if (cell.filters.length === 0) out.push('cannot be set alone: its name is part of other names');
  const rms = cell.rmsChange?.[model];
  if (rms !== undefined && Number.isFinite(rms)) out.push(`rms change ${rms.toExponential(2)}`);
  const changed = cell.changedShare?.[model];
  if (changed !== undefined && Number.isFinite(changed))
    out.push(`${(changed * 100).toFixed(1)} % of parameters changed`);
  out.push(plural(cell.tensors, 'tensor'), `${countFigure(cell.elements)} parameters`);
  return out;
}
