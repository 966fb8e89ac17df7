/**
 * Codec: F32, F16 and BF16 bytes to numbers and back on the CPU, by integer bit operations. Decoding is exact;
 * encoding rounds once, to nearest even, from the very number given, with subnormals, signed zeros, infinities and
 * NaN (kept NaN: quiet, upper payload bits as they were). Bytes need no alignment. Not the GPU's arithmetic, which
 * is `shaders/prelude.wgsl` and must agree with this bit for bit.
 */

import type { BlendedDtype } from './dtype.ts';
import { elementBytes } from './dtype.ts';

/** Typed arrays have the machine's byte order; safetensors is little-endian, as are all machines with WebGPU. */
if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new Error('Fusewright needs a little-endian machine');
}

/**
 * Decodes little-endian elements to float64; exact. Writes into `out` (one per element) where it is given, which
 * saves the allocation. Throws RangeError where the bytes are no whole elements or `out` has another length.
 */
export function decode(
  bytes: Uint8Array,
  dtype: BlendedDtype,
  out?: Float64Array<ArrayBuffer>,
): Float64Array<ArrayBuffer> {
  const source = dtype === 'F32' ? asFloat32(bytes) : asUint16(bytes);
  const values = out ?? new Float64Array(source.length);
  requireLength(values.length, source.length);
  if (source instanceof Float32Array) {
    values.set(source);
  } else {
    const table = dtype === 'F16' ? f16Table() : bf16Table();
    // Here and below, indexes come from loops over, or are 16-bit values into, arrays of known length.
    for (let i = 0; i < source.length; i++) values[i] = table[source[i] as number] as number;
  }
  return values;
}

/** Decodes little-endian elements to float32; exact. Otherwise as `decode`; never shares memory with `bytes`. */
export function decodeFloat32(
  bytes: Uint8Array,
  dtype: BlendedDtype,
  out?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  requireWhole(bytes, elementBytes(dtype));
  const values = out ?? new Float32Array(bytes.byteLength / elementBytes(dtype));
  requireLength(values.length, bytes.byteLength / elementBytes(dtype));
  if (dtype === 'F32') {
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(bytes);
    return values;
  }
  const bits = asUint16(bytes);
  // Bits, not floats, are moved, so that NaN payloads survive on every machine.
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  if (dtype === 'BF16') {
    for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
  } else {
    const table = new Uint32Array(f16Table().buffer);
    for (let i = 0; i < bits.length; i++) words[i] = table[bits[i] as number] as number;
  }
  return values;
}

/**
 * Encodes values as little-endian elements, each rounded once to nearest even (overflow goes to infinity). Writes
 * into `out` where it is given: of the exact size and aligned to an element, else RangeError.
 */
export function encode(
  values: Float64Array | Float32Array,
  dtype: BlendedDtype,
  out?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const bytes = out ?? new Uint8Array(values.length * elementBytes(dtype));
  requireLength(bytes.byteLength, values.length * elementBytes(dtype));
  if (dtype === 'F32') {
    // The conversion between typed arrays rounds to nearest even (ECMA-262, NumericToRawBytes).
    new Float32Array(bytes.buffer, bytes.byteOffset, values.length).set(values);
    return bytes;
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
  const narrow = dtype === 'F16' ? narrowF16 : narrowBF16;
  if (values instanceof Float32Array) {
    narrow(new Int32Array(values.buffer, values.byteOffset, values.length), halves, 0);
  } else {
    const block = new Int32Array(BLOCK_ELEMENTS);
    for (let start = 0; start < values.length; start += BLOCK_ELEMENTS) {
      const part = values.subarray(start, start + BLOCK_ELEMENTS);
      roundToOdd(part, block);
      narrow(block.subarray(0, part.length), halves, start);
    }
  }
  return bytes;
}

/** Small enough for the first-level cache together with its source. */
const BLOCK_ELEMENTS = 2048;

/**
 * float64 to float32 bits, rounded to odd: where a value is not exact, of its two neighbours the one with an odd
 * last bit. Rounding that to a format at least two bits narrower gives the same as rounding the float64 once
 * (Boldo and Melquiond, "When double rounding is odd", 2005).
 */
function roundToOdd(values: Float64Array, out: Int32Array): void {
  const floats = new Float32Array(out.buffer, 0, values.length);
  floats.set(values);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const float = floats[i] as number;
    // NaN is unequal to itself; it is right already.
    if (float === value || value !== value) continue;
    const bits = out[i] as number;
    // The magnitude's bits count up in steps of one, so one less is the neighbour towards zero.
    out[i] = (Math.abs(float) > Math.abs(value) ? bits - 1 : bits) | 1;
  }
}

