import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, decodeFloat32, encode } from './codec.ts';

type Half = 'F16' | 'BF16';

/** Where the fields of a 16-bit float lie. */
const LAYOUT = { F16: { mantissaBits: 10, bias: 15 }, BF16: { mantissaBits: 7, bias: 127 } } as const;

/** A pattern's value from the definition of the format, in float64 arithmetic only. */
function valueOf(pattern: number, dtype: Half): number {
  const { mantissaBits, bias } = LAYOUT[dtype];
  const exponentMask = 2 * bias + 1;
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern & 0x7fff) >> mantissaBits;
  const mantissa = pattern & (2 ** mantissaBits - 1);
  if (exponent === exponentMask) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

const allPatterns = new Uint16Array(65536).map((_, i) => i);
const allBytes = new Uint8Array(allPatterns.buffer);
const isNaNPattern = (pattern: number, dtype: Half) => Number.isNaN(valueOf(pattern, dtype));
const patternsOf = (bytes: Uint8Array<ArrayBuffer>) => new Uint16Array(bytes.buffer);

/** Rounds by search over the format's own values: nearest, a tie to the even pattern. No bit operation in common. */
function roundBySearch(value: number, dtype: Half): number {
  if (Number.isNaN(value)) return -1;
  const negative = value < 0 || Object.is(value, -0);
  const magnitude = Math.abs(value);
  const { mantissaBits, bias } = LAYOUT[dtype];
  const infinity = (2 * bias + 1) << mantissaBits;
  // Past the last finite value lies, for rounding, the next power of two.
  const at = (pattern: number) => (pattern === infinity ? 2 ** (bias + 1) : valueOf(pattern, dtype));
  let low = 0;
  let high = infinity;
  if (magnitude >= at(high)) low = high;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(middle) <= magnitude) low = middle;
    else high = middle;
  }
  let pattern = low;
  if (low !== infinity) {
    const below = magnitude - at(low);
    const above = at(low + 1) - magnitude;
    if (above < below || (above === below && low % 2 === 1)) pattern = low + 1;
  }
  return (negative ? 0x8000 : 0) | pattern;
}

describe.each(['F16', 'BF16'] as const)('%s', (dtype) => {
  it('decodes all 65536 patterns to their value', () => {
    const values = decode(allBytes, dtype);
    const floats = decodeFloat32(allBytes, dtype);
    for (let pattern = 0; pattern < 65536; pattern++) {
      const wanted = valueOf(pattern, dtype);
      if (!Object.is(values[pattern], wanted) || !Object.is(floats[pattern], wanted)) {
        expect.fail(`0x${pattern.toString(16)}: ${values[pattern]} and ${floats[pattern]} instead of ${wanted}`);
      }
    }
  });

  it('encodes every decoded pattern back to itself, NaN to quiet NaN', () => {
    const quiet = dtype === 'F16' ? 0x0200 : 0x0040;
    const fromFloats = patternsOf(encode(decodeFloat32(allBytes, dtype), dtype));
    const fromDoubles = patternsOf(encode(decode(allBytes, dtype), dtype));
    for (let pattern = 0; pattern < 65536; pattern++) {
      if (isNaNPattern(pattern, dtype)) {
        expect(fromFloats[pattern]).toBe(pattern | quiet);
        expect(isNaNPattern(fromDoubles[pattern] ?? 0, dtype)).toBe(true);
      } else if (fromFloats[pattern] !== pattern || fromDoubles[pattern] !== pattern) {
        expect.fail(`0x${pattern.toString(16)}`);
      }
    }
  });

  it('rounds the halfway point of every two neighbours to even, and its neighbours in float64 to the nearer', () => {
    const { mantissaBits, bias } = LAYOUT[dtype];
    const infinity = (2 * bias + 1) << mantissaBits;
    const halfway: number[] = [];
    const wanted: number[] = [];
    for (let low = 0; low < infinity; low++) {
      const above = low + 1 === infinity ? 2 ** (bias + 1) : valueOf(low + 1, dtype);
      const middle = (valueOf(low, dtype) + above) / 2;
      halfway.push(middle, middle * (1 - 2 ** -52), middle * (1 + 2 ** -52), -middle);
      const even = low % 2 === 0 ? low : low + 1;
      wanted.push(even, low, low + 1, 0x8000 | even);
    }
    expect(patternsOf(encode(new Float64Array(halfway), dtype))).toEqual(new Uint16Array(wanted));
  });

  it('agrees with a search over the format for random float64 bit patterns', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const [pattern = 0] = patternsOf(encode(new Float64Array([value]), dtype));
        if (Number.isNaN(value)) expect(isNaNPattern(pattern, dtype)).toBe(true);
        else expect(pattern).toBe(roundBySearch(value, dtype));
      }),
      { numRuns: 5000 },
    );
  });

  it('agrees with the search near its own values, and float32 input with float64 input', () => {
    const near = fc.tuple(fc.nat(0x7fff), fc.double({ min: -2, max: 2, noNaN: true })).map(([pattern, offset]) => {
      const value = valueOf(pattern, dtype);
      const next = valueOf(pattern + 1, dtype);
      return Number.isFinite(value) && Number.isFinite(next) ? value + offset * (next - value) : 1;
    });
    fc.assert(
      fc.property(near, (value) => {
        expect(patternsOf(encode(new Float64Array([value]), dtype))[0]).toBe(roundBySearch(value, dtype));
        const float = Math.fround(value);
        expect(patternsOf(encode(new Float32Array([float]), dtype))[0]).toBe(roundBySearch(float, dtype));
      }),
      { numRuns: 5000 },
    );
  });

  it('rounds once from float64, where rounding by way of float32 gives something else', () => {
    const { mantissaBits } = LAYOUT[dtype];
    // Just above the halfway point between 1 and the next value; float32 would round it onto the halfway point.
    const value = 1 + 2 ** (-mantissaBits - 1) + 2 ** -40;
    const one = dtype === 'F16' ? 0x3c00 : 0x3f80;
    expect(patternsOf(encode(new Float64Array([value]), dtype))[0]).toBe(one + 1);
    expect(patternsOf(encode(new Float32Array([value]), dtype))[0]).toBe(one);
  });

  it('keeps the sign of zeros, of infinities and of what underflows', () => {
    const values = [0, -0, 1e-300, -1e-300, Infinity, -Infinity, 1e300, -1e300];
    const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
    const wanted = [0, 0x8000, 0, 0x8000, infinity, infinity | 0x8000, infinity, infinity | 0x8000];
    expect([...patternsOf(encode(new Float64Array(values), dtype))]).toEqual(wanted);
    expect([...patternsOf(encode(new Float32Array(values), dtype))]).toEqual(wanted);
  });

  it('never turns a NaN whose payload lies in the dropped bits into infinity', () => {
    const floats = new Float32Array(new Uint32Array([0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff]).buffer);
    for (const pattern of patternsOf(encode(floats, dtype))) expect(isNaNPattern(pattern, dtype)).toBe(true);
  });

  it('crosses block borders', () => {
    const values = new Float64Array(5001).map((_, i) => i / 7);
    const patterns = patternsOf(encode(values, dtype));
    for (const i of [0, 2047, 2048, 2049, 4096, 5000]) expect(patterns[i]).toBe(roundBySearch(i / 7, dtype));
  });
});

