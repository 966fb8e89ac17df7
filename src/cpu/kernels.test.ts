/** Pieces: numbers along rows and columns, random numbers, ranks, selections, sums, keys, statistics, the audit. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlendedDtype } from '../formats/dtype.ts';
import { BLOCK_ELEMENTS, blocksOf, linesOf, rowsOf, type KernelNumbers, type LoadedPiece } from '../methods/kernel.ts';
import type { Axis, Evidence, SelectPass, SumPass } from '../methods/method.ts';
import { uniform } from '../methods/random.ts';
import { CpuKernels } from './kernels.ts';
import {
  decodedOf,
  kernelsOf,
  linesFor,
  mergedBy,
  methodFor,
  numbersFor,
  pieceOf,
  sameBits,
} from './test/kernel-bench.ts';

/** Smooth numbers with nothing special among them. */
function wave(elements: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: elements },
    (_, n) => Math.sin(n * 0.37 + seed) * 0.5 + Math.sin(n * 0.011 * seed),
  );
}

function waves(count: number, elements: number): Float32Array<ArrayBuffer>[] {
  return Array.from({ length: count }, (_, s) => wave(elements, s + 1));
}

/** A cut of a tensor: any start, any length. */
const pieces = fc
  .tuple(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 700 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  .map(([rows, rowElements, from, part]) => {
    const tensorElements = rows * rowElements;
    const start = Math.min(tensorElements - 1, Math.floor(from * tensorElements));
    const elements = Math.max(1, Math.floor(part * (tensorElements - start)));
    return { rows, rowElements, tensorElements, start, elements };
  });

const axes = fc.constantFrom<Axis>('tensor', 'row', 'column');

function linesAlong(axis: Axis, rows: number, columns: number): number {
  return { tensor: 1, row: rows, column: columns }[axis];
}

describe('numbers along an axis', () => {
  it('are each element’s own, wherever the piece begins', () => {
    fc.assert(
      fc.property(pieces, axes, axes, fc.boolean(), (cut, axis, other, isCut) => {
        const { rows, rowElements, start, elements } = cut;
        const finding = { over: other, width: () => 3, from: () => new Float64Array() };
        const pass: SumPass = { kind: 'sums', name: 'look', over: 'tensor', quantities: () => 1, finds: finding };
        const method = methodFor({ passes: [pass], extraCoefficients: 1 });
        const piece = pieceOf(waves(2, elements), cut);
        const value = (n: number, line: number) => n * 1000 + line;
        const coefficients = linesFor(axis, 3, linesAlong(axis, rows, rowElements), value);
        const found = linesFor(other, 3, linesAlong(other, rows, rowElements), value);
        const numbers = numbersFor(2, {
          coefficients: isCut ? linesOf(piece, coefficients) : coefficients,
          found: new Map([['look', isCut ? linesOf(piece, found) : found]]),
        });
        const text = `fn look(i: u32) { add(0u, 1.0); }
          fn merge(i: u32) -> f32 { return coefficient(2u, i) + 8000.0 * found_look(1u, i); }`;
        const got = mergedBy(text, piece, numbers, method);
        const at = (along: Axis, i: number) =>
          along === 'tensor' ? 0 : along === 'row' ? Math.floor((start + i) / rowElements) : (start + i) % rowElements;
        for (let i = 0; i < elements; i++) {
          const want = Math.fround(value(2, at(axis, i)) + Math.fround(8000 * value(1, at(other, i))));
          if (got[i] !== want) expect.fail(`element ${i}: ${got[i]} instead of ${want}`);
        }
      }),
      { numRuns: 150 },
    );
  }, 30_000);

  it('along more columns than are in memory at once', () => {
    const rowElements = 70_003;
    const piece = pieceOf(waves(1, rowElements + 500), { start: 69_900, tensorElements: 3 * rowElements, rowElements });
    const numbers = numbersFor(1, { coefficients: linesFor('column', 1, rowElements, (_, line) => line) });
    const got = mergedBy('fn merge(i: u32) -> f32 { return coefficient(0u, i); }', piece, numbers);
    got.forEach((value, i) => {
      if (value !== (69_900 + i) % rowElements) expect.fail(`element ${i}: ${value}`);
    });
  });

  it('of a pass that was not needed are zero', () => {
    const finding = { over: 'row' as const, width: () => 1, from: () => new Float64Array() };
    const pass: SumPass = { kind: 'sums', name: 'look', over: 'row', quantities: () => 1, finds: finding };
    const text = 'fn look(i: u32) {} fn merge(i: u32) -> f32 { return model(0u, i) + found_look(0u, i); }';
    const piece = pieceOf([wave(7, 1)]);
    expect(mergedBy(text, piece, numbersFor(1), methodFor({ passes: [pass] }))).toEqual(decodedOf(piece)[0]);
  });

  it('of another length than the tensor’s are refused', () => {
    const piece = pieceOf([wave(12, 1)], { rowElements: 4, start: 0, tensorElements: 40 });
    const numbers = numbersFor(1, { coefficients: linesFor('row', 1, 5, () => 1) });
    expect(() => mergedBy('fn merge(i: u32) -> f32 { return coefficient(0u, i); }', piece, numbers)).toThrow(
      RangeError,
    );
  });
});

describe('random numbers', () => {
  it('are those of their definition, from any start', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 32 - 20_000 }),
        fc.integer({ min: 1, max: 17_000 }),
        (start, elements) => {
          const piece = pieceOf(waves(2, elements), { start, tensorElements: 2 ** 32 });
          const numbers = numbersFor(2, {
            streams: [
              [0x12345678, 0xfedcba98],
              [0, 0xffffffff],
            ],
          });
          const text = 'fn merge(i: u32) -> f32 { return random(1u, i) + random(0u, i) * 0.0; }';
          const got = mergedBy(text, piece, numbers);
          const check = new Set([0, 1, 2, 3, 4, 15, 16, 17, 8191, 8192, elements - 1, elements >> 1]);
          for (const i of check) {
            if (i < elements) expect(got[i], `element ${i}`).toBe(uniform(start + i, [0, 0xffffffff]));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are so for every element of a long run', () => {
    const elements = 20_011;
    const key = [0xa5a5a5a5, 0x0badcafe] as const;
    const numbers = numbersFor(1, { streams: [key] });
    const piece = pieceOf([wave(elements, 1)], { start: 3, tensorElements: 100_000 });
    const got = mergedBy('fn merge(i: u32) -> f32 { return random(0u, i); }', piece, numbers);
    sameBits(
      got,
      Float32Array.from({ length: elements }, (_, i) => uniform(3 + i, key)),
    );
  });
});

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

