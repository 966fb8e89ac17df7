/**
 * Philox: the numbers of `methods/random.ts` in bulk: a WebAssembly function that fills memory, four counters at a
 * time, bit for bit the same.
 */

import {
  get,
  i32,
  NO_RESULT,
  OPCODE,
  S,
  set,
  shuffle32,
  store,
  tee,
  unsigned,
  V,
  words,
  type Code,
} from './instructions.ts';
import { M0, M1, ROUNDS, W0, W1 } from '../methods/random.ts';
import { FunctionBuilder, moduleOf } from './wasm.ts';

/** Numbers that one turn makes. */
export const PHILOX_GROUP = 16;

/**
 * The module. `run(address, firstBlock, groups, key0, key1)` writes 16 × `groups` float32 numbers of a stream, from
 * element 4 × firstBlock on.
 */
export function philoxModule(): WebAssembly.Module {
  const [address, block, groups, key0, key1] = [0, 1, 2, 3, 4] as const;
  const builder = new FunctionBuilder(5);
  let x = [builder.local(), builder.local(), builder.local(), builder.local()] as const;
  let y = [builder.local(), builder.local(), builder.local(), builder.local()] as const;
  const [low, high] = [builder.local(), builder.local()];
  const keys = Array.from({ length: ROUNDS }, (_, round) =>
    [
      [key0, Math.imul(W0, round)],
      [key1, Math.imul(W1, round)],
    ].map(([key, step]) =>
      builder.hoisted(`key ${key} ${round}`, [...get(key ?? 0), ...i32(step ?? 0), ...S.add, ...V.i32x4_splat]),
    ),
  );
  /** The 64-bit products of four words with a constant, in `low` (lanes 0 and 1) and `high` (lanes 2 and 3). */
  const multiply = (value: number, factor: Code): Code =>
    [get(value), factor, V.i64x2_extmul_low_u, set(low), get(value), factor, V.i64x2_extmul_high_u, set(high)].flat();
  const halves = (odd: 0 | 1): Code => [...get(low), ...get(high), ...shuffle32(odd, 2 + odd, 4 + odd, 6 + odd)];
  const zero = words(0, 0, 0, 0);
  const turn = builder.capture(() => {
    builder.emit(
      ...[get(block), V.i32x4_splat, words(0, 1, 2, 3), V.i32x4_add, set(x[0])],
      ...[zero, set(x[1]), zero, set(x[2]), zero, set(x[3])],
    );
    for (const [k0, k1] of keys) {
      builder.emit(
        ...[
          multiply(x[0], builder.splat(M0)),
          halves(1),
          get(x[3]),
          V.xor,
          k1 ?? [],
          V.xor,
          set(y[2]),
          halves(0),
          set(y[3]),
        ],
        ...[
          multiply(x[2], builder.splat(M1)),
          halves(1),
          get(x[1]),
          V.xor,
          k0 ?? [],
          V.xor,
          set(y[0]),
          halves(0),
          set(y[1]),
        ],
      );
      [x, y] = [y, x];
    }
    // The upper 24 bits of each word, as a multiple of 2^-24.
    for (const word of x) {
      builder.emit(
        get(word),
        i32(8),
        V.i32x4_shr_u,
        V.f32x4_convert_u,
        builder.float(2 ** -24),
        V.f32x4_mul,
        set(word),
      );
    }
    // Word by word to block by block.
    const pairs = (a: number, b: number, upper: boolean): Code => [
      ...get(a),
      ...get(b),
      ...(upper ? shuffle32(2, 6, 3, 7) : shuffle32(0, 4, 1, 5)),
    ];
    const [a, b, c, d] = x;
    builder.emit(pairs(a, b, false), set(y[0]), pairs(a, b, true), set(y[1]));
    builder.emit(pairs(c, d, false), set(y[2]), pairs(c, d, true), set(y[3]));
    for (const upper of [0, 1] as const) {
      const both = [...get(y[upper] ?? 0), ...get(y[2 + upper] ?? 0)];
      builder.emit(get(address), both, shuffle32(0, 1, 4, 5), store.v128(32 * upper));
      builder.emit(get(address), both, shuffle32(2, 3, 6, 7), store.v128(32 * upper + 16));
    }
    builder.emit(
      ...[get(address), i32(64), S.add, set(address), get(block), i32(4), S.add, set(block)],
      ...[get(groups), i32(1), S.sub, tee(groups), [OPCODE.br_if, ...unsigned(0)]],
    );
  }, 1);
  builder.emit([OPCODE.loop, NO_RESULT], turn, [OPCODE.end]);
  return moduleOf(builder);
}
