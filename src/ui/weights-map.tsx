/**
 * The weights map: layer × module × model as a grid. Arrow keys move, Enter or a click opens the sliders of a cell or
 * a row, a vertical drag sets a weight directly, Delete gives a cell back to the method.
 */

import { Popover } from '@mantine/core';
import {
  type FocusEvent,
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { setFilteredValue } from '../recipe/yaml.ts';
import type { WeightsMap } from '../state/engine-api.ts';
import { CellEditor } from './cell-editor.tsx';
import { CommandButton } from './command-button.tsx';
import { MapReadout } from './map-readout.tsx';
import { type CellPlace, cellTable, columnsShown, movedPlace, samePlace } from './map-navigation.ts';
import { MapRow } from './map-row.tsx';
import { ModelLetter, modelLetter } from './model-letter.tsx';
import styles from './weights-map.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

/** Pixels of a vertical drag over the handle's whole range. */
const DRAG_RANGE_PX = 160;
/** A pointer that moved less than this clicked. */
const CLICK_PX = 4;
const KEY_STEP = 0.05;

/** A cell whose value a drag has set and the engine has not confirmed yet. */
interface Draft {
  readonly place: CellPlace;
  readonly value: number;
}

interface Drag {
  readonly place: CellPlace;
  readonly startY: number;
  readonly startValue: number;
  hasMoved: boolean;
}

interface Editing {
  readonly place: CellPlace;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function WeightsMapGrid({ map }: { map: WeightsMap }) {
  const { studio, commands } = useWorkbench();
  // A recipe that cannot be read takes no weight, and some methods have none to take.
  const isFixed = useStudio((state) => state.problems.length > 0) || map.handle === null;
  const [active, setActive] = useState<CellPlace>({ row: 0, column: -1, model: 0 });
  const [pointed, setPointed] = useState<CellPlace | null>(null);
  const [draft, setDraft] = useState<Draft | null>(null);
  const [opened, setEditing] = useState<Editing | null>(null);
  const editing = isFixed ? null : opened;
  const drag = useRef<Drag | null>(null);
  const hasDragged = useRef(false);
  const wrapper = useRef<HTMLDivElement>(null);

  const { models, columns, rows, handle, handleMin, handleMax } = map;
  const cells = useMemo(() => cellTable(map.cells, rows.length, columns.length), [map, rows, columns]);
  const shownColumns = useMemo(() => columnsShown(cells, columns.length), [cells, columns]);
  const top = useMemo(
    () => Math.max(1, ...map.cells.flatMap(({ weights }) => weights.map(Math.abs).filter(Number.isFinite))),
    [map],
  );

  // A new map has the value that was dragged to.
  useEffect(() => {
    if (drag.current === null) setDraft(null);
  }, [map]);

  const cellAt = ({ row, column }: CellPlace) => cells[row]?.[column];

  const setValue = (place: CellPlace, value: number | null, gesture?: string) => {
    const filter = place.column < 0 ? rows[place.row]?.filter : cellAt(place)?.filter;
    const model = models[place.model];
    if (filter == null || model === undefined || handle === null || isFixed) return;
    studio.edit((text) => setFilteredValue(text, { model, name: handle, filter, value }), gesture);
  };

  const shownWeight = (place: CellPlace) => cellAt(place)?.weights[place.model] ?? 0;

  const nudge = (place: CellPlace, by: number) => {
    if (place.column < 0 || !cellAt(place) || isFixed) return;
    const from = draft && samePlace(draft.place, place) ? draft.value : shownWeight(place);
    const value = rounded(from + by, handleMin, handleMax);
    setDraft({ place, value });
    setValue(place, value, `map-key-${place.row}-${place.column}-${place.model}`);
  };

  const reset = (place: CellPlace) => {
    setDraft(null);
    if (place.column >= 0) setValue(place, null);
    else for (const model of models.keys()) setValue({ ...place, model }, null, `map-reset-${place.row}`);
  };

  const edit = (place: CellPlace) => {
    const element = elementAt(wrapper.current, place);
    const box = wrapper.current?.getBoundingClientRect();
    if (!element || !box || isFixed) return;
    if (place.column < 0 ? rows[place.row]?.filter == null : !cellAt(place)) return;
    const { left, top: y, width, height } = element.getBoundingClientRect();
    setEditing({ place, left: left - box.left, top: y - box.top, width, height });
  };

  const stopEditing = () => {
    const place = editing?.place;
    setEditing(null);
    if (place) elementAt(wrapper.current, place)?.focus();
  };

  const move = (place: CellPlace) => {
    setActive(place);
    elementAt(wrapper.current, place)?.focus();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const place = placeOfTarget(event.target);
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = movedPlace(event.key, place, cells, shownColumns, models.length);
    if (next) move(next);
    else if (event.key === 'Enter' || event.key === ' ') edit(place);
    else if (event.key === 'Delete' || event.key === 'Backspace') reset(place);
    else if (event.key === '+' || event.key === '=') nudge(place, KEY_STEP);
    else if (event.key === '-') nudge(place, -KEY_STEP);
    else return;
    event.preventDefault();
  };

  const onPointerDown = (event: PointerEvent) => {
    const place = placeOfTarget(event.target);
    hasDragged.current = false;
    // A vertical drag of a finger scrolls.
    if (!place || event.button !== 0 || event.pointerType === 'touch' || place.column < 0) return;
    drag.current = { place, startY: event.clientY, startValue: shownWeight(place), hasMoved: false };
    // On the cell itself, so that the click after it is the cell's too.
    elementAt(wrapper.current, place)?.setPointerCapture(event.pointerId);
  };

  const onPointerMove = (event: PointerEvent) => {
    const now = drag.current;
    if (!now) {
      setPointed(placeOfTarget(event.target));
      return;
    }
    if (isFixed) return;
    const up = now.startY - event.clientY;
    if (!now.hasMoved && Math.abs(up) < CLICK_PX) return;
    if (!now.hasMoved) studio.history.hold('map-drag');
    now.hasMoved = true;
    const value = rounded(now.startValue + (up / DRAG_RANGE_PX) * (handleMax - handleMin), handleMin, handleMax);
    setPointed(now.place);
    setDraft({ place: now.place, value });
    setValue(now.place, value, 'map-drag');
  };

  const onPointerUp = () => {
    if (drag.current?.hasMoved) {
      hasDragged.current = true;
      studio.history.release();
    }
    drag.current = null;
  };

  const onClick = (event: MouseEvent) => {
    const place = placeOfTarget(event.target);
    if (place && !hasDragged.current) edit(place);
    hasDragged.current = false;
  };

  const onFocus = (event: FocusEvent) => {
    const place = placeOfTarget(event.target);
    if (place) setActive(place);
  };

  return (
    <section className={styles.section}>
      <div className={styles.head}>
        <h2>Weights map</h2>
        <CommandButton command={commands.resetWeights} variant="subtle" size="compact-xs" />
      </div>
      <ul className={styles.legend} aria-label="Models on the map">
        {models.map((model, index) => (
          <li key={model}>
            <ModelLetter index={index} /> {model}
          </li>
        ))}
        <li className={styles.scale} aria-hidden>
          0 <span className={styles.ramp} /> {top.toFixed(top > 1 ? 1 : 0)}
        </li>
      </ul>
      <div ref={wrapper} className={styles.wrapper}>
        {/* oxlint-disable-next-line jsx-a11y/no-static-element-interactions -- the handlers belong to the grid's cells */}
        <div
          className={styles.scroller}
          data-fixed={map.handle === null || undefined}
          onKeyDown={onKeyDown}
          onPointerDown={onPointerDown}
          onPointerMove={onPointerMove}
          onPointerUp={onPointerUp}
          onPointerCancel={onPointerUp}
          onPointerLeave={() => setPointed(null)}
          onClick={onClick}
          onFocus={onFocus}
        >
          <table role="grid" aria-label="Weights map" className={styles.grid}>
            <thead>
              <tr>
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
                        {modelLetter(index)}
                      </td>
                    )),
                  )}
                </tr>
              )}
            </thead>
            <tbody>
              {rows.map((row, index) => (
                <MapRow
                  key={row.label}
                  index={index}
                  row={row}
                  cells={cells[index] ?? NO_CELLS}
                  columns={columns}
                  shownColumns={shownColumns}
                  models={models}
                  top={top}
                  active={active.row === index ? active : null}
                  draft={draft?.place.row === index ? draft : null}
                />
              ))}
            </tbody>
          </table>
        </div>
        {editing && (
          <Popover
            opened
            onDismiss={stopEditing}
            onClose={stopEditing}
            withRoles={false}
            trapFocus
            width={300}
            shadow="md"
            withArrow
          >
            <Popover.Target>
              <div
                className={styles.anchor}
                style={{ left: editing.left, top: editing.top, width: editing.width, height: editing.height }}
              />
            </Popover.Target>
            <Popover.Dropdown>
              <CellEditor
                map={map}
                row={editing.place.row}
                cell={editing.place.column < 0 ? null : (cellAt(editing.place) ?? null)}
                firstModel={editing.place.model}
                onSet={(model, value, gesture) => setValue({ ...editing.place, model }, value, gesture)}
                onReset={() => reset(editing.place)}
                onDone={stopEditing}
              />
            </Popover.Dropdown>
          </Popover>
        )}
      </div>
      <MapReadout map={map} cell={cellAt(pointed ?? active) ?? null} place={pointed ?? active} />
      {map.note && <p className={styles.note}>{map.note}</p>}
    </section>
  );
}

const NO_CELLS: readonly undefined[] = [];

function rounded(value: number, min: number, max: number): number {
  return Math.round(Math.min(max, Math.max(min, value)) * 100) / 100;
}

/** The place that an element inside the grid stands for. */
function placeOfTarget(target: EventTarget): CellPlace | null {
  const data = target instanceof Element ? target.closest<HTMLElement>('[data-row]')?.dataset : undefined;
  return data ? { row: Number(data.row), column: Number(data.column), model: Number(data.model) } : null;
}

function elementAt(root: HTMLElement | null, { row, column, model }: CellPlace): HTMLElement | null {
  const wanted = `[data-row="${row}"][data-column="${column}"][data-model="${column < 0 ? 0 : model}"]`;
  return root?.querySelector<HTMLElement>(wanted) ?? null;
}
