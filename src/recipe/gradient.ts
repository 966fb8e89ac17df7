/**
 * Gradient: mergekit's list of values over the layers, as a curve that a hand draws. The list's values lie evenly from
 * the first layer (depth 0) to the last (1) with straight lines between them; a curve has points on that even grid, and
 * whatever of the list lies on the line between two points is no point of its own. Pure numbers: the place in the text
 * is `filter-list.ts`, what a tensor gets is `resolve.ts`.
 */

/** A point that a person can move. */
export interface CurvePoint {
  /** Place on the grid, from 0 to the curve's `steps`. */
  readonly at: number;
  readonly value: number;
}

/** A line over the layers. */
export interface Curve {
  /** Gaps of the even grid: one less than the list has values, and at least 1. */
  readonly steps: number;
  /** By place; the first at 0, the last at `steps`. */
  readonly points: readonly CurvePoint[];
}

/** Lists of no more values than this are somebody's own: each value is a point, also where it lies on a line. */
const MOST_PLAIN_VALUES = 12;

/** Values between two points at most: looking further would take long where somebody wrote thousands. */
const LONGEST_STRETCH = 200;

/** Decimals to which values are written that belong to a slider of this step. */
export function decimalsFor(step: number): number {
  return Math.min(12, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)) + 1);
}

/** A number to some decimals, never minus zero. */
export function roundedTo(value: number, decimals: number): number {
  return Number(value.toFixed(decimals)) + 0;
}

function between(a: CurvePoint, b: CurvePoint, at: number): number {
  return a.value + ((b.value - a.value) * (at - a.at)) / (b.at - a.at);
}

/**
 * The curve of a list's values (one value is a flat line). Its list, by `gradientOf` with the same decimals, is exactly
 * these values, or their one value where all are equal.
 */
export function curveOf(values: readonly number[], decimals: number): Curve {
  const [first = 0] = values;
  if (values.length < 2) return flatCurve(first);
  const all = values.map((value, at) => ({ at, value }));
  const steps = values.length - 1;
  if (values.length <= MOST_PLAIN_VALUES) return { steps, points: all };
  const points: CurvePoint[] = [];
  for (let i = 0; i < all.length; ) {
    const from = all[i];
    if (from === undefined) break;
    points.push(from);
    // The furthest value that a straight line reaches without changing any value on its way.
    let reach = i + 1;
    for (let j = i + 2; j < Math.min(all.length, i + LONGEST_STRETCH); j++) {
      const to = all[j];
      const isStraight =
        to !== undefined &&
        all.slice(i + 1, j).every((own) => roundedTo(between(from, to, own.at), decimals) === own.value);
      if (isStraight) reach = j;
    }
    i = reach;
  }
  return { steps, points };
}

/** A line of one value. */
export function flatCurve(value: number): Curve {
  return {
    steps: 1,
    points: [
      { at: 0, value },
      { at: 1, value },
    ],
  };
}

/** The curve's value at a depth from 0 (first layer) to 1 (last). */
export function curveValue({ steps, points }: Curve, depth: number): number {
  const at = Math.min(1, Math.max(0, depth)) * steps;
  const next = points.findIndex((point) => point.at >= at);
  const right = points[Math.max(0, next)];
  const left = points[Math.max(0, next - 1)];
  if (right === undefined || left === undefined) return Number.NaN;
  return right.at === left.at || right.at === at ? right.value : between(left, right, at);
}

