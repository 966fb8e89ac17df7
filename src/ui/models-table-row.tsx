/** One row of the tensor table: a tensor's figures in the columns that are shown. */

import { memo } from 'react';
import type { Survey } from '../state/engine-api.ts';
import { shortCount } from '../state/figures.ts';
import { cosineFigure, NO_FIGURE, shareFigure, sizeFigure } from '../state/survey-figures.ts';
import { type TableColumn, valueAt } from '../state/survey-table.ts';
import styles from './models-table.module.css';

interface ModelsTableRowProps {
  readonly id: string;
  readonly survey: Survey;
  readonly columns: readonly TableColumn[];
  /** Number of the tensor in the survey. */
  readonly tensor: number;
  /** From 1, the head's included. */
  readonly rowIndex: number;
  /** Pixels from the first row. */
  readonly top: number;
  /** Under the keyboard. */
  readonly isActive: boolean;
  /** Looked at. */
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}

export const ModelsTableRow = memo(
  function ModelsTableRow({ id, survey, columns, tensor, rowIndex, top, ...row }: ModelsTableRowProps) {
    return (
      // The grid has the focus, and its keys do what a click does.
      // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
      <div
        id={id}
        role="row"
        aria-rowindex={rowIndex}
        aria-selected={row.isChosen}
        className={styles.row}
        data-active={row.isActive || undefined}
        style={{ transform: `translateY(${top}px)` }}
        onClick={row.onChoose}
      >
        {columns.map((column) => {
          const text = figure(survey, column, tensor);
          const isName = column.kind === 'tensor' || column.kind === 'module' || column.kind === 'dtype';
          return (
            <div
              key={column.id}
              role={column.kind === 'tensor' ? 'rowheader' : 'gridcell'}
              className={styles.cell}
              data-kind={column.kind}
              title={isName ? text : undefined}
            >
              {column.kind === 'tensor' ? <Name name={text} /> : text}
            </div>
          );
        })}
      </div>
    );
  },
  (before, after) =>
    before.id === after.id &&
    before.survey === after.survey &&
    before.tensor === after.tensor &&
    before.top === after.top &&
    before.isActive === after.isActive &&
    before.isChosen === after.isChosen &&
    before.columns === after.columns,
);

/** What nearly every name begins and ends with. */
const COMMON = /^(model\.(?:layers\.)?)?(.*?)(\.weight)?$/s;

/**
 * A name that is too long loses its beginning, which its neighbours share, and keeps its end. Where room is short, what
 * nearly all names share is not shown, so that the number of the layer stays in sight; the name stays whole for all else.
 */
function Name({ name }: { name: string }) {
  const [, before = '', own = name, after = ''] = COMMON.exec(name) ?? [];
  return (
    <bdi>
      {before !== '' && <span className={styles.common}>{before}</span>}
      {own}
      {after !== '' && <span className={styles.common}>{after}</span>}
    </bdi>
  );
}

function figure(survey: Survey, column: TableColumn, tensor: number): string {
  const value = valueAt(survey, column, tensor);
  switch (column.kind) {
    case 'tensor':
      return survey.tensors[tensor] ?? '';
    case 'layer':
      return value < 0 ? NO_FIGURE : String(value);
    case 'module':
      // Outside the layers a module is its tensor.
      return (survey.layers[tensor] ?? -1) < 0 ? NO_FIGURE : (survey.moduleNames[value] ?? '');
    case 'dtype':
      return survey.dtypeNames[value] || NO_FIGURE;
    case 'shape':
      return survey.shapeNames[value] ?? '';
    case 'elements':
      return shortCount(value);
    case 'rms':
    case 'largest':
      return sizeFigure(value);
    case 'cosine':
      return cosineFigure(value);
    case 'relative':
    case 'unchanged':
    case 'conflict':
      return shareFigure(value);
    default:
      return column.kind satisfies never;
  }
}
