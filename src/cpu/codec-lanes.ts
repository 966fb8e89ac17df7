/**
 * CodecLanes: F32, F16 and BF16 to four float32 lanes and back, by integer operations: `shaders/prelude.wgsl` and
 * `formats/codec.ts` in vector instructions, and bit for bit the same.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import { get, i32, load, set, tee, V, type Code } from './instructions.ts';
import type { FunctionBuilder } from './wasm.ts';

/**
 * Loads and decodes four neighbouring elements.
 * @param bytes code for the byte offset of the first, in elements of two and of four bytes; `address` is added to it.
 */
export function loadLanes(
  builder: FunctionBuilder,
  dtype: BlendedDtype,
  bytes: { readonly of2: Code; readonly of4: Code },
  address: number,
): Code {
  if (dtype === 'F32') return [...bytes.of4, ...load.v128(address)];
  const halves = [...bytes.of2, ...load.u16x4(address)];
  return dtype === 'BF16' ? [...halves, ...i32(16), ...V.i32x4_shl] : decodeF16(builder, halves);
}

/** F16 bits in 32-bit lanes to float32. */
function decodeF16(builder: FunctionBuilder, halves: Code): Code {
  const [bits, magnitude] = [builder.scratch('f16 bits'), builder.scratch('f16 magnitude')];
  return [
    ...[halves, tee(bits), builder.splat(0x7fff), V.and, i32(13), V.i32x4_shl, set(magnitude)],
    // A subnormal is put under the point of 2^-14 and 2^-14 taken away: exact, and no float32 subnormal on the way.
    ...[get(magnitude), builder.splat(0x38800000), V.i32x4_add, builder.splat(0x38800000), V.f32x4_sub],
    // Otherwise the exponent is moved by 112, and once more where it says infinity or NaN.
    ...[get(magnitude), builder.splat(0x38000000), V.i32x4_add],
    ...[get(magnitude), builder.splat(0x0f7fffff), V.i32x4_gt_s, builder.splat(0x38000000), V.and, V.i32x4_add],
    ...[get(magnitude), builder.splat(0x00800000), V.i32x4_lt_s, V.bitselect],
    ...[get(bits), builder.splat(0x8000), V.and, i32(16), V.i32x4_shl, V.or],
  ].flat();
}

/** Rounded results in 32-bit lanes. */
export interface Rounded {
  /** The dtype's own bits. */
  readonly bits: Code;
  /** All ones in lanes that are NaN or infinite. */
  readonly faulty: Code;
  /** As float32. */
  readonly widened: Code;
}

/**
 * Rounds four lanes to nearest even, once: NaN stays NaN, overflow becomes infinity.
 * @param value a local with the lanes.
 * @param into a local for the bits; the code for them is written in place.
 */
export function roundLanes(builder: FunctionBuilder, dtype: BlendedDtype, value: number, into: number): Rounded {
  const exponent = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 }[dtype];
  if (dtype === 'F32') builder.emit(get(value), set(into));
  else if (dtype === 'BF16') roundBF16(builder, value, into);
  else roundF16(builder, value, into);
  const bits = get(into);
  return {
    bits,
    faulty: [...bits, ...builder.splat(exponent), ...V.and, ...builder.splat(exponent), ...V.i32x4_eq],
    widened:
      dtype === 'F32' ? bits : dtype === 'BF16' ? [...bits, ...i32(16), ...V.i32x4_shl] : decodeF16(builder, bits),
  };
}

function roundBF16(builder: FunctionBuilder, value: number, into: number): void {
  const high = builder.local();
  builder.emit(
    ...[get(value), i32(16), V.i32x4_shr_u, set(high)],
    // NaN: the upper bits as they are, quiet.
    ...[get(high), builder.splat(0x40), V.or],
    // Else half of the last bit kept, less one where that is even.
    ...[get(value), builder.splat(0x7fff), V.i32x4_add, get(high), builder.splat(1), V.and, V.i32x4_add],
    ...[i32(16), V.i32x4_shr_u],
    ...[get(value), get(value), V.f32x4_ne, V.bitselect, set(into)],
  );
  builder.release(high);
}

function roundF16(builder: FunctionBuilder, value: number, into: number): void {
  const magnitude = builder.local();
  const odd = builder.local();
  builder.emit(
    ...[get(value), builder.splat(0x7fffffff), V.and, set(magnitude)],
    ...[get(magnitude), i32(13), V.i32x4_shr_u, set(odd)],
    // NaN, keeping the upper payload.
    ...[get(odd), builder.splat(0x3ff), V.and, builder.splat(0x7e00), V.or],
    // Normal: the exponent moved by 112; a carry may reach infinity.
    ...[get(magnitude), builder.splat(0x38000000 - 0xfff), V.i32x4_sub, get(odd), builder.splat(1), V.and, V.i32x4_add],
    ...[i32(13), V.i32x4_shr_u],
    // Subnormal: added to 1/2 the last bit of the sum is worth 2^-24, and the CPU rounds to it.
    ...[get(magnitude), builder.splat(0x3f000000), V.f32x4_add, builder.splat(0x3f000000), V.i32x4_sub],
    ...[get(magnitude), builder.splat(0x387fffff), V.i32x4_gt_s, V.bitselect],
    ...[builder.splat(0x7c00), V.i32x4_min_u],
    // Not by value: what is above 65504 has its carry already.
    ...[get(value), get(value), V.f32x4_ne, V.bitselect],
    ...[get(value), i32(16), V.i32x4_shr_u, builder.splat(0x8000), V.and, V.or, set(into)],
  );
  builder.release(magnitude);
  builder.release(odd);
}
