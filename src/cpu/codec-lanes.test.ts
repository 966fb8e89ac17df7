/** Decoding and rounding in vector instructions against `formats/codec.ts`, bit for bit, and exp and log. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFloat32, encode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { LoadedPiece } from '../methods/kernel.ts';
import { kernelsOf, mergedBy, methodFor, numbersFor, pieceOf, sameBits } from './test/kernel-bench.ts';

const COPY = 'fn merge(i: u32) -> f32 { return model(0u, i); }';

function pieceOfBytes(bytes: Uint8Array<ArrayBuffer>, dtype: BlendedDtype, elements: number): LoadedPiece {
  const shape = { tensor: 't', start: 0, elements, tensorElements: elements, rowElements: elements };
  return { ...shape, hasBase: false, dtypes: [dtype], bytes: [bytes] };
}

/** Merges a copy; the bits that come out. */
function copied(piece: LoadedPiece, out: BlendedDtype, storage: 'packed' | 'float32') {
  return kernelsOf(COPY).merge(piece, methodFor(), numbersFor(1), out, storage, { isAudited: false, ranks: null });
}

/** Float32 bits at and around everything that rounding looks at, and random ones. */
function manyFloats(): Float32Array<ArrayBuffer> {
  const words: number[] = [];
  for (let exponent = 0; exponent < 256; exponent++) {
    for (const fraction of [
      0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000, 0x7fff, 0x8000, 0x8001, 0x17fff, 0x18000, 0x400000, 0x7fe000,
      0x7fefff, 0x7ff000, 0x7fffff,
    ]) {
      words.push((exponent << 23) | fraction, 0x80000000 | (exponent << 23) | fraction);
    }
  }
  let state = 12345;
  for (let n = 0; n < 200_003; n++) {
    state = (Math.imul(state ^ (state >>> 13), 0x5bd1e995) + 0x9e3779b9) | 0;
    words.push(state);
  }
  return new Float32Array(new Uint32Array(words).buffer);
}

describe('decoding', () => {
  it.each(['F16', 'BF16'] as const)('%s is exact for all 65536 patterns', (dtype) => {
    const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, n) => n).buffer);
    const got = copied(pieceOfBytes(bytes, dtype, 65536), 'F32', 'float32').values;
    const want = decodeFloat32(bytes, dtype);
    sameBits(got, want);
  });

  it('F32 keeps its bits', () => {
    const floats = manyFloats();
    const { bytes } = copied(pieceOfBytes(new Uint8Array(floats.buffer), 'F32', floats.length), 'F32', 'packed');
    sameBits(bytes, new Uint8Array(floats.buffer));
  });
});

describe('rounding', () => {
  it.each(['F16', 'BF16'] as const)('to %s is that of the codec, packed and widened', (dtype) => {
    const floats = manyFloats();
    const piece = pieceOfBytes(new Uint8Array(floats.buffer), 'F32', floats.length);
    const want = encode(floats, dtype);
    const packed = copied(piece, dtype, 'packed');
    sameBits(packed.bytes, want);
    const widened = copied(piece, dtype, 'float32');
    const wide = decodeFloat32(want, dtype);
    sameBits(widened.values, wide);
    const faulty = wide.reduce((count, x) => count + (Number.isFinite(x) ? 0 : 1), 0);
    expect(packed.faulty).toBe(faulty);
    expect(widened.faulty).toBe(faulty);
    expect(faulty).toBeGreaterThan(100);
  });

  it.each(['F16', 'BF16'] as const)('%s of every pattern gives the same pattern', (dtype) => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, n) => n);
    const bytes = new Uint8Array(patterns.buffer);
    const got = new Uint16Array(copied(pieceOfBytes(bytes, dtype, 65536), dtype, 'packed').bytes.buffer);
    const nan = dtype === 'F16' ? (n: number) => (n & 0x7fff) > 0x7c00 : (n: number) => (n & 0x7fff) > 0x7f80;
    for (let n = 0; n < 65536; n++) {
      // A signalling NaN becomes quiet.
      const want = nan(n) ? n | (dtype === 'F16' ? 0x200 : 0x40) : n;
      if (got[n] !== want) expect.fail(`${n.toString(16)} became ${got[n]?.toString(16)}`);
    }
  });
});

/** How many float32 numbers lie between two, counted along the bits. */
function steps(a: number, b: number): number {
  const order = (x: number) => {
    const bits = new Int32Array(new Float32Array([x]).buffer)[0] ?? 0;
    return bits < 0 ? -(bits & 0x7fffffff) : bits;
  };
  return Math.abs(order(a) - order(b));
}

describe('exp and log', () => {
  const of = (name: 'exp' | 'log', values: Float32Array) =>
    mergedBy(`fn merge(i: u32) -> f32 { return ${name}(model(0u, i)); }`, pieceOf([values]), numbersFor(1));

  it('exp is within two steps of the true value everywhere', () => {
    const values = Float32Array.from({ length: 100_000 }, (_, n) => -105 + (n / 100_000) * 195);
    const got = of('exp', values);
    let worst = 0;
    values.forEach((x, n) => {
      worst = Math.max(worst, steps(got[n] ?? 0, Math.fround(Math.exp(x))));
    });
    expect(worst).toBeLessThanOrEqual(2);
  });

  it('log is within two steps of the true value everywhere', () => {
    const bits = Uint32Array.from({ length: 100_000 }, (_, n) => 1 + Math.floor((n / 100_000) * 0x7f7ffffe));
    const near = Float32Array.from({ length: 20_000 }, (_, n) => 0.5 + n / 10_000);
    for (const values of [new Float32Array(bits.buffer), near]) {
      const got = of('log', values);
      let worst = 0;
      values.forEach((x, n) => {
        worst = Math.max(worst, steps(got[n] ?? 0, Math.fround(Math.log(x))));
      });
      expect(worst).toBeLessThanOrEqual(2);
    }
  });

  it('have the edges that numbers have', () => {
    const edges = Float32Array.of(0, -0, 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -1, 1e-45);
    expect([...of('exp', edges)].slice(0, 6)).toEqual([
      1,
      1,
      Math.fround(Math.E),
      Number.POSITIVE_INFINITY,
      0,
      Number.NaN,
    ]);
    expect([...of('log', edges)].slice(0, 7)).toEqual([
      ...[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY],
      ...[Number.NaN, Number.NaN, Number.NaN],
    ]);
    expect(of('exp', Float32Array.of(89, 1000))).toEqual(
      Float32Array.of(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
    );
  });
});

describe('a copy of any length', () => {
  it('has all elements and no others', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20_000 }),
        fc.constantFrom<BlendedDtype>('F32', 'F16', 'BF16'),
        fc.constantFrom<BlendedDtype>('F32', 'F16', 'BF16'),
        (elements, dtype, out) => {
          const values = Float32Array.from({ length: elements }, (_, n) => Math.sin(n * 1.7));
          const bytes = encode(values, dtype);
          const result = copied(pieceOfBytes(bytes, dtype, elements), out, 'packed');
          sameBits(result.bytes, encode(decodeFloat32(bytes, dtype), out));
          expect(result.faulty).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});
