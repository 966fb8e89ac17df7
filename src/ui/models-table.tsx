/**
 * The tensor table: every merged tensor with its figures, found by a search, sorted by any column, and of which only the
 * rows in sight are in the page. Arrow keys move, Enter or a click looks at a tensor.
 */

import { NativeSelect, TextInput } from '@mantine/core';
import IconSearch from '@tabler/icons-react/dist/esm/icons/IconSearch.mjs';
import { defaultRangeExtractor, type Range, useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type KeyboardEvent, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import type { Survey } from '../state/engine-api.ts';
import { countFigure, plural } from '../state/figures.ts';
import { anotherTurn } from '../state/in-turns.ts';
import {
  type ColumnKind,
  columnsOf,
  type Direction,
  found,
  movedRow,
  nameRanks,
  sorted,
  sortKeys,
  type TableColumn,
} from '../state/survey-table.ts';
import { bringIntoView } from './bring-into-view.ts';
import { CommandButton } from './command-button.tsx';
import { ModelsTableRow } from './models-table-row.tsx';
import { ModelLetter, modelLetter } from './model-letter.tsx';
import { ModelsTensor } from './models-tensor.tsx';
import styles from './models-table.module.css';
import { useSurvey, useView, useWorkbench } from './workbench-context.ts';

const ROW_PX = 26;
const HEAD_PX = 30;
const PAGE_ROWS = 12;
/** Of a chosen tensor at least so much is to be seen. */
const DETAILS_PX = 200;

/** The choice of no figures, for which a narrow page has room for dtype and shape. */
const KIND_ALONE = 'Dtype and shape';

/**
 * What the table shows beside a tensor's place; a narrow page has room for one kind of figure, or for dtype and shape,
 * which stand there anyhow where there is room.
 */
const FIGURES: Readonly<Record<string, readonly ColumnKind[]>> = {
  'Relative change': ['relative'],
  'RMS change': ['rms'],
  'Largest change': ['largest'],
  Unchanged: ['unchanged'],
  Cosine: ['cosine'],
  Conflict: ['conflict'],
  [KIND_ALONE]: [],
  'All figures': ['relative', 'rms', 'largest', 'unchanged', 'cosine', 'conflict'],
};
const PLACE: readonly ColumnKind[] = ['tensor', 'layer', 'module', 'dtype', 'shape', 'elements'];

/** Columns of words and places, which begin at their beginning. */
const WORDS: readonly ColumnKind[] = ['tensor', 'layer', 'module', 'dtype'];

const TITLES: Readonly<Record<ColumnKind, string>> = {
  tensor: 'Tensor',
  layer: 'Layer',
  module: 'Module',
  dtype: 'Dtype',
  shape: 'Shape',
  elements: 'Elements',
  relative: 'Relative',
  rms: 'RMS',
  largest: 'Largest',
  unchanged: 'Unchanged',
  cosine: 'Cosine',
  conflict: 'Conflict',
};

interface Order {
  readonly column: string;
  readonly direction: Direction;
}

/** The result's own order. */
const UNSORTED: Order = { column: '', direction: 'ascending' };

export function ModelsTable({ survey }: { survey: Survey }) {
  const { view, commands } = useWorkbench();
  const search = useView((state) => state.tensorFilter);
  const [figures, setFigures] = useState('Relative change');
  const [order, setOrder] = useState(UNSORTED);
  const all = useMemo(() => columnsOf(survey), [survey]);
  const offered = Object.keys(FIGURES).filter(
    (name) => name === KIND_ALONE || all.some(({ kind }) => FIGURES[name]?.includes(kind)),
  );
  const shownFigures = offered.includes(figures) ? figures : 'Relative change';
  const columns = all.filter(({ kind }) => PLACE.includes(kind) || FIGURES[shownFigures]?.includes(kind));
  const deferredSearch = useDeferredValue(search);
  const matches = useMemo(() => found(survey, deferredSearch), [survey, deferredSearch]);
  const { rows, isSorting } = useSorted(survey, all, matches, order);

  const sortBy = ({ id, kind }: TableColumn) => {
    // Words begin with A, figures with what is largest; a third time brings the result's order back.
    const first: Direction = WORDS.includes(kind) ? 'ascending' : 'descending';
    if (order.column !== id) setOrder({ column: id, direction: first });
    else if (order.direction === first) setOrder({ column: id, direction: otherDirection(first) });
    else setOrder(UNSORTED);
  };

  const isWanted = useView((state) => state.isTableWanted && state.centre === 'models');
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    const own = section.current;
    // Not before the rows are those that were asked for.
    if (!isWanted || own === null || deferredSearch !== search) return;
    view.change({ isTableWanted: false });
    bringIntoView(own);
    own.querySelector<HTMLElement>('[role="grid"]')?.focus({ preventScroll: true });
  }, [isWanted, deferredSearch, search, view]);
  const chosen = useSurvey((state) => state.chosen?.tensor ?? null);
  useEffect(() => {
    // What was asked for must not open out of sight, nor push the rows away: both are shown.
    const own = section.current;
    const details = own?.lastElementChild?.getBoundingClientRect();
    if (own && details && chosen !== null && details.top + DETAILS_PX > window.innerHeight) bringIntoView(own);
  }, [chosen]);

  return (
    <section ref={section} aria-labelledby="tensors-title" className={styles.section}>
      <div className={styles.head}>
        <h3 id="tensors-title">Tensors</h3>
        <CommandButton command={commands.exportSurvey} variant="subtle" size="compact-xs" />
      </div>
      <div className={styles.tools}>
        <TextInput
          id="tensor-search"
          type="search"
          className={styles.search ?? ''}
          aria-label="Search tensors"
          placeholder="q_proj  layer:4-8  module:mlp  shape:64"
          leftSection={<IconSearch size={14} aria-hidden />}
          autoComplete="off"
          spellCheck={false}
          value={search}
          onChange={(event) => view.change({ tensorFilter: event.currentTarget.value })}
        />
        <NativeSelect
          aria-label="Figures"
          data={offered}
          value={shownFigures}
          onChange={(event) => setFigures(event.currentTarget.value)}
        />
        <p className={styles.count} aria-live="polite">
          {matches.length === survey.tensors.length
            ? plural(matches.length, 'tensor')
            : `${countFigure(matches.length)} of ${plural(survey.tensors.length, 'tensor')}`}
        </p>
      </div>
      <Grid survey={survey} columns={columns} rows={rows} order={order} isBusy={isSorting} onSort={sortBy} />
      <ModelsTensor survey={survey} />
    </section>
  );
}