describe('F32', () => {
  it('takes float32 bits through unchanged, unaligned ones too', () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 50 }), fc.nat(3), (values, offset) => {
        const shifted = new Uint8Array(values.byteLength + offset);
        shifted.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
        const bytes = shifted.subarray(offset);
        expect([...decode(bytes, 'F32')]).toEqual([...values]);
        expect([...decodeFloat32(bytes, 'F32')]).toEqual([...values]);
        expect(encode(decodeFloat32(bytes, 'F32'), 'F32')).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  it('rounds float64 to nearest even with subnormals and overflow', () => {
    const values = [1 + 2 ** -24, 1 + 3 * 2 ** -24, 2 ** -150, 2 ** -149, -(2 ** -151), 3.4028235677973366e38];
    const words = new Uint32Array(encode(new Float64Array(values), 'F32').buffer);
    expect([...words]).toEqual([0x3f800000, 0x3f800002, 0, 1, 0x80000000, 0x7f800000]);
  });
});

describe('any dtype', () => {
  it.each(['F16', 'BF16'] as const)('decodes unaligned %s', (dtype) => {
    const shifted = new Uint8Array(allBytes.length + 1);
    shifted.set(allBytes, 1);
    expect(decode(shifted.subarray(1), dtype)).toEqual(decode(allBytes, dtype));
    expect(decodeFloat32(shifted.subarray(1), dtype)).toEqual(decodeFloat32(allBytes, dtype));
  });

  it('gives memory of its own', () => {
    const bytes = encode(new Float32Array([1, 2]), 'F32');
    const values = decodeFloat32(bytes, 'F32');
    values[0] = 9;
    expect([...decode(bytes, 'F32')]).toEqual([1, 2]);
    const source = new Float32Array([1]);
    encode(source, 'F32').fill(0);
    expect(source[0]).toBe(1);
  });

  it.each(['F32', 'F16', 'BF16'] as const)('writes %s into memory that is given, a part of a buffer too', (dtype) => {
    const values = new Float64Array([1.5, -2, 0.25]);
    const wanted = encode(values, dtype);
    const buffer = new ArrayBuffer(64);
    const bytes = new Uint8Array(buffer, 8, wanted.length);
    expect(encode(values, dtype, bytes)).toBe(bytes);
    expect(encode(new Float32Array(values), dtype, bytes)).toEqual(wanted);
    const doubles = new Float64Array(new ArrayBuffer(64), 16, 3);
    const floats = new Float32Array(new ArrayBuffer(64), 4, 3);
    expect(decode(bytes, dtype, doubles)).toBe(doubles);
    expect(decodeFloat32(bytes, dtype, floats)).toBe(floats);
    expect([[...doubles], [...floats]]).toEqual([[...values], [...values]]);
    expect(new Uint8Array(buffer).subarray(8 + wanted.length).every((byte) => byte === 0)).toBe(true);
    expect(() => decode(bytes, dtype, new Float64Array(2))).toThrow(RangeError);
    expect(() => decodeFloat32(bytes, dtype, new Float32Array(4))).toThrow(RangeError);
    expect(() => encode(values, dtype, new Uint8Array(wanted.length + 4))).toThrow(RangeError);
    expect(() => encode(values, dtype, new Uint8Array(new ArrayBuffer(64), 1, wanted.length))).toThrow(RangeError);
  });

  it('encodes a view into a longer array', () => {
    const longer = new Float32Array([9, 1, 2, 9]);
    expect([...decode(encode(longer.subarray(1, 3), 'BF16'), 'BF16')]).toEqual([1, 2]);
  });

  it.each([
    ['F32', 5],
    ['F16', 3],
    ['BF16', 1],
  ] as const)('refuses %s of %i bytes', (dtype, length) => {
    expect(() => decode(new Uint8Array(length), dtype)).toThrow(RangeError);
    expect(() => decodeFloat32(new Uint8Array(length), dtype)).toThrow(RangeError);
  });
});
