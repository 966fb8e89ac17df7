/**
 * RankKeys: the first step of ranking rows by |δ|: the keys, out of sources of any dtypes, as a WebAssembly function.
 * Not their order (`rank-passes.ts`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import { loadLanes } from './codec-lanes.ts';
import { get, I32, i32, S, set, store, V, V128, words } from './instructions.ts';
import { loopOver } from './rank-passes.ts';
import { RANK_REGIONS as REGIONS } from './rank-regions.ts';
import { FunctionBuilder, moduleOf } from './wasm.ts';

/**
 * `run(count, offset)`: keys of `count` elements that lie in `base` and `model`, to `keys` + `offset`: the bits of |δ|,
 * in float32. Notes what they have in common.
 * @param base null where there is none.
 */
export function keysModule(base: BlendedDtype | null, model: BlendedDtype): WebAssembly.Module {
  const [count, offset] = [0, 1] as const;
  const builder = new FunctionBuilder(2);
  const [at, of2, of4] = [builder.local(I32), builder.local(I32), builder.local(I32)];
  const key = builder.local(V128);
  const [bits, largest, smallest] = [REGIONS.set, REGIONS.largest, REGIONS.smallest].map((address) =>
    builder.accumulator(address),
  ) as [number, number, number];
  const bytes = { of2: get(of2), of4: get(of4) };
  const body = builder.capture(() => {
    builder.emit(get(at), i32(1), S.shl, set(of2), get(at), i32(2), S.shl, set(of4));
    builder.emit(loadLanes(builder, model, bytes, REGIONS.model));
    if (base) builder.emit(loadLanes(builder, base, bytes, REGIONS.base), V.f32x4_sub);
    // What lies past the end becomes zero, which none of the three notes.
    builder.emit(get(count), get(at), S.sub, V.i32x4_splat, words(0, 1, 2, 3), V.i32x4_gt_s);
    builder.emit(builder.splat(0x7fffffff), V.and, V.and, set(key));
    builder.emit(get(of4), get(offset), S.add, get(key), store.v128(REGIONS.keys));
    builder.emit(get(key), get(bits), V.or, set(bits), get(key), get(largest), V.i32x4_max_s, set(largest));
    builder.emit(get(key), builder.splat(1), V.i32x4_sub, get(smallest), V.i32x4_min_u, set(smallest));
  }, 1);
  loopOver(builder, at, count, 4, [body]);
  return moduleOf(builder);
}
