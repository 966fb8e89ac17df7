/**
 * Measure: the statistics kernel, which no method writes: all products of a piece's deltas, or of its sources' own
 * values, their absolute values, maxima and changes; in float64 from the first difference on.
 */

import { measuredQuantities, pairCount } from '../methods/kernel.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { CompiledKernel } from './compiled-kernel.ts';
import { get, set, V, words, type Code } from './instructions.ts';
import { TileLoop } from './tile-loop.ts';
import { promoted, Totals, windowOf } from './totals.ts';

/** What a statistics kernel depends on. */
export interface MeasureShape {
  readonly dtypes: readonly BlendedDtype[];
  readonly from: 'deltas' | 'sources';
  /** 'block': also maxima and counts of changes. */
  readonly over: 'block' | 'row' | 'column';
}

/**
 * Compiles the statistics kernel: products of all pairs (upper triangle, column by column), absolute values and, over
 * blocks, maxima and how many are not zero. Differences and products are float64.
 */
export function compileMeasure(shape: MeasureShape): CompiledKernel {
  const { dtypes, from, over } = shape;
  const count = dtypes.length - (from === 'deltas' ? 1 : 0);
  const pairs = pairCount(count);
  const quantities = measuredQuantities(count, over === 'block');
  const loop = new TileLoop();
  const { builder } = loop;
  const window = windowOf(quantities);
  const totals = new Totals(loop, quantities, over === 'column' ? window : null);
  const module = loop.module(() => {
    const inside = builder.local();
    builder.emit(loop.inside, set(inside));
    /** Locals with the two halves of a source in float64. */
    const halves = dtypes.map((dtype, source) => {
      const codes = promoted(builder, [...loop.source(source, dtype), ...get(inside), ...V.and]);
      return codes.map((code) => {
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
      both(
        pairs + 2 * count + k,
        (n) => [...half(k, n), ...words(0, 0, 0, 0), ...V.f64x2_gt, ...one, ...V.and],
        V.f64x2_add,
      );
    }
  });
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
    joinOf: (n) => (over === 'block' && n >= pairs + count && n < pairs + 2 * count ? 'maximum' : 'sum'),
    totalsStride: totals.stride,
  };
}
