import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK, type Bits, dequantiseRows, formBytes, possibleForm, quantiseRows } from './block-quantised.ts';

const BITS = [8, 4] as const;
const halfOf = (bits: Bits) => (bits === 8 ? 128 : 8);

function block(...given: number[]): Float32Array {
  const out = new Float32Array(BLOCK);
  out.set(given);
  return out;
}

/** Codes of one block. */
function codes(data: Float32Array, bits: Bits): number[] {
  const { values } = quantiseRows(data, BLOCK, bits);
  return bits === 8 ? [...values] : [...values].flatMap((byte) => [byte & 15, byte >> 4]);
}

/** Numbers as normal as sums of many can be. */
function gaussian(count: number): Float32Array {
  let state = 12345;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(next() + 2 ** -33)) * Math.cos(2 * Math.PI * next()),
  );
}

function rms(a: Float32Array, b: ArrayLike<number>): number {
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - (b[i] ?? 0)) ** 2, 0) / a.length);
}

describe('quantiseRows', () => {
  it.each(BITS)('lays codes and scales out as MatMulNBits reads them: %d bits', (bits) => {
    const data = new Float32Array(3 * 64).map((_, i) => Math.sin(i));
    const { values, scales } = quantiseRows(data, 64, bits);
    expect([values.length, scales.length]).toEqual([(3 * 64 * bits) / 8, 6]);
    const own = formBytes(bits === 8 ? 'q8' : 'q4', data.length);
    expect([values.byteLength, scales.byteLength]).toEqual([own.values, own.scales]);
    // Of 4 bits the first element is the low half of its byte.
    expect(codes(block(-1, 0, 0.5), 4).slice(0, 3)).toEqual([0, 8, 12]);
    expect(quantiseRows(block(-1, 0, 0.5), BLOCK, 4).values[0]).toBe(0x80);
  });

  it.each(BITS)('is at most half a step off, one step at the end that is cut off: %d bits', (bits) => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: BLOCK, maxLength: BLOCK }),
        (given) => {
          const data = Float32Array.from(given);
          const quantised = quantiseRows(data, BLOCK, bits);
          const step = Math.abs(quantised.scales[0] ?? 0);
          dequantiseRows(quantised, bits).forEach((x, i) => {
            const wanted = data[i] ?? 0;
            const isCutOff = Math.abs(wanted) > (halfOf(bits) - 0.5) * step;
            const most = step === 0 ? 2 ** -100 : isCutOff ? step : step / 2;
            // What is dequantised is rounded to float32 again.
            expect(Math.abs(x - wanted)).toBeLessThanOrEqual(most * (1 + 1e-4));
          });
        },
      ),
    );
  });

  it.each(BITS)('keeps the largest element exactly, whatever its sign: %d bits', (bits) => {
    for (const peak of [0.3, -0.3, 3.4028234663852886e38, -(2 ** -100)]) {
      const quantised = quantiseRows(block(peak / 10, peak, 0), BLOCK, bits);
      expect(dequantiseRows(quantised, bits)[1]).toBe(Math.fround(peak));
    }
    expect(codes(block(1, -1), bits).slice(0, 3)).toEqual([0, 2 * halfOf(bits) - 1, halfOf(bits)]);
  });

  it.each(BITS)('rounds halves away from zero: %d bits', (bits) => {
    const half = halfOf(bits);
    const data = block(-half, 0.5, -0.5, 1.5, -1.5, 2.49, half - 1.5);
    expect(codes(data, bits).slice(1, 7)).toEqual([1, -1, 2, -2, 2, half - 1].map((step) => half + step));
  });

  it.each(BITS)('elements that are not numbers change no other: %d bits', (bits) => {
    const half = halfOf(bits);
    const plain = codes(block(0, 0.5, 0, -1, 0.25), bits);
    const faulty = codes(block(Number.NaN, 0.5, Number.POSITIVE_INFINITY, -1, 0.25), bits);
    expect(faulty).toEqual(plain.with(2, 2 * half - 1));
    expect(codes(block(Number.NEGATIVE_INFINITY, -1), bits)[0]).toBe(0);
    const all = quantiseRows(new Float32Array(BLOCK).fill(Number.NaN), BLOCK, bits);
    expect(new Set(dequantiseRows(all, bits))).toEqual(new Set([0]));
  });

  it.each(BITS)('what is too small is zero: %d bits', (bits) => {
    for (const data of [block(), block(2 ** -101, -(2 ** -149))]) {
      const quantised = quantiseRows(data, BLOCK, bits);
      expect(quantised.scales).toEqual(new Float32Array(1));
      expect(new Set(dequantiseRows(quantised, bits))).toEqual(new Set([0]));
    }
  });

  it('has less error on Gaussian rows than scales of absmax / 127 and absmax / 7', () => {
    const data = gaussian(2 ** 16);
    for (const bits of BITS) {
      const own = rms(data, dequantiseRows(quantiseRows(data, BLOCK, bits), bits));
      const most = halfOf(bits) - 1;
      const other = new Float32Array(data.length);
      for (let first = 0; first < data.length; first += BLOCK) {
        const scale = data.slice(first, first + BLOCK).reduce((peak, x) => Math.max(peak, Math.abs(x)), 0) / most;
        for (let i = first; i < first + BLOCK; i++) other[i] = Math.round((data[i] ?? 0) / scale) * scale;
      }
      expect(own / rms(data, other)).toBeLessThan(bits === 8 ? 0.996 : 0.9);
    }
  });

  it('refuses rows without whole blocks', () => {
    expect(() => quantiseRows(new Float32Array(80), 40, 8)).toThrow(RangeError);
    expect(() => quantiseRows(new Float32Array(48), 32, 8)).toThrow(RangeError);
    expect(() => quantiseRows(new Float32Array(0), 0, 8)).toThrow(RangeError);
  });
});

describe('possibleForm', () => {
  it.each([
    ['q8', [7, 64], 'q8'],
    ['q8', [64, 40], 'f32'],
    ['q8', [64], 'f32'],
    ['q8', [2, 2, 64], 'f32'],
    ['q4', [0, 64], 'f32'],
    ['q8-transposed', [64, 96], 'q8-transposed'],
    ['q8-transposed', [64, 40], 'f32'],
    ['q4-transposed', [40, 64], 'f32'],
    ['f32', [64, 64], 'f32'],
  ] as const)('%s of %j is %s', (wish, shape, form) => {
    expect(possibleForm(wish, shape)).toBe(form);
  });
});
