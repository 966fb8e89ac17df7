/**
 * What kernels stand on, operation by operation against plain loops: random numbers, ranks, sums along every axis,
 * digits and ties of keys, measuring, rounding, the audit, live buffers. The kernels under test are probes written
 * here; the methods' own are held in `kernels.gpu.test.ts`.
 */

import { beforeAll, describe, expect, it, vi } from 'vitest';
import { decode, encode } from '../formats/codec.ts';
import { BLENDED_DTYPES, type BlendedDtype } from '../formats/dtype.ts';
import { type Device, gpuHere, openDevice } from '../gpu/device.ts';
import { type KernelNumbers, type Lines, type LoadedPiece, measuredQuantities } from '../methods/kernel.ts';
import type * as methods from '../methods/index.ts';
import { type Method, number, type SelectPass, type SumPass } from '../methods/method.ts';
import { streamKey, uniform } from '../methods/random.ts';
import { GpuArithmetic } from './gpu-arithmetic.ts';
import { random } from './test/checkpoints.ts';

/** Kernels that show one accessor each, and passes of every kind. */
const PROBES: Readonly<Record<string, string>> = {
  probe: /* wgsl */ `
    fn merge(i: u32) -> f32 {
      if (param_what() == 0.0) { return random(1u, i); }
      if (param_what() == 1.0) { return coefficient(1u, i) + 1000.0 * found_seen(1u, i) + found_absent(3u, i); }
      if (param_what() == 2.0) { return select(0.0, 1.0, is_top_size(2u, size(1u, i), i)); }
      if (param_what() == 3.0) { return base(i) + 2.0 * delta(0u, i) + f32(row_elements()); }
      if (param_what() == 4.0) { return model(0u, i); }
      return select(-1.0, own_of(1u), is_set(own_of(0u)));
    }
    fn seen(i: u32) {
      for (var k = 0u; k < MODELS; k++) {
        add(k, delta(k, i));
      }
      add(MODELS, base(i) * coefficient(0u, i));
    }
    fn rows(i: u32) { seen(i); }
    fn columns_of(i: u32) { seen(i); }
    fn peaks(i: u32) {
      add(0u, abs(model(0u, i)));
      add(1u, abs(model(1u, i)));
    }
    fn absent(i: u32) { add(0u, 1.0); }
    fn size(k: u32, i: u32) -> f32 { return abs(delta(k, i)); }`,
  ranked: /* wgsl */ `
    fn merge(i: u32) -> f32 { return f32(rank(1u, i)); }
    fn low(i: u32) { add(0u, select(0.0, 1.0, rank(1u, i) < 3u)); }
    fn place(k: u32, i: u32) -> f32 { return f32(rank(k, i)); }`,
};

vi.mock('../methods/index.ts', async (importOriginal) => {
  const actual = await importOriginal<typeof methods>();
  return { ...actual, shaderText: (name: string) => PROBES[name] ?? actual.shaderText(name) };
});

const sumPass = (name: string, over: SumPass['over'], quantities: (models: number) => number): SumPass => ({
  kind: 'sums',
  name,
  over,
  quantities,
});
const seen = sumPass('seen', 'tensor', (models) => models + 1);
const rows = sumPass('rows', 'row', (models) => models + 1);
const columns = sumPass('columns_of', 'column', (models) => models + 1);
const peaks: SumPass = { ...sumPass('peaks', 'row', () => 2), isMaximum: true };
const low = sumPass('low', 'tensor', () => 1);
const absent = sumPass('absent', 'tensor', () => 4);
const selectPass = (name: string): SelectPass => ({
  kind: 'select',
  name,
  keys: (models) => models,
  slots: (models) => models + 1,
  select: () => [],
});
const size = selectPass('size');
const place = selectPass('place');

const any = { min: 0, max: 9, default: 0, help: '' };
const probe: Method = {
  name: 'probe',
  title: '',
  family: 'Stacking',
  summary: '',
  paper: null,
  inMergekit: false,
  base: 'required',
  models: { min: 1, max: 16 },
  params: { what: number(any) },
  perModel: { own: number({ ...any, default: null }) },
  handle: null,
  statistics: () => null,
  passes: [seen, rows, columns, peaks, absent, size],
  coefficients: () => new Float64Array(),
  reference: () => new Float64Array(),
};
const ranked: Method = { ...probe, name: 'ranked', passes: [low, place], ranks: true };

