/** Merges and keys: ranks, selections, sources of all dtypes, the audit, one instance for many pieces. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { KernelNumbers, LoadedPiece } from '../methods/kernel.ts';
import type { Evidence, SelectPass } from '../methods/method.ts';
import {
  decodedOf,
  kernelsOf,
  linesFor,
  mergedBy,
  methodFor,
  numbersFor,
  pieceOf,
  pieces,
  sameBits,
  wave,
  waves,
} from './test/kernel-bench.ts';

describe('ranks and the row’s length', () => {
  it.each([
    [9001, Uint16Array],
    [9001, Uint32Array],
    [70_001, Uint32Array],
  ])('are each element’s own in rows of %i', (elements, Words) => {
    const ranks = [0, 1].map((k) => new Words(elements).map((_, i) => (i * 7 + k) % 1013));
    const piece = pieceOf(waves(2, elements), { rowElements: elements });
    const text =
      'fn merge(i: u32) -> f32 { return f32(rank(0u, i)) + f32(rank(1u, i)) * 4096.0 + f32(row_elements()); }';
    const { values } = kernelsOf(text).merge(piece, methodFor({ ranks: true }), numbersFor(2), 'F32', 'float32', {
      isAudited: false,
      ranks,
    });
    values.forEach((value, i) => {
      expect(value).toBe((ranks[0]?.[i] ?? 0) + (ranks[1]?.[i] ?? 0) * 4096 + elements);
    });
  });

  it('that are missing are refused', () => {
    const piece = pieceOf([wave(5, 1)]);
    const text = 'fn merge(i: u32) -> f32 { return f32(rank(0u, i)); }';
    expect(() => mergedBy(text, piece, numbersFor(1), methodFor({ ranks: true }))).toThrow(RangeError);
    expect(() => mergedBy(text, piece, numbersFor(1))).toThrow(/needs 'ranks'/);
  });
});

const BITS = new Uint32Array(1);
const FLOAT = new Float32Array(BITS.buffer);

function bitsOf(value: number): number {
  FLOAT[0] = value;
  return BITS[0] ?? 0;
}

const select: SelectPass = {
  kind: 'select',
  name: 'largest',
  keys: (models) => models,
  slots: (models) => models,
  select: (_: Evidence) => [],
};

describe('selections', () => {
  const text = `fn largest(k: u32, i: u32) -> f32 { return abs(delta(k, i)); }
    fn merge(i: u32) -> f32 {
      var n = 0.0;
      for (var k = 0u; k < MODELS; k++) { if (is_top_largest(k, abs(delta(k, i)), i)) { n += f32(1u << k); } }
      return n;
    }`;
  const method = methodFor({ passes: [select] });

  it('keep what is above the threshold, and of what is on it what lies before the cut', () => {
    const elements = 10_007;
    const start = 4093;
    const models = [1, 2].map((s) => wave(elements, s).map((x) => Math.round(x * 4) / 4));
    const piece = pieceOf([new Float32Array(elements), ...models], { hasBase: true, start, tensorElements: 20_000 });
    const thresholds = [0.5, 1];
    const cuts = [start + 5000, 0];
    const slots = new Map([['largest', { bits: Uint32Array.from(thresholds, bitsOf), cuts: Uint32Array.from(cuts) }]]);
    const got = mergedBy(text, piece, numbersFor(2, { slots }), method);
    got.forEach((value, i) => {
      let want = 0;
      models.forEach((own, k) => {
        const key = Math.abs(own[i] ?? 0);
        if (key > (thresholds[k] ?? 0) || (key === thresholds[k] && start + i < (cuts[k] ?? 0))) want += 1 << k;
      });
      if (value !== want) expect.fail(`element ${i}: ${value} instead of ${want}`);
    });
  });

  it('of nothing keep nothing, and those that were not needed keep everything', () => {
    const piece = pieceOf(waves(3, 9), { hasBase: true });
    const slots = new Map([['largest', { bits: Uint32Array.of(0xffffffff, 0), cuts: Uint32Array.of(0, 0xffffffff) }]]);
    expect([...mergedBy(text, piece, numbersFor(2, { slots }), method)]).toEqual(Array.from({ length: 9 }, () => 2));
    expect([...mergedBy(text, piece, numbersFor(2), method)]).toEqual(Array.from({ length: 9 }, () => 3));
  });

  it('have the bits of their keys', () => {
    fc.assert(
      fc.property(
        pieces,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 1 }),
        (cut, part, key) => {
          const piece = pieceOf(waves(3, cut.elements), { ...cut, hasBase: true, dtypes: ['BF16', 'F16', 'F32'] });
          const [base, ...models] = decodedOf(piece);
          const from = Math.floor(part * cut.elements);
          const into = new Uint32Array(cut.elements - from);
          kernelsOf(text).keys(piece, method, select, numbersFor(2), null, key, from, cut.elements, into);
          into.forEach((bits, n) => {
            const want = bitsOf(Math.abs((models[key]?.[from + n] ?? 0) - (base?.[from + n] ?? 0)));
            if (bits !== want) expect.fail(`element ${from + n}`);
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('may be told apart by coefficients along rows', () => {
    const scaled = 'fn largest(k: u32, i: u32) -> f32 { return abs(model(k, i)) * coefficient(k, i); }';
    const piece = pieceOf([wave(30, 1)], { rowElements: 7, start: 5, tensorElements: 35 });
    const numbers = numbersFor(1, { coefficients: linesFor('row', 1, 5, (_, line) => line + 1) });
    const into = new Uint32Array(30);
    kernelsOf(scaled).keys(piece, method, select, numbers, null, 0, 0, 30, into);
    decodedOf(piece)[0]?.forEach((x, i) => expect(into[i]).toBe(bitsOf(Math.abs(x) * (Math.floor((5 + i) / 7) + 1))));
  });
});

describe('a merge', () => {
  const MEAN =
    'fn merge(i: u32) -> f32 { var s = 0.0; for (var k = 0u; k < MODELS; k++) { s += model(k, i); } return base(i) + s / f32(MODELS); }';

  it('takes seventeen sources of any dtypes', () => {
    const dtypes = Array.from(
      { length: 17 },
      (_, s): BlendedDtype => (['BF16', 'F16', 'F32'] as const)[s % 3] ?? 'F32',
    );
    const piece = pieceOf(waves(17, 9000), { hasBase: true, dtypes });
    const [base, ...models] = decodedOf(piece);
    const got = mergedBy(MEAN, piece, numbersFor(16));
    got.forEach((value, i) => {
      const sum = models.reduce((s, own) => Math.fround(s + (own[i] ?? 0)), 0);
      if (value !== Math.fround((base?.[i] ?? 0) + Math.fround(sum / 16))) expect.fail(`element ${i}`);
    });
  });

  it('without a base reads zeros for it', () => {
    const piece = pieceOf(waves(2, 5));
    const [a, b] = decodedOf(piece);
    expect(mergedBy(MEAN, piece, numbersFor(2))).toEqual(a?.map((x, i) => (x + (b?.[i] ?? 0)) / 2));
  });

  it('is audited: squares of every source and of the result as rounded', () => {
    const piece = pieceOf(waves(3, 20_003), { hasBase: true, dtypes: ['F32', 'F16', 'BF16'] });
    for (const out of ['F32', 'F16', 'BF16'] as const) {
      for (const storage of ['packed', 'float32'] as const) {
        const kernels = kernelsOf(MEAN);
        const run = (isAudited: boolean) =>
          kernels.merge(piece, methodFor(), numbersFor(2), out, storage, { isAudited, ranks: null });
        const audited = run(true);
        sameBits(audited.bytes, run(false).bytes);
        expect(run(false).squares).toBeNull();
        const { values } = kernels.merge(piece, methodFor(), numbersFor(2), out, 'float32', {
          isAudited: false,
          ranks: null,
        });
        [...decodedOf(piece), values].forEach((own, s) => {
          const want = own.reduce((sum, x) => sum + x * x, 0);
          expect(Math.abs((audited.squares?.[s] ?? 0) / want - 1)).toBeLessThan(1e-12);
        });
      }
    }
  });

  it('keeps NaN, whatever the kernel does with it', () => {
    const values = wave(11, 1);
    values[3] = Number.NaN;
    values[10] = Number.POSITIVE_INFINITY;
    const texts = [
      'max(model(0u, i), 0.0)',
      'min(0.0, model(0u, i))',
      'clamp(model(0u, i), -1.0, 1.0)',
      'sign(model(0u, i))',
      'abs(model(0u, i))',
      'exp(model(0u, i))',
      'sqrt(abs(model(0u, i)))',
      'floor(model(0u, i))',
    ];
    for (const text of texts) {
      for (const out of ['F32', 'F16', 'BF16'] as const) {
        const kernels = kernelsOf(`fn merge(i: u32) -> f32 { return ${text}; }`);
        const result = kernels.merge(pieceOf([values]), methodFor(), numbersFor(1), out, 'float32', {
          isAudited: false,
          ranks: null,
        });
        expect(result.values[3], text).toBeNaN();
        expect(result.faulty).toBe(Number.isFinite(result.values[10]) ? 1 : 2);
      }
    }
  });

  it('serves one piece after another of all kinds with the same instance', () => {
    const kernels = kernelsOf(MEAN);
    const run = (piece: LoadedPiece, numbers: KernelNumbers) =>
      kernels.merge(piece, methodFor(), numbers, 'F32', 'float32', { isAudited: false, ranks: null }).values;
    const small = pieceOf(waves(3, 3), { hasBase: true });
    const large = pieceOf(waves(5, 30_000));
    const first = run(small, numbersFor(2));
    run(large, numbersFor(5));
    expect(run(small, numbersFor(2))).toEqual(first);
    kernels.trim();
    expect(run(small, numbersFor(2))).toEqual(first);
  });

  it('refuses bytes of another length', () => {
    const piece = { ...pieceOf([wave(4, 1)]), elements: 5 };
    expect(() => mergedBy('fn merge(i: u32) -> f32 { return model(0u, i); }', piece, numbersFor(1))).toThrow(
      RangeError,
    );
  });
});
