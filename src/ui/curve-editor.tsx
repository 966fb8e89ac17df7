/**
 * One curve over the layers, drawn by hand: points go up and down by pointer or keys, a click puts another one, Delete
 * takes one out, shapes begin anew. The text is the truth: what is drawn here is read from it. One drag is one undo step.
 */

import { Button } from '@mantine/core';
import IconPlus from '@tabler/icons-react/dist/esm/icons/IconPlus.mjs';
import IconTrash from '@tabler/icons-react/dist/esm/icons/IconTrash.mjs';
import { type KeyboardEvent, useId, useRef, useState } from 'react';
import type { Method, NumberParameter } from '../methods/method.ts';
import { type EntryAddress, setEntry, writtenNumbers } from '../recipe/filter-list.ts';
import { type Layers, layerValues } from '../recipe/filter-reach.ts';
import {
  type Curve,
  CURVE_SHAPES,
  type CurveShape,
  curveOf,
  curveValue,
  decimalsFor,
  flatCurve,
  gradientOf,
  roundedTo,
  shapedCurve,
  withoutPoint,
  withPointAt,
  withPointValue,
} from '../recipe/gradient.ts';
import type { Recipe } from '../recipe/recipe.ts';
import type { WeightsMap } from '../state/engine-api.ts';
import styles from './curve-editor.module.css';
import { CurvePlot } from './curve-plot.tsx';
import { type CurvePart, inheritedNumbers, shapeRange } from './curve-targets.ts';
import { placeWords } from './curve-words.ts';
import { NumberControl } from './number-control.tsx';
import { useStudio, useWorkbench } from './workbench-context.ts';

interface CurveEditorProps {
  readonly recipe: Recipe;
  readonly method: Method;
  readonly address: EntryAddress;
  readonly parameter: NumberParameter;
  readonly part: CurvePart;
  readonly layers: Layers;
  readonly isFixed: boolean;
}