let device: Device;
let gpu: GpuArithmetic;

beforeAll(async () => {
  device = await openDevice(gpuHere());
  gpu = new GpuArithmetic(device);
});

/** Values on a grid that every dtype holds, so that there are ties and float32 sums are exact. */
function grid(sources: number, elements: number, seed: number): Float64Array[] {
  const next = random(seed);
  return Array.from({ length: sources }, () =>
    Float64Array.from({ length: elements }, () => (Math.floor(next() * 65) - 32) / 64),
  );
}

/** A whole tensor, or elements [start, end) of it. */
function pieceOf(
  sources: readonly Float64Array[],
  rowElements: number,
  { start = 0, end = sources[0]?.length ?? 0, dtypes = sources.map((): BlendedDtype => 'F32'), hasBase = true } = {},
): LoadedPiece {
  return {
    tensor: 'model.layers.0.mlp.up_proj.weight',
    start,
    elements: end - start,
    tensorElements: sources[0]?.length ?? 0,
    rowElements,
    hasBase,
    dtypes,
    bytes: sources.map((values, s) => encode(values.subarray(start, end), dtypes[s] ?? 'F32')),
  };
}

const lines = (over: Lines['over'], width: number, values: number[] | Float64Array): Lines => ({
  over,
  width,
  lines: values.length / width,
  values: Float64Array.from(values),
});

function numbersOf(what: number, given: Partial<KernelNumbers> = {}, models = 2): KernelNumbers {
  return {
    params: { what },
    perModel: Array.from({ length: models }, () => ({ own: Number.NaN })),
    coefficients: lines('tensor', models, new Float64Array(models).fill(1)),
    found: new Map(),
    slots: new Map(),
    streams: Array.from({ length: models }, (_, k) => streamKey(7, 'probe', k)),
    ...given,
  };
}

async function merged(piece: LoadedPiece, numbers: KernelNumbers, method = probe): Promise<Float64Array> {
  const loaded = await gpu.load([piece]);
  const [out] = await gpu.merge(loaded, method, [{ piece: 0, numbers, out: 'F32' }]);
  loaded.release();
  return decode(out?.bytes ?? new Uint8Array(), 'F32');
}

/** The pieces of a tensor cut at some of its elements. */
function cutAt(sources: readonly Float64Array[], rowElements: number, at: readonly number[]): LoadedPiece[] {
  const ends = [...at, sources[0]?.length ?? 0];
  return ends.map((end, n) => pieceOf(sources, rowElements, { start: ends[n - 1] ?? 0, end }));
}

function ranksOf(base: Float64Array, model: Float64Array, rowElements: number): Float64Array {
  const out = new Float64Array(base.length);
  for (let row = 0; row < base.length; row += rowElements) {
    const size = (c: number) => Math.abs((model[row + c] ?? 0) - (base[row + c] ?? 0));
    const order = Array.from({ length: rowElements }, (_, c) => c).sort((a, b) => size(a) - size(b) || a - b);
    order.forEach((c, rank) => {
      out[row + c] = rank;
    });
  }
  return out;
}

describe('random', () => {
  it('gives the numbers of random.ts, bit by bit, wherever a piece begins', async () => {
    const key = streamKey(7, 'probe', 1);
    for (const start of [0, 1, 4097, 3_000_003]) {
      const piece = { ...pieceOf(grid(3, 2049, 1), 2049), start, tensorElements: 4_000_000, rowElements: 1 };
      const got = await merged(piece, numbersOf(0));
      expect(got).toEqual(Float64Array.from({ length: 2049 }, (_, i) => uniform(start + i, key)));
    }
  });
});

