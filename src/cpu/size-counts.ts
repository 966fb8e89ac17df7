/**
 * SizeCounts: how the statistics kernel counts changes by size: bins of one power of two, four times over, so that four
 * neighbouring elements of about one size do not wait for each other. Not what the bins mean (`methods/kernel.ts`).
 */

import { FIRST_SIZE_EXPONENT, SIZE_BINS } from '../methods/kernel.ts';
import { extract32, get, I32, i32, S, scalar, set, V, type Code } from './instructions.ts';
import type { KernelMemory } from './kernel-memory.ts';
import type { FunctionBuilder } from './wasm.ts';

const LANES = 4;

/** Bytes of one lane's bins: one for elements that did not change, then SIZE_BINS, then room to an even address. */
const LANE_BYTES = 256;

/** Bytes of one model's counts. */
export const SIZES_BYTES = LANES * LANE_BYTES;

/** float32's exponent of the first bin, less one: bin 0 is for no change. */
const BELOW_FIRST = 127 + FIRST_SIZE_EXPONENT - 1;

/**
 * Counts four changes.
 * @param change four float32 lanes; read once. @param isChanged a mask of those that are not zero.
 */
export function countSizes(builder: FunctionBuilder, change: Code, isChanged: Code, address: number): void {
  const offsets = builder.scratch('sizes');
  // The exponent's place leaves it times four, which is a word's place among the bins.
  const exponents = [...change, ...i32(21), ...V.i32x4_shr_u, ...builder.splat(0x3fc), ...V.and];
  const bins = [...exponents, ...builder.splat(4 * BELOW_FIRST), ...V.i32x4_sub];
  const clamped = [...bins, ...builder.splat(4), ...V.i32x4_max_s, ...builder.splat(4 * SIZE_BINS), ...V.i32x4_min_s];
  builder.emit(clamped, isChanged, V.and, set(offsets));
  const offset = builder.local(I32);
  for (let lane = 0; lane < LANES; lane++) {
    const at = address + lane * LANE_BYTES;
    builder.emit(get(offsets), extract32(lane), set(offset));
    builder.emit(get(offset), get(offset), scalar.load(at), i32(1), S.add, scalar.store(at));
  }
  builder.release(offset);
}

/** Puts zeros where changes are counted. */
export function clearSizes({ u8 }: KernelMemory, address: number, models: number): void {
  u8.fill(0, address, address + models * SIZES_BYTES);
}

/** What was counted since: models × SIZE_BINS. */
export function sizesAt({ u32 }: KernelMemory, address: number, models: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(models * SIZE_BINS);
  for (let k = 0; k < models; k++) {
    for (let bin = 0; bin < SIZE_BINS; bin++) {
      for (let lane = 0; lane < LANES; lane++) {
        const word = (address + k * SIZES_BYTES + lane * LANE_BYTES) / 4 + 1 + bin;
        out[k * SIZE_BINS + bin] = (out[k * SIZE_BINS + bin] ?? 0) + (u32[word] ?? 0);
      }
    }
  }
  return out;
}
