/** The picture of a curve over the layers: the line, its points, what each layer gets, and the other models behind it. */

import { useResizeObserver } from '@mantine/hooks';
import { type KeyboardEvent, type PointerEvent, useRef } from 'react';
import type { LayerValue } from '../recipe/filter-reach.ts';
import { type Curve, gradientOf } from '../recipe/gradient.ts';
import styles from './curve-plot.module.css';
import { placeWords, valueWords } from './curve-words.ts';
import { modelColour } from './model-colour.ts';
import { modelLetter } from './model-letter.tsx';

/** What the layers get for one model. */
interface ModelLine {
  /** Place of the model in the recipe; null for all models. */
  readonly place: number | null;
  readonly values: readonly LayerValue[];
}

interface CurvePlotProps {
  readonly name: string;
  /** Null where nothing is written. */
  readonly curve: Curve | null;
  /** What holds from elsewhere then. */
  readonly background: Curve | null;
  readonly active: number;
  readonly layers: number;
  readonly min: number;
  readonly max: number;
  readonly decimals: number;
  readonly own: ModelLine;
  readonly others: readonly ModelLine[];
  /** The weights of the map, by layer. */
  readonly measured: readonly { readonly layer: number; readonly value: number }[];
  readonly isFixed: boolean;
  readonly onActive: (index: number) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly onHold: () => void;
  readonly onRelease: () => void;
  /** Puts a point at a layer and gives its index. */
  readonly onAdd: (layer: number, value: number) => number;
  readonly onMove: (index: number, value: number) => void;
}

const HEIGHT = 180;
const MARGIN = { left: 34, right: 20, top: 10, bottom: 22 };

export function CurvePlot(props: CurvePlotProps) {
  const { name, curve, background, active, layers, decimals, own, others, measured, isFixed } = props;
  const [measure, box] = useResizeObserver<HTMLDivElement>();
  const width = box.width > 0 ? box.width : 600;
  const drag = useRef<{ readonly index: number; readonly offset: number; hasMoved: boolean } | null>(null);
  const svg = useRef<SVGSVGElement>(null);

  const drawn = [curve, background].flatMap((line) => line?.points.map(({ value }) => value) ?? []);
  const all = [...drawn, ...own.values.map(({ value }) => value).filter(Number.isFinite)];
  const [low, high] = [Math.min(props.min, ...all), Math.max(props.max, ...all)];
  const inner = { width: Math.max(1, width - MARGIN.left - MARGIN.right), height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const x = (depth: number) => MARGIN.left + depth * inner.width;
  const y = (value: number) => MARGIN.top + (1 - (value - low) / (high - low || 1)) * inner.height;
  const xOfLayer = (layer: number) => x(layers > 1 ? layer / (layers - 1) : 1);

  /** Where a pointer is, as a layer and a value. */
  const under = (event: PointerEvent) => {
    const { left, top } = svg.current?.getBoundingClientRect() ?? { left: 0, top: 0 };
    const depth = Math.min(1, Math.max(0, (event.clientX - left - MARGIN.left) / inner.width));
    const share = 1 - (event.clientY - top - MARGIN.top) / inner.height;
    return { layer: Math.round(depth * (layers - 1)), value: low + share * (high - low) };
  };

  const onPointerDown = (event: PointerEvent) => {
    if (isFixed || event.button !== 0) return;
    const pointed = pointOf(event.target);
    // A finger beside the points scrolls the page; its tap puts a point when it ends.
    if (pointed === null && event.pointerType === 'touch') return;
    props.onHold();
    const { layer, value } = under(event);
    const index = pointed ?? props.onAdd(layer, value);
    const at = pointed === null ? value : (curve?.points[pointed]?.value ?? value);
    drag.current = { index, offset: at - value, hasMoved: false };
    props.onActive(index);
    svg.current?.setPointerCapture(event.pointerId);
    focusPoint(svg.current, index);
    event.preventDefault();
  };
  const onPointerMove = (event: PointerEvent) => {
    const now = drag.current;
    if (now) props.onMove(now.index, under(event).value + now.offset);
  };
  const onPointerUp = (event: PointerEvent) => {
    if (drag.current) {
      focusPoint(svg.current, drag.current.index);
      props.onRelease();
    } else if (event.type === 'pointerup' && event.pointerType === 'touch' && pointOf(event.target) === null) {
      const { layer, value } = under(event);
      if (!isFixed) props.onAdd(layer, value);
    }
    drag.current = null;
  };

  const colour = own.place === null || own.place < 0 ? 'var(--accent)' : modelColour(own.place);
  const ticks = layerTicks(layers, inner.width);
  return (
    <div ref={measure} className={styles.frame}>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the points inside have the keys */}
      <svg
        ref={svg}
        role="group"
        aria-label={`Curve of ${name}`}
        className={styles.plot}
        height={HEIGHT}
        data-fixed={isFixed || undefined}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={onPointerUp}
        onKeyDown={props.onKeyDown}
      >
        <g aria-hidden>
          {[low, (low + high) / 2, high].map((value) => (
            <g key={value}>
              <line className={styles.rule} x1={x(0)} x2={x(1)} y1={y(value)} y2={y(value)} />
              <text className={styles.label} x={x(0) - 8} y={y(value)} dy="0.35em" textAnchor="end">
                {axisFigure(value)}
              </text>
            </g>
          ))}
          {ticks.map((layer) => (
            <text key={layer} className={styles.label} x={xOfLayer(layer)} y={HEIGHT - 6} textAnchor="middle">
              {layer}
            </text>
          ))}
          {others.map((line) => (
            <OtherLine key={line.place} line={line} x={x} y={y} />
          ))}
          {measured.map(({ layer, value }) => (
            <rect
              key={layer}
              className={styles.measured}
              x={xOfLayer(layer) - 3}
              y={y(value) - 3}
              width={6}
              height={6}
            />
          ))}
          {background && (
            <polyline className={styles.inherited} points={polyline(background, decimals, x, y)} stroke={colour} />
          )}
          {curve && <polyline className={styles.line} points={polyline(curve, decimals, x, y)} stroke={colour} />}
          {own.values.map(({ layer, depth, value }) =>
            Number.isFinite(value) ? (
              <circle
                key={`${layer} ${value}`}
                className={styles.layer}
                data-layer={layer}
                data-value={value}
                cx={x(depth)}
                cy={y(value)}
                r={2.5}
                fill={colour}
              />
            ) : null,
          )}
        </g>
        {curve?.points.map((point, index) => {
          const depth = point.at / curve.steps;
          return (
            <g
              key={point.at / curve.steps}
              role="slider"
              tabIndex={index === active ? 0 : -1}
              aria-label={`Point ${index + 1} of ${curve.points.length}`}
              aria-orientation="vertical"
              aria-valuemin={low}
              aria-valuemax={high}
              aria-valuenow={point.value}
              aria-valuetext={`${placeWords(depth, layers)}: ${valueWords(point.value)}`}
              aria-disabled={isFixed || undefined}
              data-point={index}
              className={styles.point}
              onFocus={() => props.onActive(index)}
            >
              <circle className={styles.reach} cx={x(depth)} cy={y(point.value)} r={14} />
              <circle className={styles.knob} cx={x(depth)} cy={y(point.value)} r={6} stroke={colour} />
            </g>
          );
        })}
      </svg>
      <p className={styles.legend}>
        <span>
          <i className={styles.dotSign} style={{ background: colour }} /> what a layer gets
        </span>
        {measured.length > 0 && (
          <span>
            <i className={styles.measuredSign} /> its weight on the map
          </span>
        )}
        <span className={styles.keys}>
          Click: a point · drag, ↑ ↓: its value · ← →: the next · +: one more · Delete: one less
        </span>
      </p>
    </div>
  );
}