describe('ranks', () => {
  it.each([
    [1, 1],
    [3000, 1],
    [5, 3],
    [33, 64],
    [9, 2048],
    [3, 2049],
    [2, 4097],
    [2, 14_336],
    [1, 70_001],
  ])('are exact in %i rows of %i, ties by index', async (count, rowElements) => {
    const sources = grid(3, count * rowElements, rowElements);
    const got = await merged(pieceOf(sources, rowElements), numbersOf(0), ranked);
    const [base, , model] = sources as [Float64Array, Float64Array, Float64Array];
    expect(got).toEqual(ranksOf(base, model, rowElements));
  });

  it('put NaN last, and serve several pieces of a batch at once', async () => {
    const pieces = [5, 3000, 64].map((rowElements, n) => {
      const sources = grid(3, rowElements * 2, n);
      (sources[2] as Float64Array)[1] = Number.NaN;
      return { sources, rowElements, piece: pieceOf(sources, rowElements) };
    });
    const narrow = new GpuArithmetic(device, 2 ** 24, 60_000);
    for (const arithmetic of [gpu, narrow]) {
      const loaded = await arithmetic.load(pieces.map(({ piece }) => piece));
      const work = pieces.map((_, piece) => ({ piece, numbers: numbersOf(0), out: 'F32' as const }));
      const out = await arithmetic.merge(loaded, ranked, work);
      loaded.release();
      pieces.forEach(({ sources, rowElements }, n) => {
        const [base, , model] = sources as [Float64Array, Float64Array, Float64Array];
        const want = ranksOf(
          base,
          model.map((x) => (Number.isNaN(x) ? 1e9 : x)),
          rowElements,
        );
        expect(decode(out[n]?.bytes ?? new Uint8Array(), 'F32')).toEqual(want);
      });
    }
  });
});

describe('numbers', () => {
  it('lie along the tensor, its rows or its columns, also where a piece begins in the middle of a row', async () => {
    const [height, width] = [7, 300];
    const sources = grid(3, height * width, 3);
    const along = { tensor: 1, row: height, column: width };
    for (const over of ['tensor', 'row', 'column'] as const) {
      const count = along[over];
      const coefficients = lines(
        over,
        2,
        Float64Array.from({ length: 2 * count }, (_, n) => n),
      );
      const found = new Map([
        [
          'seen',
          lines(
            over === 'row' ? 'column' : 'row',
            2,
            over === 'row'
              ? Float64Array.from({ length: 2 * width }, (_, n) => n)
              : Float64Array.from({ length: 2 * height }, (_, n) => n),
          ),
        ],
      ]);
      for (const [start, end] of [
        [0, height * width],
        [450, 1900],
      ] as const) {
        const piece = pieceOf(sources, width, { start, end });
        const got = await merged(piece, numbersOf(1, { coefficients, found }));
        const want = Float64Array.from({ length: end - start }, (_, n) => {
          const row = Math.floor((start + n) / width);
          const column = (start + n) % width;
          const line = { tensor: 0, row, column }[over];
          return count + line + 1000 * (over === 'row' ? width + column : height + row);
        });
        expect(got).toEqual(want);
      }
    }
  });

  it('tell what is set from what is not', async () => {
    const piece = pieceOf(grid(3, 5, 3), 5);
    expect(await merged(piece, numbersOf(9))).toEqual(new Float64Array(5).fill(-1));
    const perModel = [{ own: 0 }, { own: 0.25 }];
    expect(await merged(piece, numbersOf(9, { perModel }))).toEqual(new Float64Array(5).fill(0.25));
  });

  it('take models for their own changes where there is no base', async () => {
    const [a, b] = grid(2, 6, 3) as [Float64Array, Float64Array];
    const piece = pieceOf([a, b], 3, { hasBase: false });
    expect(await merged(piece, numbersOf(3))).toEqual(a.map((x) => 2 * x + 3));
  });
});

/** Sums by a plain loop: per line and quantity. */
function sumsOf(
  sources: readonly Float64Array[],
  over: Lines['over'],
  rowElements: number,
  quantity: (values: readonly number[], q: number) => number,
  quantities: number,
): Float64Array {
  const elements = sources[0]?.length ?? 0;
  const count = { tensor: 1, row: elements / rowElements, column: rowElements }[over];
  const out = new Float64Array(quantities * count);
  for (let i = 0; i < elements; i++) {
    const line = { tensor: 0, row: Math.floor(i / rowElements), column: i % rowElements }[over];
    const values = sources.map((source) => source[i] ?? 0);
    for (let q = 0; q < quantities; q++) out[q * count + line] = (out[q * count + line] ?? 0) + quantity(values, q);
  }
  return out;
}

/** The sums of the probe's passes: what each model changed, and the base. */
const changes = ([base = 0, ...models]: readonly number[], q: number) =>
  q < models.length ? (models[q] ?? 0) - base : base;

async function sumAll(pieces: readonly LoadedPiece[], pass: SumPass, place = gpu, method = probe) {
  const loaded = await place.load(pieces);
  const out = await place.sums(
    loaded,
    method,
    pass,
    pieces.map((_, piece) => ({ piece, numbers: numbersOf(0) })),
  );
  loaded.release();
  return out;
}

