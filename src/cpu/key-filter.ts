/**
 * Key filter: counts the keys of a tile above a window of bits, and picks those inside, in order: a WebAssembly function
 * over four keys at a time. Not which window, nor what is done with the keys.
 */

import {
  extract32,
  get,
  I32,
  i32,
  load,
  NO_RESULT,
  OPCODE,
  S,
  scalar,
  set,
  store,
  tee,
  unsigned,
  V,
} from './instructions.ts';
import { FunctionBuilder, functionOf, moduleOf, PAGE_BYTES } from './wasm.ts';

const LANES = 4;

/** Bytes of the counts above and inside, four partial sums of each. */
const COUNT_BYTES = 32;

/** Bits that no window holds: below every key. */
const NO_KEY = 0xffffffff;

/** Made once: modules are shared by all filters of a thread. */
let compiled: WebAssembly.Module | null = null;

/** `run(keys, groups, low, high, isKept, caught, counts)` over 4 × groups keys. */
function filterModule(): WebAssembly.Module {
  const [keys, groups, low, high, isKept, caught, counts] = [0, 1, 2, 3, 4, 5, 6] as const;
  const builder = new FunctionBuilder(7);
  const [key, isAbove, isInside] = [builder.local(), builder.local(), builder.local()];
  const [above, inside, mask] = [builder.local(), builder.local(), builder.local(I32)];
  const lowest = builder.hoisted('low', [...get(low), ...V.i32x4_splat]);
  const highest = builder.hoisted('high', [...get(high), ...V.i32x4_splat]);
  const turn = builder.capture(() => {
    builder.emit(
      ...[get(keys), load.v128(0), set(key)],
      ...[get(key), highest, V.i32x4_gt_s, set(isAbove)],
      // A mask is minus one where it is set.
      ...[get(above), get(isAbove), V.i32x4_sub, set(above)],
      ...[get(key), lowest, V.i32x4_ge_s, get(isAbove), V.andnot, set(isInside)],
      ...[get(inside), get(isInside), V.i32x4_sub, set(inside)],
      ...[get(isInside), V.any_true, get(isKept), S.and, [OPCODE.if, NO_RESULT]],
      ...[get(isInside), V.i32x4_bitmask, set(mask)],
    );
    for (let lane = 0; lane < LANES; lane++) {
      // Written in any case; the place moves on only where the key is inside.
      builder.emit(
        ...[get(caught), get(key), extract32(lane), scalar.store(0)],
        ...[get(caught), get(mask), i32(lane), S.shr_u, i32(1), S.and, i32(2), S.shl, S.add, set(caught)],
      );
    }
    builder.emit(
      [OPCODE.end],
      ...[get(keys), i32(4 * LANES), S.add, set(keys)],
      ...[get(groups), i32(1), S.sub, tee(groups), [OPCODE.br_if, ...unsigned(0)]],
    );
  }, 1);
  builder.emit([OPCODE.loop, NO_RESULT], turn, [OPCODE.end]);
  builder.emit(get(counts), get(above), store.v128(0), get(counts), get(inside), store.v128(16));
  return moduleOf(builder);
}

/** A tile of keys and what a window catches of it. */
export class KeyFilter {
  /** Where the caller puts keys: bits of numbers without a sign. */
  readonly keys: Uint32Array<ArrayBuffer>;
  /** The keys inside the window of the last call, in order, from the beginning on. */
  readonly caught: Uint32Array<ArrayBuffer>;
  readonly #counts: Uint32Array;
  readonly #run: (...args: number[]) => void;

  /** @param most keys of the largest tile. */
  constructor(most: number) {
    const tile = most + LANES;
    const bytes = COUNT_BYTES + 2 * 4 * tile;
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) });
    const buffer = memory.buffer as ArrayBuffer;
    this.#counts = new Uint32Array(buffer, 0, COUNT_BYTES / 4);
    this.keys = new Uint32Array(buffer, COUNT_BYTES, tile);
    this.caught = new Uint32Array(buffer, COUNT_BYTES + 4 * tile, tile);
    compiled ??= filterModule();
    this.#run = functionOf(compiled, memory);
  }

  /**
   * Filters the first `count` of `keys`.
   * @param isKept whether the keys inside are wanted in `caught`, or only counted.
   */
  filter(count: number, window: { low: number; high: number }, isKept: boolean): { above: number; inside: number } {
    if (count === 0) return { above: 0, inside: 0 };
    const groups = Math.ceil(count / LANES);
    this.keys.fill(NO_KEY, count, groups * LANES);
    const { byteOffset } = this.keys;
    this.#run(byteOffset, groups, window.low, window.high, isKept ? 1 : 0, this.caught.byteOffset, 0);
    const sum = (from: number) => {
      let total = 0;
      for (let lane = 0; lane < LANES; lane++) total += this.#counts[from + lane] ?? 0;
      return total;
    };
    return { above: sum(0), inside: sum(LANES) };
  }
}