function narrowBF16(bits: Int32Array, out: Uint16Array, start: number): void {
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    if ((word & 0x7fffffff) > 0x7f800000) {
      out[start + i] = (word >>> 16) | 0x0040;
    } else {
      // Half of the last kept bit, less one where that bit is even: a tie goes to even, a carry to the exponent.
      out[start + i] = ((word + 0x7fff + ((word >>> 16) & 1)) | 0) >>> 16;
    }
  }
}

function narrowF16(bits: Int32Array, out: Uint16Array, start: number): void {
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    let half: number;
    if (magnitude >= 0x47800000) {
      // 65536 and above: infinity or NaN.
      half = magnitude > 0x7f800000 ? 0x7e00 | ((magnitude >>> 13) & 0x3ff) : 0x7c00;
    } else if (magnitude >= 0x38800000) {
      // 2^-14 and above: normal. Rebias the exponent by 112; a carry may reach infinity, as it should.
      const rebiased = magnitude - 0x38000000;
      half = (rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13;
    } else if (magnitude >= 0x33000000) {
      // 2^-25 and above: subnormal, in units of 2^-24.
      const mantissa = (magnitude & 0x7fffff) | 0x800000;
      const shift = 126 - (magnitude >>> 23);
      half = mantissa >>> shift;
      const rest = mantissa & ((1 << shift) - 1);
      const tie = 1 << (shift - 1);
      if (rest > tie || (rest === tie && (half & 1) === 1)) half++;
    } else {
      half = 0;
    }
    out[start + i] = sign | half;
  }
}

let f16Values: Float32Array<ArrayBuffer> | null = null;
let bf16Values: Float32Array<ArrayBuffer> | null = null;

/** All F16 patterns as float32; made on first use (256 KiB). */
function f16Table(): Float32Array<ArrayBuffer> {
  if (f16Values) return f16Values;
  const words = new Uint32Array(65536);
  for (let pattern = 0; pattern < 65536; pattern++) {
    const sign = (pattern & 0x8000) << 16;
    const exponent = (pattern >>> 10) & 0x1f;
    let mantissa = pattern & 0x3ff;
    if (exponent === 31) {
      words[pattern] = sign | 0x7f800000 | (mantissa << 13);
    } else if (exponent > 0) {
      words[pattern] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    } else if (mantissa === 0) {
      words[pattern] = sign;
    } else {
      // A subnormal F16 is a normal float32: shift its leading one into the implied place.
      const shift = Math.clz32(mantissa) - 21;
      mantissa = (mantissa << shift) & 0x3ff;
      words[pattern] = sign | ((113 - shift) << 23) | (mantissa << 13);
    }
  }
  f16Values = new Float32Array(words.buffer);
  return f16Values;
}

/** All BF16 patterns as float32; made on first use (256 KiB). */
function bf16Table(): Float32Array<ArrayBuffer> {
  if (bf16Values) return bf16Values;
  const words = new Uint32Array(65536);
  for (let pattern = 0; pattern < 65536; pattern++) words[pattern] = pattern << 16;
  bf16Values = new Float32Array(words.buffer);
  return bf16Values;
}

/** A view where the alignment allows one, else a view of a copy. */
function asUint16(bytes: Uint8Array): Uint16Array {
  requireWhole(bytes, elementBytes('BF16'));
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

function asFloat32(bytes: Uint8Array): Float32Array {
  requireWhole(bytes, elementBytes('F32'));
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

function requireWhole(bytes: Uint8Array, size: number): void {
  if (bytes.byteLength % size !== 0)
    throw new RangeError(`${bytes.byteLength} bytes are not whole elements of ${size}`);
}

function requireLength(length: number, wanted: number): void {
  if (length !== wanted) throw new RangeError(`${wanted} places are needed and ${length} were given`);
}