/** Another model's values, thin, with its letter at the end. */
function OtherLine({ line, x, y }: { line: ModelLine; x: (depth: number) => number; y: (value: number) => number }) {
  const values = line.values.filter(({ value }) => Number.isFinite(value));
  const last = values.at(-1);
  if (!last || line.place === null) return null;
  const colour = modelColour(line.place);
  return (
    <g opacity={0.65}>
      <polyline
        className={styles.other}
        points={values.map(({ depth, value }) => `${x(depth)},${y(value)}`).join(' ')}
        stroke={colour}
      />
      <text className={styles.letter} x={x(last.depth) + 6} y={y(last.value)} dy="0.35em" fill={colour}>
        {modelLetter(line.place)}
      </text>
    </g>
  );
}

/** The line through every value of the curve's list: rounding included, it is what layers get. */
function polyline(curve: Curve, decimals: number, x: (depth: number) => number, y: (value: number) => number): string {
  const values = gradientOf(curve, decimals);
  const [first = 0] = values;
  if (values.length === 1) return `${x(0)},${y(first)} ${x(1)},${y(first)}`;
  return values.map((value, i) => `${x(i / (values.length - 1))},${y(value)}`).join(' ');
}

/** Layers that are named under the picture: as many as have room, the first and the last among them. */
function layerTicks(layers: number, width: number): number[] {
  const last = layers - 1;
  const step = Math.max(1, Math.ceil(last / Math.max(1, Math.floor(width / 36))));
  const ticks = Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => i * step);
  return last - (ticks.at(-1) ?? 0) < step / 2 ? [...ticks.slice(0, -1), last] : [...ticks, last];
}

function axisFigure(value: number): string {
  return String(Number(value.toPrecision(2))).replace('-', '−');
}

function pointOf(target: EventTarget): number | null {
  const place = target instanceof Element ? target.closest<SVGElement>('[data-point]')?.dataset.point : undefined;
  return place === undefined ? null : Number(place);
}

function focusPoint(root: SVGSVGElement | null, index: number): void {
  // A point that was only just put is drawn with the next frame.
  requestAnimationFrame(() => root?.querySelector<SVGElement>(`[data-point="${index}"]`)?.focus());
}
