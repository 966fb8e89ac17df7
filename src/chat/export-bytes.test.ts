import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK, quantiseRows } from '../formats/block-quantised.ts';
import { decodeFloat32, encode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import { storedBytes } from './export-bytes.ts';
import type { PlacedTensor } from './export.ts';

type Form = PlacedTensor['form'];

/** Everything that a tensor stores, from pieces of so many elements in turn. */
async function stored(form: Form, dtype: BlendedDtype, shape: number[], values: Float32Array, cuts: number[]) {
  const all = encode(values, dtype);
  const size = dtype === 'F32' ? 4 : 2;
  const pieces = async function* () {
    for (let at = 0, n = 0; at < all.length; n++) {
      const end = Math.min(all.length, at + (cuts[n % cuts.length] ?? 1) * size);
      yield all.slice(at, end);
      at = end;
    }
  };
  const chunks: number[] = [];
  const bytes = storedBytes({ form, dtype, shape }, pieces());
  for (;;) {
    const { value, done } = await bytes.next();
    if (done) return { ...value, bytes: Uint8Array.from(chunks) };
    for (const byte of value) chunks.push(byte);
  }
}

const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 4 });
const dtypes = fc.constantFrom<BlendedDtype>('F32', 'F16', 'BF16');

/** Numbers that every dtype holds. */
function someValues(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (((i * 37 + seed * 101) % 255) - 127) / 16);
}

describe('storedBytes', () => {
  it('quantises rows as they come as it would the whole matrix', async () => {
    await fc.assert(
      fc.asyncProperty(
        cuts,
        dtypes,
        fc.constantFrom(8 as const, 4 as const),
        fc.nat(9),
        async (cut, dtype, bits, seed) => {
          const [rows, columns] = [5, 2 * BLOCK];
          const values = someValues(rows * columns, seed);
          const { bytes, scales } = await stored(`q${bits}`, dtype, [rows, columns], values, cut);
          const whole = quantiseRows(values, columns, bits);
          expect(bytes).toEqual(whole.values);
          expect(scales).toEqual(whole.scales);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('transposes a matrix that is stored the other way round', async () => {
    await fc.assert(
      fc.asyncProperty(cuts, dtypes, fc.constantFrom(8 as const, 4 as const), async (cut, dtype, bits) => {
        const [inputs, outputs] = [3 * BLOCK, 7];
        const values = someValues(inputs * outputs, 3);
        const turned = Float32Array.from({ length: values.length }, (_, i) => {
          const [row, column] = [Math.floor(i / inputs), i % inputs];
          return values[column * outputs + row] ?? Number.NaN;
        });
        const { bytes, scales } = await stored(`q${bits}-transposed`, dtype, [inputs, outputs], values, cut);
        const whole = quantiseRows(turned, inputs, bits);
        expect(bytes).toEqual(whole.values);
        expect(scales).toEqual(whole.scales);
      }),
      { numRuns: 40 },
    );
  });

  it.each<[Form, BlendedDtype, BlendedDtype]>([
    ['f32', 'BF16', 'F32'],
    ['f32', 'F32', 'F32'],
    ['f16', 'BF16', 'F16'],
    ['f16', 'F16', 'F16'],
    ['f16', 'F32', 'F16'],
  ])('stores %s from %s', async (form, dtype, wanted) => {
    const values = someValues(77, 5);
    const { bytes, scales } = await stored(form, dtype, [77], values, [3, 10]);
    expect(scales).toBeNull();
    expect(decodeFloat32(bytes, wanted)).toEqual(values);
  });

  it('counts what float16 does not hold, and only that', async () => {
    const values = Float32Array.of(65_504, 65_519, 65_520, -7e4, Infinity, Number.NaN, 1);
    const { bytes, overflowed } = await stored('f16', 'F32', [7], values, [2]);
    expect(overflowed).toBe(2);
    expect([...decodeFloat32(bytes, 'F16')]).toEqual([65_504, 65_504, Infinity, -Infinity, Infinity, Number.NaN, 1]);
  });
});