function otherDirection(direction: Direction): Direction {
  return direction === 'ascending' ? 'descending' : 'ascending';
}

/** The rows in order. Names take a moment at first, for which the old order stays. */
function useSorted(survey: Survey, columns: readonly TableColumn[], matches: Int32Array, order: Order) {
  const [names, setNames] = useState<{ readonly survey: Survey; readonly ranks: Float64Array } | null>(null);
  const column = columns.find(({ id }) => id === order.column) ?? null;
  const ranks = names?.survey === survey ? names.ranks : null;
  const isSorting = column?.kind === 'tensor' && ranks === null;
  useEffect(() => {
    if (!isSorting) return undefined;
    let isStale = false;
    void nameRanks(survey.tensors, anotherTurn).then((found) => {
      if (!isStale) setNames({ survey, ranks: found });
    });
    return () => {
      isStale = true;
    };
  }, [isSorting, survey]);
  const keys = useMemo(() => (column === null ? null : sortKeys(survey, column, ranks)), [survey, column, ranks]);
  const rows = useMemo(
    () => (keys === null || isSorting ? matches : sorted(matches, keys, order.direction)),
    [keys, isSorting, matches, order.direction],
  );
  return { rows, isSorting };
}

interface GridProps {
  readonly survey: Survey;
  readonly columns: readonly TableColumn[];
  readonly rows: Int32Array;
  readonly order: Order;
  readonly isBusy: boolean;
  readonly onSort: (column: TableColumn) => void;
}