/** The list that draws the curve: points as they are, values between them rounded. One value where all are equal. */
export function gradientOf(curve: Curve, decimals: number): readonly number[] {
  const { steps, points } = curve;
  const own = new Map(points.map(({ at, value }) => [at, value]));
  const values = Array.from(
    { length: steps + 1 },
    (_, at) => own.get(at) ?? roundedTo(curveValue(curve, at / steps), decimals),
  );
  const [first = 0] = values;
  return values.every((value) => value === first) ? [first] : values;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** The same curve on the coarsest grid that has all its points. */
function coarsened({ steps, points }: Curve): Curve {
  const divisor = points.reduce((own, { at }) => greatestDivisor(own, at), steps);
  return { steps: steps / divisor, points: points.map(({ at, value }) => ({ at: at / divisor, value })) };
}

/** With another value at one point. */
export function withPointValue(curve: Curve, index: number, value: number): Curve {
  return { ...curve, points: curve.points.map((point, i) => (i === index ? { ...point, value } : point)) };
}

/** Without a point: the line goes straight between its neighbours. The first and the last point stay. */
export function withoutPoint(curve: Curve, index: number): Curve {
  if (index <= 0 || index >= curve.points.length - 1) return curve;
  return coarsened({ ...curve, points: curve.points.filter((_, i) => i !== index) });
}

/** A point this near to a layer stands for it, in parts of the whole depth, but never further than half a layer. */
const NEAR_DEPTH = 0.02;

/**
 * With a point on the line at a layer, and its index. Every layer keeps its value: the grid is made finer evenly, and
 * where that would take more values than there are layers, it becomes one value per layer.
 * @param layer from 0 @param layers how many there are
 */
export function withPointAt(
  curve: Curve,
  layer: number,
  layers: number,
  decimals: number,
): { readonly curve: Curve; readonly index: number } {
  const last = layers - 1;
  const tolerance = Math.min(0.5, NEAR_DEPTH * last);
  const isNear = (at: number, steps: number) => Math.abs((at / steps) * last - layer) <= tolerance + 1e-9;
  const near = curve.points
    .map((point, index) => ({ index, off: Math.abs((point.at / curve.steps) * last - layer) }))
    .filter(({ off }) => off <= tolerance + 1e-9)
    .sort((a, b) => a.off - b.off)[0];
  if (near || last < 1) return { curve, index: near?.index ?? 0 };
  const onLine = (own: Curve, at: number) => {
    const value = roundedTo(curveValue(own, at / own.steps), decimals);
    const points = [...own.points, { at, value }].sort((a, b) => a.at - b.at);
    return { curve: { ...own, points }, index: points.findIndex((point) => point.at === at) };
  };
  for (let finer = 1; curve.steps * finer <= last; finer++) {
    const steps = curve.steps * finer;
    const at = Math.round((layer / last) * steps);
    if (!isNear(at, steps)) continue;
    return onLine({ steps, points: curve.points.map((own) => ({ ...own, at: own.at * finer })) }, at);
  }
  const values = Array.from({ length: layers }, (_, own) => roundedTo(curveValue(curve, own / last), decimals));
  const perLayer = cornersOf(values, decimals);
  const there = perLayer.points.findIndex(({ at }) => at === layer);
  return there < 0 ? onLine(perLayer, layer) : { curve: perLayer, index: there };
}

/** The curve of a list with no more points than it takes, however short it is. */
function cornersOf(values: readonly number[], decimals: number): Curve {
  if (values.length > MOST_PLAIN_VALUES) return curveOf(values, decimals);
  const { steps, points } = curveOf(values, decimals);
  const isCorner = ({ at, value }: CurvePoint) => {
    const [before, after] = [points[at - 1], points[at + 1]];
    return (
      before === undefined || after === undefined || roundedTo((before.value + after.value) / 2, decimals) !== value
    );
  };
  const corners = points.filter(isCorner);
  const thinned = { steps, points: corners };
  return gradientOf(thinned, decimals).every((value, i) => value === values[i]) ? thinned : { steps, points };
}

/** Shapes to begin with. */
export const CURVE_SHAPES = ['flat', 'ramp up', 'ramp down', 'hill', 'valley'] as const;
export type CurveShape = (typeof CURVE_SHAPES)[number];

/** A shape between two values; `flat` is a line at `level`. */
export function shapedCurve(shape: CurveShape, low: number, high: number, level: number): Curve {
  const over = (...values: number[]): Curve => ({
    steps: values.length - 1,
    points: values.map((value, at) => ({ at, value })),
  });
  switch (shape) {
    case 'flat':
      return flatCurve(level);
    case 'ramp up':
      return over(low, high);
    case 'ramp down':
      return over(high, low);
    case 'hill':
      return over(low, high, low);
    case 'valley':
      return over(high, low, high);
    default:
      return shape satisfies never;
  }
}
