/**
 * Measure: the statistics kernel, which no method writes: all products of a piece's deltas, or of its sources' own
 * values, their absolute values, maxima and changes; in float64 from the first difference on.
 */

import { measuredQuantities, pairCount, surveyQuantities } from '../methods/kernel.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { CompiledKernel } from './compiled-kernel.ts';
import { get, set, V, words, type Code } from './instructions.ts';
import { countSizes, SIZES_BYTES } from './size-counts.ts';
import { TileLoop } from './tile-loop.ts';
import { promoted, Totals, windowOf } from './totals.ts';

/** What a statistics kernel depends on. */
export interface MeasureShape {
  readonly dtypes: readonly BlendedDtype[];
  readonly from: 'deltas' | 'sources';
  /** 'block': also maxima and counts of changes. */
  readonly over: 'block' | 'row' | 'column';
  /** Whether a survey's figures are counted, too; only of deltas over blocks. */
  readonly isSurveyed: boolean;
}

/**
 * Compiles the statistics kernel: products of all pairs (upper triangle, column by column), absolute values and, over
 * blocks, maxima and how many are not zero. Differences and products are float64; a survey's signs and sizes are those
 * of float32 differences, as kernels have them.
 */
export function compileMeasure(shape: MeasureShape): CompiledKernel {
  const { dtypes, from, over, isSurveyed } = shape;
  const count = dtypes.length - (from === 'deltas' ? 1 : 0);
  const pairs = pairCount(count);
  const measured = measuredQuantities(count, over === 'block');
  const quantities = measured + (isSurveyed ? surveyQuantities(count) : 0);
  const loop = new TileLoop();
  const { builder } = loop;
  const window = windowOf(quantities);
  const totals = new Totals(loop, quantities, over === 'column' ? window : null);
  const sizes = isSurveyed ? { address: loop.memory.take(count * SIZES_BYTES), models: count } : null;
  const module = loop.module(() => {
    const inside = builder.local();
    builder.emit(loop.inside, set(inside));
    const lanes = dtypes.map((dtype, source) => {
      const local = builder.local();
      builder.emit(loop.source(source, dtype), get(inside), V.and, set(local));
      return local;
    });
    /** Locals with the two halves of a source in float64. */
    const halves = lanes.map((source) => {
      return promoted(builder, get(source)).map((code) => {
        const local = builder.local();
        builder.emit(code, set(local));
        return local;
      });
    });
    const values = from === 'deltas' ? halves.slice(1) : halves;
    if (from === 'deltas') {
      for (const value of values) {
        value.forEach((local, n) => builder.emit(get(local), get(halves[0]?.[n] ?? 0), V.f64x2_sub, set(local)));
      }
    }
    const both = (q: number, make: (half: 0 | 1) => Code, combine: Code) => totals.take(q, make(0), make(1), combine);
    const half = (k: number, n: 0 | 1): Code => get(values[k]?.[n] ?? 0);
    let q = 0;
    for (let k = 0; k < count; k++) {
      for (let j = 0; j <= k; j++) {
        both(q++, (n) => [...half(j, n), ...half(k, n), ...V.f64x2_mul], V.f64x2_add);
      }
    }
    const one = builder.hoisted('float64 one', words(0, 0x3ff00000, 0, 0x3ff00000));
    for (let k = 0; k < count; k++) {
      for (const n of [0, 1] as const) builder.emit(half(k, n), V.f64x2_abs, set(values[k]?.[n] ?? 0));
      both(pairs + k, (n) => half(k, n), V.f64x2_add);
      if (over !== 'block') continue;
      // NaN is put in afterwards, from the sum: one instruction instead of seven.
      both(pairs + count + k, (n) => half(k, n), V.f64x2_pmax);
      if (isSurveyed) continue;
      both(
        pairs + 2 * count + k,
        (n) => [...half(k, n), ...words(0, 0, 0, 0), ...V.f64x2_gt, ...one, ...V.and],
        V.f64x2_add,
      );
    }
    if (!sizes) return;
    const [base = 0, ...models] = lanes;
    const moved = models.map((local) => {
      builder.emit(get(local), get(base), V.f32x4_sub, set(local));
      const [up, down] = [builder.local(), builder.local()];
      const zero = builder.splat(0);
      builder.emit(get(local), zero, V.f32x4_gt, set(up), get(local), zero, V.f32x4_lt, set(down));
      return { change: get(local), up: get(up), down: get(down) };
    });
    let at = measured;
    moved.forEach((one, k) => {
      totals.takeCount(pairs + 2 * count + k, [...one.up, ...one.down, ...V.or]);
      for (const other of moved.slice(0, k)) {
        const isOpposed = [...one.up, ...other.down, ...V.and, ...one.down, ...other.up, ...V.and, ...V.or];
        totals.takeCount(at++, isOpposed);
      }
    });
    const any = (codes: readonly Code[]) => codes.flatMap((code, k) => (k === 0 ? code : [...code, ...V.or]));
    totals.takeCount(at++, [...any(moved.map(({ up }) => up)), ...any(moved.map(({ down }) => down)), ...V.and]);
    both(at++, (n) => [...get(halves[0]?.[n] ?? 0), ...get(halves[0]?.[n] ?? 0), ...V.f64x2_mul], V.f64x2_add);
    moved.forEach(({ change, up, down }, k) => {
      countSizes(builder, change, [...up, ...down, ...V.or], sizes.address + k * SIZES_BYTES);
    });
  });
  const isCount = (n: number) => isSurveyed && n >= pairs + 2 * count && n < quantities - 1;
  return {
    module,
    memoryBytes: loop.memory.bytes,
    numbers: [],
    sources: loop.sources,
    randoms: [],
    ranks: [],
    columns: [],
    window,
    out: 0,
    faulty: 0,
    totals: totals.address,
    quantities,
    joinOf: (n) => {
      if (isCount(n)) return 'count';
      return over === 'block' && n >= pairs + count && n < pairs + 2 * count ? 'maximum' : 'sum';
    },
    totalsStride: totals.stride,
    ...(sizes ? { sizes } : {}),
  };
}