describe('sums', () => {
  const SHAPES = [
    [1, 1],
    [40, 3],
    [7, 64],
    [3, 4097],
    [70, 129],
    [1, 12_289],
  ] as const;

  it.each(SHAPES)('are right over %i rows of %i, along every axis', async (count, rowElements) => {
    const sources = grid(3, count * rowElements, count);
    const piece = pieceOf(sources, rowElements);
    const narrow = new GpuArithmetic(device, 2 ** 24, 2048);
    for (const place of [gpu, narrow]) {
      const [blocks] = await sumAll([piece], seen, place);
      expect(blocks?.length).toBe(3 * Math.ceil(piece.elements / 4096));
      const totals = [0, 1, 2].map((q) =>
        (blocks ?? new Float64Array()).reduce((sum, x, n) => (n % 3 === q ? sum + x : sum), 0),
      );
      expect(Float64Array.from(totals)).toEqual(sumsOf(sources, 'tensor', rowElements, changes, 3));
      const [byRow] = await sumAll([piece], rows, place);
      expect(byRow).toEqual(sumsOf(sources, 'row', rowElements, changes, 3));
      const [byColumn] = await sumAll([piece], columns, place);
      expect(byColumn).toEqual(sumsOf(sources, 'column', rowElements, changes, 3));
    }
  });

  it('add up to the same wherever a tensor is cut', async () => {
    const next = random(5);
    const sources = grid(3, 70 * 300, 5).map((values) => values.map((x) => x + next() * 1e-3));
    const whole = pieceOf(sources, 300);
    const [blocks] = await sumAll([whole], seen);
    const cut = await sumAll(cutAt(sources, 300, [4096, 3 * 4096]), seen);
    expect(cut.flatMap((part) => [...part])).toEqual([...(blocks ?? [])]);

    // Rows of less than a block may be cut anywhere between rows, columns at blocks of rows.
    const [byRow] = await sumAll([whole], rows);
    const rowParts = await sumAll(cutAt(sources, 300, [300, 900]), rows);
    for (let q = 0; q < 3; q++) {
      const joined = rowParts.flatMap((part) => [...part.subarray((q * part.length) / 3, ((q + 1) * part.length) / 3)]);
      expect(joined).toEqual([...(byRow ?? new Float64Array()).subarray(q * 70, (q + 1) * 70)]);
    }
    const [byColumn] = await sumAll([whole], columns);
    const columnParts = await sumAll(cutAt(sources, 300, [32 * 300, 64 * 300]), columns);
    expect(byColumn?.map((_, n) => columnParts.reduce((sum, part) => sum + (part[n] ?? 0), 0))).toEqual(byColumn);

    // Long rows cut in their middle: partial sums of one row meet again.
    const long = grid(3, 2 * 10_000, 6);
    const longParts = await sumAll(cutAt(long, 10_000, [4096, 10_000 + 8192]), rows);
    const joined = new Float64Array(6);
    longParts.forEach((part, n) => {
      const first = [0, 0, 1][n] ?? 0;
      const width = part.length / 3;
      for (let q = 0; q < 3; q++) {
        for (let r = 0; r < width; r++)
          joined[q * 2 + first + r] = (joined[q * 2 + first + r] ?? 0) + (part[q * width + r] ?? 0);
      }
    });
    expect(joined).toEqual(sumsOf(long, 'row', 10_000, changes, 3));
  });

  it('keep the maxima of every row, and NaN among them', async () => {
    const sources = grid(3, 5 * 5000, 8);
    (sources[1] as Float64Array)[7] = Number.NaN;
    (sources[2] as Float64Array)[5000] = Number.POSITIVE_INFINITY;
    const [got] = await sumAll([pieceOf(sources, 5000)], peaks);
    const want = Float64Array.from({ length: 10 }, (_, n) => {
      const own = sources[1 + Math.floor(n / 5)] ?? new Float64Array();
      return own.slice((n % 5) * 5000, (n % 5) * 5000 + 5000).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    });
    expect(want[0]).toBeNaN();
    expect(got).toEqual(want);
  });

  it('read ranks', async () => {
    const [got] = await sumAll([pieceOf(grid(3, 3 * 2100, 4), 2100)], low, gpu, ranked);
    expect(got?.reduce((sum, x) => sum + x, 0)).toBe(9);
  });
});