describe('sums', () => {
  const pass = (over: Axis, isMaximum = false): SumPass => ({
    ...{ kind: 'sums', name: 'look', over, isMaximum },
    quantities: (models) => models + 2,
  });
  const text = `fn look(i: u32) {
    for (var k = 0u; k < MODELS; k++) { add(k, abs(model(k, i))); }
    if (model(0u, i) > 0.25) {
      add(MODELS, coefficient(0u, i));
      if (model(1u, i) > 0.0) { return; }
    }
    add(MODELS + 1u, 1.0);
  }`;
  /** What the kernel adds, per element. */
  const added = (models: readonly Float32Array[], coefficient: (i: number) => number, i: number): number[] => {
    const [a = 0, b = 0] = models.map((own) => own[i] ?? 0);
    const isOver = a > 0.25;
    return [Math.abs(a), Math.abs(b), isOver ? coefficient(i) : 0, isOver && b > 0 ? 0 : 1];
  };

  function check(
    cut: { rows: number; rowElements: number; tensorElements: number; start: number; elements: number },
    over: Axis,
    along: Axis,
    isMaximum: boolean,
  ): void {
    const piece: LoadedPiece = pieceOf(waves(2, cut.elements), cut);
    const models = decodedOf(piece);
    const own = pass(over, isMaximum);
    const numbers = numbersFor(2, {
      coefficients: linesFor(along, 2, linesAlong(along, cut.rows, cut.rowElements), (_, line) => line + 0.5),
    });
    const got = kernelsOf(text).sums(piece, methodFor({ passes: [own] }), own, numbers, null);
    const column = (i: number) => (cut.start + i) % cut.rowElements;
    const row = (i: number) => Math.floor((cut.start + i) / cut.rowElements);
    const coefficient = (i: number) => (along === 'tensor' ? 0 : along === 'row' ? row(i) : column(i)) + 0.5;
    const blocks = [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)];
    const { first, count } = rowsOf(piece);
    const lines = { tensor: blocks.length, row: count, column: cut.rowElements }[over];
    const want = new Float64Array(4 * lines);
    for (let i = 0; i < cut.elements; i++) {
      const line =
        over === 'column' ? column(i) : over === 'row' ? row(i) - first : blocks.findIndex(([, end]) => i < end);
      added(models, coefficient, i).forEach((value, q) => {
        const at = over === 'tensor' ? line * 4 + q : q * lines + line;
        want[at] = isMaximum ? Math.max(want[at] ?? 0, value) : (want[at] ?? 0) + value;
      });
    }
    expect(got.length).toBe(want.length);
    got.forEach((value, n) => {
      if (Math.abs(value - (want[n] ?? 0)) > 1e-12 * (1 + Math.abs(want[n] ?? 0)))
        expect.fail(`${n}: ${value} instead of ${want[n]}`);
    });
  }

  it('over blocks and rows are those of any cut', () => {
    fc.assert(
      fc.property(pieces, fc.constantFrom<Axis>('tensor', 'row'), axes, fc.boolean(), (cut, over, along, isMaximum) =>
        check(cut, over, along, isMaximum),
      ),
      { numRuns: 120 },
    );
  }, 30_000);

  it('over columns are those of any rows', () => {
    fc.assert(
      fc.property(pieces, axes, fc.boolean(), ({ rows, rowElements }, along, isMaximum) => {
        const from = Math.floor(rows / 3);
        const cut = { rows, rowElements, tensorElements: rows * rowElements };
        check({ ...cut, start: from * rowElements, elements: (rows - from) * rowElements }, 'column', along, isMaximum);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  it('over more columns than there is room for at once', () => {
    const cut = { rows: 3, rowElements: 20_001, tensorElements: 60_003, start: 0, elements: 60_003 };
    for (const along of ['column', 'row'] as const) check(cut, 'column', along, false);
  });

  it('over columns of a part of a row are refused', () => {
    const piece = pieceOf([wave(10, 1)], { rowElements: 4, tensorElements: 40 });
    const own = pass('column');
    const run = () =>
      kernelsOf('fn look(i: u32) {}').sums(piece, methodFor({ passes: [own] }), own, numbersFor(1), null);
    expect(run).toThrow(RangeError);
  });

  it.each([true, false])('are NaN where one of the values is (maximum: %s)', (isMaximum) => {
    for (const at of [0, 5, 4095, 4100]) {
      const values = wave(4101, 1).fill(1);
      values[at] = Number.NaN;
      const own = pass('tensor', isMaximum);
      const kernels = kernelsOf('fn look(i: u32) { add(0u, abs(model(0u, i))); }');
      const got = kernels.sums(pieceOf([values]), methodFor({ passes: [own] }), own, numbersFor(1), null);
      expect(got[at < 4096 ? 0 : 3]).toBeNaN();
      expect(got[at < 4096 ? 3 : 0]).not.toBeNaN();
    }
  });
});

describe('statistics', () => {
  /** What `measure` gives, in plain loops. */
  function expected(
    piece: LoadedPiece,
    from: 'deltas' | 'sources',
    groups: readonly number[][],
    isPlain: boolean,
  ): number[][] {
    const sources = decodedOf(piece);
    const values = (i: number) =>
      from === 'sources'
        ? sources.map((s) => s[i] ?? 0)
        : sources.slice(1).map((s) => (s[i] ?? 0) - (sources[0]?.[i] ?? 0));
    const count = values(0).length;
    return groups.map((group) => {
      const gram: number[] = [];
      for (let k = 0; k < count; k++) {
        for (let j = 0; j <= k; j++)
          gram.push(group.reduce((sum, i) => sum + (values(i)[j] ?? 0) * (values(i)[k] ?? 0), 0));
      }
      const each = (make: (x: number[]) => number) =>
        Array.from({ length: count }, (_, k) => make(group.map((i) => Math.abs(values(i)[k] ?? 0))));
      const abs = each((x) => x.reduce((a, b) => a + b, 0));
      if (!isPlain) return [...gram, ...abs];
      return [...gram, ...abs, ...each((x) => Math.max(...x)), ...each((x) => x.filter((v) => v > 0).length)];
    });
  }

  function close(got: ArrayLike<number> | null, want: readonly number[]): void {
    expect(got?.length).toBe(want.length);
    want.forEach((value, n) => {
      if (!(Math.abs((got?.[n] ?? 0) - value) <= 1e-10 * (1 + Math.abs(value))))
        expect.fail(`${n}: ${got?.[n]} instead of ${value}`);
    });
  }

  it('are all products, absolute values, maxima and changes, by block, row and column', () => {
    fc.assert(
      fc.property(
        ...([
          fc.integer({ min: 1, max: 12 }),
          fc.integer({ min: 1, max: 900 }),
          fc.integer({ min: 1, max: 3 }),
        ] as const),
        ...([
          fc.constantFrom('deltas' as const, 'sources' as const),
          fc.constantFrom('row' as const, 'column' as const),
        ] as const),
        (rows, rowElements, models, from, axis) => {
          const elements = rows * rowElements;
          const dtypes = (['BF16', 'F32', 'F16', 'BF16'] as BlendedDtype[]).slice(0, models + 1);
          const start = rowElements * 2;
          const piece = pieceOf(waves(models + 1, elements), {
            ...{ hasBase: true, dtypes, start, rowElements, tensorElements: start + elements },
          });
          const got = new CpuKernels().measure(piece, { plain: true, axis, from });
          const range = (a: number, b: number) => Array.from({ length: b - a }, (_, n) => a + n);
          const blocks = [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)].map(([a, b]) => range(a, b));
          close(got.plain, expected(piece, from, blocks, true).flat());
          const groups =
            axis === 'row'
              ? range(0, rows).map((r) => range(r * rowElements, (r + 1) * rowElements))
              : range(0, rowElements).map((c) => range(0, rows).map((r) => r * rowElements + c));
          const lines = expected(piece, from, groups, false);
          close(
            got.lines,
            (lines[0] ?? []).flatMap((_, q) => lines.map((line) => line[q] ?? 0)),
          );
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);

  it('know deltas far below float32’s squares', () => {
    const base = new Float32Array(100);
    const piece = pieceOf([base, base.map(() => 1e-30)], { hasBase: true });
    const { plain } = new CpuKernels().measure(piece, { plain: true, axis: null, from: 'deltas' });
    expect(plain?.[0]).toBeCloseTo(100 * Math.fround(1e-30) ** 2, 70);
    expect(plain?.[0]).toBeGreaterThan(0);
    expect(plain?.[3]).toBe(100);
  });

  it('are NaN where a source is, the maximum too', () => {
    const model = wave(5000, 2);
    model[4999] = Number.NaN;
    const piece = pieceOf([wave(5000, 1), model], { hasBase: true });
    const { plain } = new CpuKernels().measure(piece, { plain: true, axis: null, from: 'deltas' });
    expect([...(plain ?? [])].map(Number.isNaN)).toEqual([false, false, false, false, true, true, true, false]);
  });

  it('take as many sources as a merge may have', () => {
    const piece = pieceOf(waves(17, 130), { hasBase: true });
    const { plain } = new CpuKernels().measure(piece, { plain: true, axis: 'row', from: 'sources' });
    close(plain, expected(piece, 'sources', [Array.from({ length: 130 }, (_, i) => i)], true).flat());
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
