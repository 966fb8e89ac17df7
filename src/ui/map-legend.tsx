/** What colours and marks on the weights map mean. */

import type { WeightsMap } from '../state/engine-api.ts';
import styles from './map-legend.module.css';

export function MapLegend({ map, top }: { map: WeightsMap; top: number }) {
  const figure = top.toFixed(Number.isInteger(top) ? 0 : 1);
  const isNegative = map.cells.some(({ weights }) => weights.some((weight) => weight < 0));
  const hasGaps = map.cells.length < map.rows.length * map.columns.length;
  return (
    <ul className={styles.legend} aria-label="Legend">
      <li>
        {isNegative && (
          <>
            <span>−{figure}</span>
            <span className={styles.ramp} data-negative aria-hidden />
          </>
        )}
        <span>0</span>
        <span className={styles.ramp} aria-hidden />
        <span>{figure}</span>
      </li>
      <li>
        <span className={styles.swatch} data-set aria-hidden /> set by hand
      </li>
      <li>
        <span className={styles.swatch} data-locked aria-hidden /> locked
      </li>
      {hasGaps && (
        <li>
          <span className={styles.swatch} data-none aria-hidden /> no tensor
        </li>
      )}
      {map.isMuted.includes(true) && (
        <li>
          <span className={styles.swatch} data-muted aria-hidden /> muted
        </li>
      )}
    </ul>
  );
}
