/**
 * Instructions: the WebAssembly instructions that kernels use, as bytes, and the bits of constants. Not functions and
 * modules of them (`wasm.ts`), nor what they are used for.
 */

/** Instructions, encoded. Pieces of code are joined by concatenation. */
export type Code = readonly number[];

/** The value types that kernels use. */
export const I32 = 0x7f;
export const V128 = 0x7b;
export type WasmType = typeof I32 | typeof V128;

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return out;
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      out.push(low);
      return out;
    }
    out.push(low | 0x80);
  }
}

function simd(opcode: number): Code {
  return [0xfd, ...unsigned(opcode)];
}

/** Vector instructions without operands of their own. */
export const V = {
  i32x4_splat: simd(0x11),
  i32x4_eq: simd(0x37),
  i32x4_ne: simd(0x38),
  i32x4_lt_s: simd(0x39),
  i32x4_lt_u: simd(0x3a),
  i32x4_gt_s: simd(0x3b),
  i32x4_gt_u: simd(0x3c),
  i32x4_le_s: simd(0x3d),
  i32x4_le_u: simd(0x3e),
  i32x4_ge_s: simd(0x3f),
  i32x4_ge_u: simd(0x40),
  f32x4_eq: simd(0x41),
  f32x4_ne: simd(0x42),
  f32x4_lt: simd(0x43),
  f32x4_gt: simd(0x44),
  f32x4_le: simd(0x45),
  f32x4_ge: simd(0x46),
  f64x2_gt: simd(0x4a),
  not: simd(0x4d),
  and: simd(0x4e),
  /** a & ~b */
  andnot: simd(0x4f),
  or: simd(0x50),
  xor: simd(0x51),
  /** (a, b, mask): a where the mask is set, else b. */
  bitselect: simd(0x52),
  any_true: simd(0x53),
  f64x2_promote_low: simd(0x5f),
  f32x4_ceil: simd(0x67),
  f32x4_floor: simd(0x68),
  f32x4_trunc: simd(0x69),
  f32x4_nearest: simd(0x6a),
  i16x8_narrow_u: simd(0x86),
  i32x4_abs: simd(0xa0),
  i32x4_neg: simd(0xa1),
  i32x4_bitmask: simd(0xa4),
  i32x4_shl: simd(0xab),
  i32x4_shr_s: simd(0xac),
  i32x4_shr_u: simd(0xad),
  i32x4_add: simd(0xae),
  i32x4_sub: simd(0xb1),
  i32x4_mul: simd(0xb5),
  i32x4_min_s: simd(0xb6),
  i32x4_min_u: simd(0xb7),
  i32x4_max_s: simd(0xb8),
  i32x4_max_u: simd(0xb9),
  i64x2_extmul_low_u: simd(0xde),
  i64x2_extmul_high_u: simd(0xdf),
  f32x4_abs: simd(0xe0),
  f32x4_neg: simd(0xe1),
  f32x4_sqrt: simd(0xe3),
  f32x4_add: simd(0xe4),
  f32x4_sub: simd(0xe5),
  f32x4_mul: simd(0xe6),
  f32x4_div: simd(0xe7),
  f32x4_min: simd(0xe8),
  f32x4_max: simd(0xe9),
  f64x2_abs: simd(0xec),
  f64x2_add: simd(0xf0),
  f64x2_sub: simd(0xf1),
  f64x2_mul: simd(0xf2),
  f64x2_max: simd(0xf5),
  /** (a, b): a < b ? b : a. */
  f64x2_pmax: simd(0xf7),
  i32x4_trunc_sat_s: simd(0xf8),
  i32x4_trunc_sat_u: simd(0xf9),
  f32x4_convert_s: simd(0xfa),
  f32x4_convert_u: simd(0xfb),
} as const;

/** i32 instructions without operands of their own. */
export const S = {
  lt_u: [0x49],
  add: [0x6a],
  sub: [0x6b],
  div_s: [0x6d],
  div_u: [0x6e],
  rem_s: [0x6f],
  rem_u: [0x70],
  and: [0x71],
  or: [0x72],
  shl: [0x74],
  shr_s: [0x75],
  shr_u: [0x76],
} as const;

/** Memory access. */
function at(opcode: Code, address: number): Code {
  // Alignment hint 1 byte: addresses may be anything.
  return [...opcode, 0, ...unsigned(address)];
}

/** Vector loads; an i32 address is on the stack, `address` is added to it. */
export const load = {
  v128: (address: number): Code => at(simd(0x00), address),
  /** Four unsigned 16-bit integers, widened. */
  u16x4: (address: number): Code => at(simd(0x04), address),
  splat32: (address: number): Code => at(simd(0x09), address),
} as const;

/** Vector stores; an i32 address and the value are on the stack, `address` is added to it. */
export const store = {
  v128: (address: number): Code => at(simd(0x0b), address),
  low64: (address: number): Code => [...at(simd(0x5b), address), 0],
} as const;

/** Scalar loads and stores; an i32 address is on the stack (and the value of a store), `address` is added to it. */
export const scalar = {
  load: (address: number): Code => at([0x28], address),
  load16: (address: number): Code => at([0x2f], address),
  store: (address: number): Code => at([0x36], address),
  store16: (address: number): Code => at([0x3b], address),
} as const;

/** An i32 constant. */
export function i32(value: number): Code {
  return [0x41, ...signed(value)];
}

/** Reads a local. */
export function get(local: number): Code {
  return [0x20, ...unsigned(local)];
}

/** Puts the stack's top into a local. */
export function set(local: number): Code {
  return [0x21, ...unsigned(local)];
}

/** Puts the stack's top into a local and leaves it there. */
export function tee(local: number): Code {
  return [0x22, ...unsigned(local)];
}

/** A constant vector of four 32-bit words. */
export function words(a: number, b: number, c: number, d: number): Code {
  const bytes = new Uint8Array(new Uint32Array([a, b, c, d]).buffer);
  return [...simd(0x0c), ...bytes];
}

/** Of (a, b) on the stack: four 32-bit lanes, 0 … 3 from a and 4 … 7 from b. */
export function shuffle32(a: number, b: number, c: number, d: number): Code {
  return [...simd(0x0d), ...[a, b, c, d].flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3])];
}

/** One 32-bit lane of the vector on the stack, as i32. */
export function extract32(lane: number): Code {
  return [...simd(0x1b), lane];
}

/** The vector on the stack with one 32-bit lane replaced by the i32 above it. */
export function replace32(lane: number): Code {
  return [...simd(0x1c), lane];
}

/** Control; a block's kind stands after `block`, `loop` and `if`, a depth after branches. */
export const OPCODE = { block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, br_if: 0x0d } as const;
/** The kind of a block that leaves nothing on the stack. */
export const NO_RESULT = 0x40;

/** One number, seen both ways. */
const FLOAT = new Float32Array(1);
const WORD = new Uint32Array(FLOAT.buffer);

/** The bits of a number rounded to float32. */
export function floatBits(value: number): number {
  FLOAT[0] = value;
  return WORD[0] ?? 0;
}

/** The float32 of some bits. */
export function bitsFloat(bits: number): number {
  WORD[0] = bits;
  return FLOAT[0] ?? 0;
}
