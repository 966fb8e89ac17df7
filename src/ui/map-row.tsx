/** One row of the weights map: a layer, a block of layers, or a tensor outside the layers. */

import { memo } from 'react';
import { type CellPlace, type MapLayout, positionOf, type Reach, samePlace } from '../state/map-navigation.ts';
import { isLocked } from '../state/mixer.ts';
import type { Locks } from '../state/mixer-locks.ts';
import { cellColour } from './colour-scale.ts';
import styles from './map-grid.module.css';

interface MapRowProps {
  readonly layout: MapLayout;
  readonly index: number;
  readonly top: number;
  /** The place in this row that the Tab key reaches; null where it is in another. */
  readonly active: CellPlace | null;
  /** Weights that were set and that the map does not show yet, by position. */
  readonly drafts: ReadonlyMap<number, number> | null;
  /** What of the row is selected, where more than one place is. */
  readonly selected: Reach['positions'] | 'row' | undefined;
  readonly locks: Locks;
}

export const MapRow = memo(DrawnRow, sameRow);

function DrawnRow({ layout, index, top, active, drafts, selected, locks }: MapRowProps) {
  const { map, cells, shownColumns } = layout;
  const { models, columns, isMuted } = map;
  const row = map.rows[index];
  const own = cells[index] ?? [];
  // A cell in a column without a place of its own stands first.
  const alone = own.findIndex((cell, column) => cell !== undefined && !shownColumns.includes(column));
  const places = alone < 0 ? shownColumns : [alone];
  const restColumns = alone < 0 ? 0 : shownColumns.length - 1;
  if (!row) return null;
  return (
    <tr aria-rowindex={index + 2} className={styles.row}>
      <th
        scope="row"
        className={styles.rowHead}
        title={row.label}
        tabIndex={active?.column === -1 ? 0 : -1}
        data-row={index}
        data-column={-1}
        data-model={0}
        data-editable={row.filters.length > 0 || undefined}
        data-selected={selected === 'row' || undefined}
        data-locked={models.every((model) => isLocked(locks, { model, filters: row.filters })) || undefined}
        aria-selected={selected === 'row' || undefined}
      >
        <span>{row.label}</span>
      </th>
      {places.map((c) => {
        const cell = own[c];
        const column = columns[c] ?? '';
        if (!cell) return <td key={column} colSpan={models.length} className={styles.empty} title="No tensor here" />;
        return models.map((model, m) => {
          const place = { row: index, column: c, model: m };
          const position = positionOf(layout, place);
          const draft = drafts?.get(position);
          const weight = draft ?? cell.weights[m] ?? Number.NaN;
          const isSet = draft !== undefined || cell.isSet[m] === true;
          const isHeld = isLocked(locks, { model, filters: cell.filters });
          const isIn = selected === 'row' || (selected && position >= selected[0] && position <= selected[1]) || false;
          const { style, flipsIn } = cellColour(isMuted[m] ? Number.NaN : weight, top);
          const states = [
            ...(isSet ? ['set by hand'] : []),
            ...(isHeld ? ['locked'] : []),
            ...(isMuted[m] ? ['muted'] : []),
          ];
          return (
            <td
              key={`${column} ${model}`}
              className={styles.cell}
              style={style}
              tabIndex={active?.column === c && active.model === m ? 0 : -1}
              aria-label={[`${row.label} ${column} ${model}: ${figure(weight)}`, ...states].join(', ')}
              aria-selected={isIn || undefined}
              data-row={index}
              data-column={c}
              data-model={m}
              data-first={m === 0 || undefined}
              data-flips={flipsIn}
              data-set={isSet || undefined}
              data-locked={isHeld || undefined}
              data-muted={isMuted[m] || undefined}
              data-none={!Number.isFinite(weight) || undefined}
              data-selected={isIn || undefined}
            >
              {figure(weight)}
            </td>
          );
        });
      })}
      {/* Its weights stand under the first module's heading to save width; these words say that they are not its. */}
      {restColumns > 0 && (
        <td colSpan={restColumns * models.length} className={styles.outside}>
          outside the layers
        </td>
      )}
    </tr>
  );
}

/** Whether two states of a row look the same: a new map mostly differs from the one before in a few cells. */
function sameRow(a: MapRowProps, b: MapRowProps): boolean {
  const isSamePlace = a.active === b.active || (a.active && b.active && samePlace(a.active, b.active));
  return (
    isSamePlace === true &&
    a.index === b.index &&
    a.top === b.top &&
    a.drafts === b.drafts &&
    a.locks === b.locks &&
    String(a.selected) === String(b.selected) &&
    (a.layout === b.layout || sameCells(a.layout, b.layout, a.index))
  );
}

function sameCells(a: MapLayout, b: MapLayout, row: number): boolean {
  const isSameGrid =
    a.map.rows[row]?.label === b.map.rows[row]?.label &&
    sameItems(a.map.rows[row]?.filters ?? [], b.map.rows[row]?.filters ?? []) &&
    sameItems(a.map.models, b.map.models) &&
    sameItems(a.map.isMuted, b.map.isMuted) &&
    sameItems(a.map.columns, b.map.columns) &&
    sameItems(a.shownColumns, b.shownColumns);
  if (!isSameGrid) return false;
  return a.map.columns.every((_, column) => {
    const [one, other] = [a.cells[row]?.[column], b.cells[row]?.[column]];
    if (!one || !other) return one === other;
    return (
      sameItems(one.weights, other.weights) &&
      sameItems(one.isSet, other.isSet) &&
      sameItems(one.filters, other.filters)
    );
  });
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => Object.is(item, b[i]));
}

/** A weight in four characters: two decimals, one for large ones. */
function figure(weight: number): string {
  if (!Number.isFinite(weight)) return '–';
  const text = weight.toFixed(Math.abs(weight) < 10 ? 2 : 1);
  return text === '-0.00' ? '0.00' : text.replace('-', '−');
}