describe('keys', () => {
  const bitsOf = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0;
  const sizes = (sources: readonly Float64Array[], k: number, start = 0, end = sources[0]?.length ?? 0) =>
    Array.from({ length: end - start }, (_, n) =>
      Math.abs((sources[k + 1]?.[start + n] ?? 0) - (sources[0]?.[start + n] ?? 0)),
    );

  it('are counted by their digits, for several queries and pieces at once', async () => {
    const sources = grid(3, 50_001, 2);
    const pieces = cutAt(sources, 50_001, [4096, 40_960]);
    const bounds = [0, 4096, 40_960, 50_001];
    for (const place of [gpu, new GpuArithmetic(device, 2 ** 24, 20_000)]) {
      const loaded = await place.load(pieces);
      for (const { shift, width } of [
        { shift: 20, width: 11 },
        { shift: 10, width: 10 },
        { shift: 0, width: 10 },
        { shift: 21, width: 11 },
      ]) {
        const prefixes =
          shift + width >= 31 ? [0] : [bitsOf(0.25) >>> (shift + width), bitsOf(0.75) >>> (shift + width)];
        const queries = [0, 1].flatMap((key) => prefixes.map((prefix) => ({ key, prefix })));
        const work = pieces.map((_, piece) => ({ piece, numbers: numbersOf(0), queries }));
        const got = await place.histogram(loaded, probe, size, work, { shift, width });
        got.forEach((counts, p) => {
          const want = new Uint32Array(queries.length * 2 ** width);
          queries.forEach(({ key, prefix }, q) => {
            for (const x of sizes(sources, key, bounds[p], bounds[p + 1])) {
              const rest = bitsOf(x) >>> shift;
              if (Math.floor(rest / 2 ** width) === prefix) {
                const at = q * 2 ** width + (rest % 2 ** width);
                want[at] = (want[at] ?? 0) + 1;
              }
            }
          });
          expect(counts).toEqual(want);
        });
      }
      loaded.release();
    }
  });

  it('that equal a threshold are counted by blocks of the tensor, and listed', async () => {
    const sources = grid(3, 20_001, 2);
    const pieces = cutAt(sources, 20_001, [4096, 16_384]);
    const bounds = [0, 4096, 16_384, 20_001];
    const queries = [
      { key: 0, bits: bitsOf(0.25) },
      { key: 1, bits: bitsOf(0) },
      { key: 1, bits: bitsOf(0.5) },
    ];
    for (const place of [gpu, new GpuArithmetic(device, 2 ** 24, 40)]) {
      const loaded = await place.load(pieces);
      const work = pieces.map((_, piece) => ({ piece, numbers: numbersOf(0), queries }));
      const got = await place.countEqual(loaded, probe, size, work);
      got.forEach((counts, p) => {
        const [start = 0, end = 0] = bounds.slice(p, p + 2);
        const blocks = Math.ceil((end - start) / 4096);
        const want = queries.flatMap(({ key, bits }) =>
          Array.from({ length: blocks }, (_, b) => {
            const from = start + b * 4096;
            return sizes(sources, key, from, Math.min(from + 4096, end)).filter((x) => bitsOf(x) === bits).length;
          }),
        );
        expect([...counts]).toEqual(want);
      });
      const listed = await place.keys(loaded, probe, size, {
        piece: 1,
        numbers: numbersOf(0),
        key: 1,
        from: 5,
        to: 4000,
      });
      expect([...listed]).toEqual(sizes(sources, 1, 4096 + 5, 4096 + 4000).map(bitsOf));
      loaded.release();
    }
  });

  it('may be ranks', async () => {
    const sources = grid(3, 3 * 10, 2);
    const loaded = await gpu.load([pieceOf(sources, 10)]);
    const work = { piece: 0, numbers: numbersOf(0), key: 0, from: 10, to: 20 };
    const listed = await gpu.keys(loaded, ranked, place, work);
    loaded.release();
    expect([...listed].sort()).toEqual(Array.from({ length: 10 }, (_, n) => bitsOf(n)).sort());
  });

  it('belong to a slot above its threshold, at it up to the cut, and to every slot of a pass that was not needed', async () => {
    const sources = grid(3, 300, 2);
    const bits = Uint32Array.of(0, 0, bitsOf(0.25));
    const cuts = Uint32Array.of(0, 0, 150);
    const known = sizes(sources, 1);
    const want = known.map((x, i) => (x > 0.25 || (x === 0.25 && i < 150) ? 1 : 0));
    for (const start of [0, 100]) {
      const piece = pieceOf(sources, 300, { start });
      const own = await merged(piece, numbersOf(2, { slots: new Map([['size', { bits, cuts }]]) }));
      expect([...own]).toEqual(want.slice(start));
      expect([...(await merged(piece, numbersOf(2)))].every((x) => x === 1)).toBe(true);
      const none = new Map([['size', { bits: bits.fill(0xffffffff, 2), cuts }]]);
      expect([...(await merged(piece, numbersOf(2, { slots: none })))].some((x) => x === 1)).toBe(false);
      bits[2] = bitsOf(0.25);
    }
  });
});