function Grid({ survey, columns, rows, order, isBusy, onSort }: GridProps) {
  const { survey: store } = useWorkbench();
  const chosen = useSurvey((state) => state.chosen?.tensor ?? null);
  const [active, setActive] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const current = Math.min(active, rows.length - 1);
  // oxlint-disable-next-line react/incompatible-library -- its rows are memoised by what they show, and nothing else takes its functions
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 6,
    scrollMargin: HEAD_PX,
    scrollPaddingStart: HEAD_PX,
    // The row under the keyboard is always there, so that it can be spoken.
    rangeExtractor: (range: Range) => {
      const shown = defaultRangeExtractor(range);
      if (current < 0 || shown.includes(current)) return shown;
      return current < (shown[0] ?? 0) ? [current, ...shown] : [...shown, current];
    },
  });

  useEffect(() => {
    // Other rows: from their first.
    setActive(0);
    scroller.current?.scrollTo({ top: 0 });
  }, [rows]);

  const choose = (row: number) => void store.choose(survey.tensors[rows[row] ?? -1] ?? null);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = movedRow(event.key, current, rows.length, PAGE_ROWS);
    if (next !== null) {
      setActive(next);
      virtualizer.scrollToIndex(next);
    } else if (event.key === 'Enter' || event.key === ' ') choose(current);
    else return;
    event.preventDefault();
  };

  return (
    <div
      ref={scroller}
      role="grid"
      aria-label="Tensors"
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length}
      aria-busy={isBusy}
      aria-activedescendant={current >= 0 ? rowId(current) : undefined}
      className={styles.grid}
      data-kind-alone={columns.every(({ kind }) => PLACE.includes(kind)) || undefined}
      style={trackStyle(columns)}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div role="row" aria-rowindex={1} className={styles.heads}>
        {columns.map((column) => {
          const direction = column.id === order.column ? order.direction : null;
          return (
            <div
              key={column.id}
              role="columnheader"
              aria-sort={direction ?? 'none'}
              className={styles.columnHead}
              data-kind={column.kind}
            >
              <button type="button" onClick={() => onSort(column)} aria-label={spokenTitle(column, survey.models)}>
                <span className={styles.title}>{TITLES[column.kind]}</span>
                {column.models.map((model) => (
                  <ModelLetter key={model} index={model} />
                ))}
                <span aria-hidden className={styles.arrow}>
                  {direction === null ? '' : direction === 'ascending' ? '▲' : '▼'}
                </span>
              </button>
            </div>
          );
        })}
      </div>
      <div role="rowgroup" className={styles.rows} style={{ height: Math.max(virtualizer.getTotalSize(), ROW_PX) }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const tensor = rows[index] ?? 0;
          return (
            <ModelsTableRow
              key={index}
              id={rowId(index)}
              survey={survey}
              columns={columns}
              tensor={tensor}
              rowIndex={index + 2}
              top={start - HEAD_PX}
              isActive={index === current}
              isChosen={survey.tensors[tensor] === chosen}
              onChoose={() => {
                setActive(index);
                scroller.current?.focus({ preventScroll: true });
                choose(index);
              }}
            />
          );
        })}
        {rows.length === 0 && (
          <div role="row" className={styles.none}>
            <span role="gridcell">No tensor is found by this search.</span>
          </div>
        )}
      </div>
    </div>
  );
}

const rowId = (row: number) => `tensor-row-${row}`;

/** A column's name with the models' in full. */
function spokenTitle({ kind, models: about }: TableColumn, models: readonly string[]): string {
  return about.length === 0
    ? TITLES[kind]
    : `${TITLES[kind]} of ${about.map((m) => models[m] ?? modelLetter(m)).join(' and ')}`;
}

/** How wide columns are, in rem; 0 for those that are not shown. */
interface Widths {
  readonly figure: number;
  readonly own: Partial<Record<ColumnKind, number>>;
}

const FULL: Widths = {
  figure: 5.6,
  own: { tensor: 13, layer: 3.4, module: 6.5, dtype: 4.4, shape: 6.2, elements: 5.2 },
};
/** Where there is less room: the name says where a tensor stands. */
const MIDDLE: Widths = { figure: 3.9, own: { tensor: 8, layer: 0, module: 0, dtype: 3.4, shape: 4.6, elements: 0 } };
/** Where there is little room: the name and the figures. */
const NARROW: Widths = { figure: 3.9, own: { tensor: 8, layer: 0, module: 0, dtype: 0, shape: 0, elements: 0 } };

/** The same tracks for every row; the names take what is left. */
function tracks(columns: readonly TableColumn[], widths: Widths): { template: string; least: string } {
  const shown = columns.flatMap(({ kind }) => {
    const width = widths.own[kind] ?? widths.figure;
    return width === 0 ? [] : [{ kind, width }];
  });
  return {
    template: shown
      .map(({ kind, width }) => (kind === 'tensor' ? `minmax(${width}rem, 1fr)` : `${width}rem`))
      .join(' '),
    least: `${shown.reduce((sum, { width }) => sum + width, 0)}rem`,
  };
}

function trackStyle(columns: readonly TableColumn[]): CSSProperties {
  const isKindAlone = columns.every(({ kind }) => PLACE.includes(kind));
  const [full, middle] = [tracks(columns, FULL), tracks(columns, MIDDLE)];
  const narrow = isKindAlone ? middle : tracks(columns, NARROW);
  return {
    '--columns': full.template,
    '--least': full.least,
    '--middle-columns': middle.template,
    '--middle-least': middle.least,
    '--narrow-columns': narrow.template,
    '--narrow-least': narrow.least,
  } as CSSProperties;
}
