/**
 * The grid of the weights map: a table whose rows are drawn where they are looked at, so that ten thousand of them are
 * as light as ten. What a hand does to it is `use-map-hand.ts`.
 */

import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, Fragment, memo, type RefObject, useEffect, useMemo } from 'react';
import { type MapLayout, reachOf } from '../state/map-navigation.ts';
import styles from './map-grid.module.css';
import { MapRow } from './map-row.tsx';
import { ModelLetter } from './model-letter.tsx';
import { useMixer } from './workbench-context.ts';

/** Pixels of a row with the line below it; more where fingers tap. */
const ROW_PX = 27;
const TOUCH_ROW_PX = 35;
/** Up to so many cells all are drawn: a page that is printed or searched has them. */
const FEW_CELLS = 500;

interface MapGridProps {
  readonly layout: MapLayout;
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** The weight at full colour. */
  readonly top: number;
}

export const MapGrid = memo(function MapGrid({ layout, scroller, top }: MapGridProps) {
  const { map, shownColumns } = layout;
  const { rows, columns, models } = map;
  const active = useMixer((state) => state.active);
  const anchor = useMixer((state) => state.anchor);
  const drafts = useMixer((state) => state.drafts);
  const locks = useMixer((state) => state.locks);
  const rowPx = useMemo(() => (window.matchMedia('(pointer: coarse)').matches ? TOUCH_ROW_PX : ROW_PX), []);
  const isLong = rows.length * shownColumns.length * models.length > FEW_CELLS;
  const virtualizer = useVirtualizer({
    count: rows.length,
    enabled: isLong,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 3,
    // The row that Tab reaches is always there.
    rangeExtractor: (range) =>
      [...new Set([...defaultRangeExtractor(range), Math.min(active.row, rows.length - 1)])].sort((a, b) => a - b),
  });
  const drawn = isLong ? virtualizer.getVirtualItems().map(({ index }) => index) : rows.map((_, index) => index);
  const reach = anchor === null ? null : reachOf(layout, anchor, active);
  const rest = rows.length - 1 - (drawn.at(-1) ?? -1);

  // Where the map is shown in another detail, the place that was looked at stays in view.
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const at = active.row * rowPx - box.clientHeight / 2;
    if (at < box.scrollTop - box.clientHeight / 2 || at > box.scrollTop + box.clientHeight / 2) box.scrollTop = at;
    // Only then: otherwise the page scrolls with the focus.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [map.detail]);

  return (
    <table
      role="grid"
      aria-label="Weights map"
      aria-rowcount={rows.length + 1}
      aria-multiselectable
      className={styles.grid}
      style={{ '--row': `${rowPx - 1}px` } as CSSProperties}
    >
      <thead>
        <tr aria-rowindex={1}>
          <td />
          {shownColumns.map((c) => (
            <th key={c} scope="colgroup" colSpan={models.length} title={columns[c]}>
              <span className={styles.column}>{columns[c]}</span>
            </th>
          ))}
        </tr>
        {models.length > 1 && (
          <tr aria-hidden>
            <td />
            {shownColumns.map((c) =>
              models.map((model, index) => (
                <td key={`${c} ${model}`} className={styles.letter}>
                  <ModelLetter index={index} />
                </td>
              )),
            )}
          </tr>
        )}
      </thead>
      <tbody>
        {drawn.map((index, i) => {
          const skipped = index - (drawn[i - 1] ?? -1) - 1;
          const isIn = reach !== null && index >= reach.rows[0] && index <= reach.rows[1];
          return (
            <Fragment key={rows[index]?.label ?? index}>
              {skipped > 0 && <Gap rows={skipped} rowPx={rowPx} />}
              <MapRow
                layout={layout}
                index={index}
                top={top}
                active={active.row === index ? active : null}
                drafts={drafts.get(index) ?? null}
                selected={isIn ? (reach.positions ?? 'row') : undefined}
                locks={locks}
              />
            </Fragment>
          );
        })}
        {rest > 0 && <Gap rows={rest} rowPx={rowPx} />}
      </tbody>
    </table>
  );
});

/** The room of rows that are not drawn. */
function Gap({ rows, rowPx }: { rows: number; rowPx: number }) {
  return (
    <tr aria-hidden style={{ height: rows * rowPx - 1 }}>
      <td />
    </tr>
  );
}
