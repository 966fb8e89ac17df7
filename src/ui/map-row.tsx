/** One row of the weights map: a layer, or a tensor outside the layers. */

import { memo } from 'react';
import type { MapCell, WeightsMap } from '../state/engine-api.ts';
import { cellColour } from './colour-scale.ts';
import type { CellPlace } from './map-navigation.ts';
import styles from './weights-map.module.css';

interface MapRowProps {
  readonly index: number;
  readonly row: WeightsMap['rows'][number];
  readonly cells: readonly (MapCell | undefined)[];
  readonly columns: readonly string[];
  /** The columns that have a place of their own, from left to right. */
  readonly shownColumns: readonly number[];
  readonly models: readonly string[];
  readonly top: number;
  /** The place in this row that the Tab key reaches, if it is in this row. */
  readonly active: CellPlace | null;
  readonly draft: { readonly place: CellPlace; readonly value: number } | null;
}

export const MapRow = memo(function MapRow(props: MapRowProps) {
  const { index, row, cells, columns, shownColumns, models, top, active, draft } = props;
  const own = cells.findIndex((cell, column) => cell !== undefined && !shownColumns.includes(column));
  const places = own < 0 ? shownColumns : [own];
  const restColumns = own < 0 ? 0 : shownColumns.length - 1;
  return (
    <tr>
      <th
        scope="row"
        className={styles.rowHead}
        title={row.label}
        tabIndex={active?.column === -1 ? 0 : -1}
        data-row={index}
        data-column={-1}
        data-model={0}
        data-editable={row.filter !== null || undefined}
      >
        <span>{row.label}</span>
      </th>
      {places.map((c) => {
        const cell = cells[c];
        const column = columns[c] ?? '';
        if (!cell) return <td key={column} colSpan={models.length} className={styles.empty} />;
        return models.map((model, m) => {
          const isDraft = draft?.place.column === c && draft.place.model === m;
          const weight = isDraft ? draft.value : (cell.weights[m] ?? Number.NaN);
          const isSet = isDraft || cell.isSet[m] === true;
          const { style, flipsIn } = cellColour(weight, top);
          return (
            <td
              key={`${column} ${model}`}
              className={styles.cell}
              style={style}
              tabIndex={active?.column === c && active.model === m ? 0 : -1}
              aria-label={`${row.label} ${column} ${model}: ${figure(weight)}${isSet ? ', set by hand' : ''}`}
              data-row={index}
              data-column={c}
              data-model={m}
              data-first={m === 0 || undefined}
              data-flips={flipsIn}
              data-set={isSet || undefined}
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
});

/** A weight in four characters: two decimals, one for large ones. */
function figure(weight: number): string {
  if (!Number.isFinite(weight)) return '–';
  const text = weight.toFixed(Math.abs(weight) < 10 ? 2 : 1);
  return text === '-0.00' ? '0.00' : text.replace('-', '−');
}