export function CurveEditor(props: CurveEditorProps) {
  const { recipe, method, address, parameter, part, layers, isFixed } = props;
  const { studio } = useWorkbench();
  const map = useStudio((state) => state.map);
  const gesture = useId();
  const [active, setActive] = useState(0);
  // Points that lie on the line between others are in no text: they are remembered for the values that they drew.
  const [placed, setPlaced] = useState<ReadonlyMap<string, Curve>>(new Map());
  const root = useRef<HTMLDivElement>(null);

  const decimals = decimalsFor(parameter.step);
  const numbers = writtenNumbers(recipe, address);
  const curve = numbers ? (placed.get(keyOf(numbers)) ?? curveOf(numbers, decimals)) : null;
  const inherited = inheritedNumbers(recipe, address, parameter);
  const background = curve === null && inherited ? curveOf(inherited, decimals) : null;
  const index = Math.min(active, (curve?.points.length ?? 1) - 1);
  const point = curve?.points[index];
  const isEnd = index === 0 || index === (curve?.points.length ?? 0) - 1;

  const write = (next: Curve, key?: string) => {
    const values = gradientOf(next, decimals);
    setPlaced((before) => new Map([...before].slice(-MOST_REMEMBERED)).set(keyOf(values), next));
    studio.sweep((text) => setEntry(text, { ...address, values }), key);
  };
  const valueFor = (value: number) => {
    // What is written beyond the slider's range can be drawn to, and no further.
    const all = [parameter.min, parameter.max, ...(curve?.points.map((own) => own.value) ?? [])];
    return roundedTo(Math.min(Math.max(...all), Math.max(Math.min(...all), value)), Math.max(0, decimals - 1));
  };
  const focus = (to: number) => {
    setActive(to);
    // The point may be there only after this change is drawn.
    requestAnimationFrame(() => root.current?.querySelector<SVGElement>(`[data-point="${to}"]`)?.focus());
  };

  const add = (layer: number, value: number | null, key?: string): number => {
    const from = curve ?? background ?? flatCurve(valueFor(value ?? shapeRange(parameter).high));
    const added = withPointAt(from, layer, layers.count, decimals);
    const next = value === null ? added.curve : withPointValue(added.curve, added.index, valueFor(value));
    write(next, key);
    setActive(added.index);
    return added.index;
  };
  const addNext = () => {
    if (!curve || !point) return focus(add(0, null));
    const last = layers.count - 1;
    const layerOf = (at: number) => (at / curve.steps) * last;
    // Halfway to the next point, of the last one to the one before it.
    const other = curve.points[index + 1] ?? curve.points[index - 1];
    if (!other) return undefined;
    return focus(add(Math.round((layerOf(point.at) + layerOf(other.at)) / 2), null));
  };
  const remove = () => {
    if (!curve || isEnd || isFixed) return;
    write(withoutPoint(curve, index));
    focus(Math.max(0, index - 1));
  };
  const move = (value: number, key: string) => {
    if (curve) write(withPointValue(curve, index, valueFor(value)), key);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (!curve || !point || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = parameter.step * (event.shiftKey ? 10 : 1);
    const to = {
      ArrowUp: point.value + step,
      ArrowDown: point.value - step,
      PageUp: point.value + 10 * parameter.step,
      PageDown: point.value - 10 * parameter.step,
      Home: parameter.min,
      End: parameter.max,
    }[event.key];
    if (to !== undefined && !isFixed) move(to, `${gesture}-key-${index}`);
    else if (event.key === 'ArrowRight') focus(Math.min(index + 1, curve.points.length - 1));
    else if (event.key === 'ArrowLeft') focus(Math.max(index - 1, 0));
    else if ((event.key === 'Insert' || event.key === '+') && !isFixed) addNext();
    else if (event.key === 'Delete' || event.key === 'Backspace') remove();
    else return;
    event.preventDefault();
  };

  const shape = (name: CurveShape) => {
    const { low, high } = shapeRange(parameter);
    const now = curve ?? background;
    const level = now ? roundedTo(curveValue(now, 0.5), decimals) : high;
    write(shapedCurve(name, low, high, level));
    setActive(0);
  };

  const names = recipe.models.map((own) => own.model);
  const isPerModel = Object.hasOwn(method.perModel, address.name);
  const others = isPerModel ? names.flatMap((model, place) => (model === address.model ? [] : [{ model, place }])) : [];
  const isSliced = map?.detail === 'modules' && map.handle === address.name && address.model !== null;
  return (
    <div ref={root} className={styles.editor}>
      <CurvePlot
        name={`${address.name}${isPerModel ? ` of ${address.model ?? 'all models'}` : ''}, ${part.label}`}
        curve={curve}
        background={background}
        active={index}
        layers={layers.count}
        min={parameter.min}
        max={parameter.max}
        decimals={decimals}
        own={{
          place: address.model === null ? null : names.indexOf(address.model),
          values: layerValues(recipe, method, address, layers),
        }}
        others={others.map(({ model, place }) => ({
          place,
          values: layerValues(recipe, method, { ...address, model }, layers),
        }))}
        measured={isSliced ? weightsNow(map, address.model, part, layers) : []}
        isFixed={isFixed}
        onActive={setActive}
        onKeyDown={onKeyDown}
        onHold={() => studio.history.hold(`${gesture}-drag`)}
        onRelease={() => studio.history.release()}
        onAdd={(layer, value) => add(layer, value, `${gesture}-drag`)}
        onMove={(to, value) => {
          setActive(to);
          if (curve) write(withPointValue(curve, to, valueFor(value)), `${gesture}-drag`);
        }}
      />
      <div className={styles.tools}>
        <div role="group" aria-label="Shapes" className={styles.shapes}>
          {CURVE_SHAPES.map((name) => (
            <Button
              key={name}
              variant="default"
              size="compact-xs"
              disabled={isFixed}
              leftSection={<ShapeIcon shape={name} />}
              onClick={() => shape(name)}
            >
              {name}
            </Button>
          ))}
        </div>
        <div className={styles.shapes}>
          <Button
            variant="default"
            size="compact-xs"
            disabled={isFixed}
            leftSection={<IconPlus size={12} aria-hidden />}
            onClick={addNext}
          >
            {curve ? 'Add a point' : 'Draw a curve'}
          </Button>
          <Button
            variant="default"
            size="compact-xs"
            disabled={isFixed || !curve || isEnd}
            leftSection={<IconTrash size={12} aria-hidden />}
            onClick={remove}
          >
            Remove the point
          </Button>
          <Button
            variant="subtle"
            color="gray"
            size="compact-xs"
            disabled={isFixed || !curve}
            onClick={() => {
              setActive(0);
              studio.sweep((text) => setEntry(text, { ...address, values: null }));
            }}
          >
            Remove the curve
          </Button>
        </div>
      </div>
      {curve && point ? (
        <div className={styles.value}>
          <NumberControl
            name="Point"
            caption={placeWords(point.at / curve.steps, layers.count)}
            value={point.value}
            min={parameter.min}
            max={parameter.max}
            step={parameter.step}
            hasSlider={false}
            isDisabled={isFixed}
            onChange={(value) => {
              if (value !== null) write(withPointValue(curve, index, value), `${gesture}-field-${index}`);
            }}
          />
        </div>
      ) : (
        <p className={styles.hint}>
          {background
            ? `Nothing is set here: the dashed line is what holds from elsewhere.${isFixed ? '' : ' Click into the picture to draw.'}`
            : `Nothing is set here: the method decides.${isFixed ? '' : ' Click into the picture to draw.'}`}
        </p>
      )}
    </div>
  );
}

/** Curves whose points are remembered. */
const MOST_REMEMBERED = 200;

function keyOf(values: readonly number[]): string {
  return values.every((value) => value === values[0]) ? String(values[0]) : values.join(' ');
}

/** A model's weights as the map has them, by layer: of one module, or the mean of all; of the layers that are drawn. */
function weightsNow(
  map: WeightsMap,
  model: string | null,
  { filter, module }: CurvePart,
  { count, step }: Layers,
): { readonly layer: number; readonly value: number }[] {
  const place = model === null ? -1 : map.models.indexOf(model);
  if (place < 0 || (filter !== null && module === null)) return [];
  const sums = new Float64Array(map.rows.length);
  const elements = new Float64Array(map.rows.length);
  for (const cell of map.cells) {
    if (module !== null && map.columns[cell.column] !== module) continue;
    sums[cell.row] = (sums[cell.row] ?? 0) + (cell.weights[place] ?? Number.NaN) * cell.elements;
    elements[cell.row] = (elements[cell.row] ?? 0) + cell.elements;
  }
  return map.rows.flatMap(({ label }, row) => {
    const layer = Number(/^layer (\d+)$/.exec(label)?.[1] ?? Number.NaN);
    const value = (sums[row] ?? 0) / (elements[row] ?? 0);
    const isShown = layer % step === 0 || layer === count - 1;
    return isShown && Number.isFinite(value) ? [{ layer, value }] : [];
  });
}

/** What a shape looks like. */
function ShapeIcon({ shape }: { shape: CurveShape }) {
  const { points, steps } = shapedCurve(shape, 9, 1, 5);
  return (
    <svg width={16} height={10} viewBox="0 0 16 10" fill="none" stroke="currentColor" strokeWidth={1.5} aria-hidden>
      <polyline points={points.map(({ at, value }) => `${1 + (14 * at) / steps},${value}`).join(' ')} />
    </svg>
  );
}