describe('measuring', () => {
  /** The quantities of one block by a plain loop. */
  function measuredOf(vectors: readonly Float64Array[], start: number, end: number): number[] {
    const own = vectors.map((v) => v.subarray(start, end));
    const pairs = own.flatMap((v, k) =>
      own.slice(0, k + 1).map((w) => v.reduce((sum, x, i) => sum + x * (w[i] ?? 0), 0)),
    );
    const abs = own.map((v) => v.reduce((sum, x) => sum + Math.abs(x), 0));
    const max = own.map((v) => v.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    return [...pairs, ...abs, ...max, ...own.map((v) => v.filter((x) => x !== 0).length)];
  }

  const vectorsOf = (sources: readonly Float64Array[], from: 'deltas' | 'sources', hasBase: boolean) => {
    const [base, ...models] = sources;
    return from === 'sources' || !hasBase ? sources : models.map((x) => x.map((v, i) => v - (base?.[i] ?? 0)));
  };

  it.each([
    [2, 5000, 3],
    [3, 4097, 2],
    [4, 63, 7],
    [7, 129, 40],
    [17, 300, 3],
  ])('of %i sources in rows of %i gives sums of blocks, rows and columns', async (count, rowElements, height) => {
    const sources = grid(count, rowElements * height, count);
    for (const hasBase of [true, false]) {
      for (const from of ['deltas', 'sources'] as const) {
        const vectors = vectorsOf(sources, from, hasBase);
        const piece = pieceOf(sources, rowElements, { hasBase });
        const loaded = await gpu.load([piece, piece]);
        const measured = await gpu.measure(loaded, [1, 0], { plain: true, axis: 'row', from });
        const [columnwise] = await gpu.measure(loaded, [1], { plain: false, axis: 'column', from });
        loaded.release();
        expect(measured).toHaveLength(2);
        expect(measured[0]).toEqual(measured[1]);
        const blocks = Array.from({ length: Math.ceil(piece.elements / 4096) }, (_, b) =>
          measuredOf(vectors, b * 4096, Math.min((b + 1) * 4096, piece.elements)),
        ).flat();
        expect(blocks.length % measuredQuantities(vectors.length, true)).toBe(0);
        expect([...(measured[0]?.plain ?? [])]).toEqual(blocks);
        const width = (vectors.length * (vectors.length + 3)) / 2;
        const byRow = Array.from({ length: height }, (_, r) =>
          measuredOf(vectors, r * rowElements, (r + 1) * rowElements),
        );
        const rowLines = Array.from({ length: width }, (_, q) => byRow.map((own) => own[q] ?? 0)).flat();
        expect([...(measured[0]?.lines ?? [])]).toEqual(rowLines);
        expect(columnwise?.plain).toBeNull();
        const columnTotals = Array.from({ length: width }, (_, q) =>
          (columnwise?.lines ?? new Float64Array())
            .slice(q * rowElements, (q + 1) * rowElements)
            .reduce((sum, x) => sum + x, 0),
        );
        const totals = measuredOf(vectors, 0, piece.elements).slice(0, width);
        expect(columnTotals).toEqual(totals);
      }
    }
  });

  it('sees changes down to 1e-24 and up to 1e11, and NaN', async () => {
    for (const change of [1e-24, 1e-10, 1e11]) {
      const base = new Float64Array(100);
      const piece = pieceOf([base, base.map(() => change), base.map(() => 3 * change)], 100);
      const loaded = await gpu.load([piece]);
      const [got] = await gpu.measure(loaded, [0], { plain: true, axis: null, from: 'deltas' });
      loaded.release();
      const sums = got?.plain ?? new Float64Array();
      expect((sums[2] ?? 0) / (sums[0] ?? 1)).toBeCloseTo(9, 4);
      expect(sums[0]).toBeGreaterThan(0);
    }
    const poisoned = new Float64Array(100);
    poisoned[77] = Number.NaN;
    const loaded = await gpu.load([pieceOf([new Float64Array(100), poisoned], 100)]);
    const [got] = await gpu.measure(loaded, [0], { plain: true, axis: null, from: 'deltas' });
    loaded.release();
    expect([...(got?.plain ?? [])].slice(0, 3)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});

describe('sources', () => {
  it('arrive whole, whatever lies beside them', async () => {
    // Odd numbers of halves, more small ones than go up together, and large ones between them.
    const lengths = [3, 20_001, 40_003, 5, ...Array.from({ length: 60 }, (_, n) => 20_000 + n), 33_333, 1];
    const dtypes: BlendedDtype[] = ['BF16', 'F16', 'F32'];
    const sources = lengths.map((length, n) => grid(3, length, n + 1));
    const loaded = await gpu.load(sources.map((own, n) => pieceOf(own, lengths[n] ?? 1, { dtypes })));
    for (const [n, own] of sources.entries()) {
      for (const [what, source] of [
        [3, null],
        [4, 1],
      ] as const) {
        const [out] = await gpu.merge(loaded, probe, [{ piece: n, numbers: numbersOf(what), out: 'F32' }]);
        const [base, one] = own;
        const wanted =
          source === null
            ? Float64Array.from(base ?? [], (x, i) => x + 2 * ((one?.[i] ?? 0) - x) + (lengths[n] ?? 0))
            : own[source];
        expect(decode(out?.bytes ?? new Uint8Array(), 'F32'), `piece ${n}`).toEqual(wanted);
      }
    }
    loaded.release();
  });

  it('may be some of those that were loaded, with the same sums, ranks and results as if they were alone', async () => {
    const sources = grid(5, 40 * 130, 3);
    const chosen = [0, 3, 1];
    const alone = pieceOf(
      chosen.map((s) => sources[s] ?? new Float64Array()),
      130,
    );
    const held = gpu.usedBytes;
    const all = await gpu.load([pieceOf(sources, 130), pieceOf(sources, 130)]);
    const some = gpu.select(all, [chosen, chosen]);
    const own = await gpu.load([alone]);
    const kind = { plain: true, axis: 'row', from: 'deltas', isSurveyed: true } as const;
    expect(await gpu.measure(some, [1], kind)).toEqual(await gpu.measure(own, [0], kind));
    for (const [method, what] of [
      [probe, 0],
      [probe, 3],
      [probe, 4],
      [ranked, 0],
    ] as const) {
      const work = (piece: number) => [{ piece, numbers: numbersOf(what), out: 'F32' as const }];
      const [a] = await gpu.merge(some, method, work(1), { isAudited: true });
      const [b] = await gpu.merge(own, method, work(0), { isAudited: true });
      expect(a).toEqual(b);
    }
    some.release();
    own.release();
    const [whole] = await gpu.merge(all, probe, [{ piece: 0, numbers: numbersOf(4, {}, 4), out: 'F32' }]);
    expect(decode(whole?.bytes ?? new Uint8Array(), 'F32')).toEqual(sources[1]);
    all.release();
    expect(gpu.usedBytes).toBe(held);
    expect(() => gpu.select(all, [[9], [9]])).toThrow(/no source 9/);
  });
});

describe('merging', () => {
  it('rounds every kind of F32 to F16 and BF16 as the codec does, NaN and overflow included', async () => {
    const next = random(99);
    const values = new Float32Array(40_000);
    const bits = new Uint32Array(values.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = Math.floor(next() * 2 ** 32);
    // Halfway cases of both formats, on either side of even, in every exponent.
    for (let e = 0; e < 256; e++) {
      [0x8000, 0x18000, 0x8001, 0x7fff, 0x1000, 0x3000, 0x1001, 0xfff].forEach((f, j) => {
        bits[e * 8 + j] = (e << 23) | f;
      });
    }
    // Subnormal F32 may be flushed by arithmetic; everything that F16 and BF16 can tell apart may not.
    for (let i = 0; i < bits.length; i++) if (((bits[i] ?? 0) & 0x7f800000) === 0) bits[i] = 0;
    const piece = {
      ...pieceOf([Float64Array.from(values)], values.length, { hasBase: false }),
      bytes: [new Uint8Array(values.buffer.slice(0))],
    };
    const loaded = await gpu.load([piece]);
    for (const out of ['F16', 'BF16'] as const) {
      const [own] = await gpu.merge(loaded, probe, [{ piece: 0, numbers: numbersOf(4, {}, 1), out }]);
      const want = new Uint16Array(encode(Float64Array.from(values), out).buffer);
      const got = new Uint16Array(own?.bytes.slice().buffer ?? new ArrayBuffer(0));
      const isNan = (h: number) => (out === 'F16' ? (h & 0x7fff) > 0x7c00 : (h & 0x7fff) > 0x7f80);
      const isFaulty = (h: number) => (out === 'F16' ? (h & 0x7c00) === 0x7c00 : (h & 0x7f80) === 0x7f80);
      want.forEach((w, i) => {
        const g = got[i] ?? 0;
        if (isNan(w) ? !isNan(g) : g !== w) {
          expect.fail(`${out}: ${values[i]} became ${g.toString(16)} instead of ${w.toString(16)}`);
        }
      });
      expect(own?.faulty).toBe(want.filter(isFaulty).length);
    }
    loaded.release();
  });

  it('sums the squares of sources and result where it is audited, and nowhere else', async () => {
    const sources = grid(4, 9001, 3);
    for (const out of BLENDED_DTYPES) {
      const dtypes = sources.map((_, s) => BLENDED_DTYPES[s % 3] ?? 'F32');
      const cut = [0, 1].map((n) => pieceOf(sources, 9001, { start: n * 4097, end: n === 0 ? 4097 : 9001, dtypes }));
      const loaded = await gpu.load(cut);
      const work = cut.map((_, piece) => ({ piece, numbers: numbersOf(3, {}, 3), out }));
      const audited = await gpu.merge(loaded, probe, work, { isAudited: true });
      const plain = await gpu.merge(loaded, probe, work);
      loaded.release();
      expect(plain.map(({ squares }) => squares)).toEqual([null, null]);
      audited.forEach(({ bytes, squares }, n) => {
        expect(bytes).toEqual(plain[n]?.bytes);
        const own = sources.map((values) => values.subarray(n * 4097, n === 0 ? 4097 : 9001));
        const want = [...own, decode(bytes, out)].map((values) => values.reduce((sum, x) => sum + x * x, 0));
        expect(squares).toHaveLength(5);
        want.forEach((value, s) => expect(Math.abs((squares?.[s] ?? 0) / value - 1)).toBeLessThan(1e-6));
      });
    }
  });

  it('writes F32 for chat that is exactly what is written to a file, widened', async () => {
    const sources = grid(3, 2501, 3).map((values) => values.map((x) => x * 1.01));
    const pieces = cutAt(sources, 2501, [1025]);
    const work = pieces.map((_, piece) => ({ piece, numbers: numbersOf(3), out: 'F32' as BlendedDtype }));
    const loaded = await gpu.load(pieces);
    for (const out of BLENDED_DTYPES) {
      const items = work.map((item) => ({ ...item, out }));
      const packed = await gpu.merge(loaded, probe, items);
      const live = await gpu.allocate([{ name: pieces[0]?.tensor ?? '', shape: [2501], elements: 2501, form: 'f32' }]);
      expect(await gpu.mergeInto(loaded, probe, items, live)).toEqual([0, 0]);
      const target = [...live.tensors.values()][0];
      if (target?.kind !== 'gpu') throw new Error('no live buffer');
      const want = packed.flatMap(({ bytes }) => [...decode(bytes, out)]);
      expect([...(await readFloats(target.buffer, 2501))]).toEqual(want);
      live.dispose();
    }
    loaded.release();
  });

  it('gives every buffer back, also where it fails', async () => {
    const before = gpu.usedBytes;
    const held: number[] = [];
    for (let round = 0; round < 3; round++) {
      await merged(pieceOf(grid(3, 6000, round), 3000), numbersOf(0), ranked);
      held.push(gpu.heldBytes);
    }
    await expect(merged(pieceOf(grid(3, 6000, 1), 3000, { start: 10 }), numbersOf(0), ranked)).rejects.toThrow(
      'whole rows',
    );
    expect(held[2]).toBe(held[1]);
    expect(gpu.usedBytes - before).toBeLessThan(2 ** 17);
  });
});

async function readFloats(buffer: GPUBuffer, count: number): Promise<Float32Array> {
  const staging = device.device.createBuffer({
    size: count * 4,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, count * 4);
  device.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return new Float32Array(staging.getMappedRange().slice(0));
}
