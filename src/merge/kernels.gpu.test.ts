/**
 * Every merge kernel in real WebGPU against its method's float64 reference, from the declarations alone: dtypes,
 * mixed dtypes, ragged lengths, edge values, every choice, rows, chunk sizes; and the measuring kernel likewise.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { decode, encode } from '../formats/codec.ts';
import { BLENDED_DTYPES, elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { gpuHere, openDevice } from '../gpu/device.ts';
import { METHODS } from '../methods/index.ts';
import { defaults, UNITS, type Method, type Values } from '../methods/method.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import type { LoadedPiece } from './arithmetic.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import { GpuArithmetic } from './gpu-arithmetic.ts';
import { quantityCount } from './statistics.ts';
import { family as checkpointFamily, random } from './test/checkpoints.ts';
import type { TensorWeights } from './weights.ts';

let gpu: GpuArithmetic;
const cpu = new CpuArithmetic();

beforeAll(async () => {
  gpu = new GpuArithmetic(await openDevice(gpuHere()));
});

function gaussian(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Sources like a base and its fine-tunes: models are the base plus small changes of different sizes, some frozen. */
function family(count: number, elements: number, dtypes: readonly BlendedDtype[], seed: number): LoadedPiece {
  const next = random(seed);
  const base = Float64Array.from({ length: elements }, () => 0.05 * gaussian(next));
  const sources = Array.from({ length: count }, (_, s) =>
    base.map((x) => (s === 0 || next() < 0.2 ? x : x + 0.004 * s * gaussian(next))),
  );
  return pieceOf(sources, dtypes, elements);
}

function pieceOf(sources: readonly Float64Array[], dtypes: readonly BlendedDtype[], rowElements: number): LoadedPiece {
  const elements = sources[0]?.length ?? 0;
  return {
    tensor: 'model.layers.0.mlp.up_proj.weight',
    start: 0,
    elements,
    tensorElements: elements,
    rowElements,
    dtypes,
    bytes: sources.map((values, s) => encode(values, dtypes[s] ?? 'F32')),
  };
}

function weightsOf(
  method: Method,
  models: number,
  params: Values,
  perModel: readonly Values[],
  rows = 1,
): TensorWeights {
  const next = random(models * 7 + rows);
  const raw = Float64Array.from({ length: models * rows }, () => 0.1 + next());
  // Rows of coefficients that add up to one, as every normalised method makes them.
  for (let r = 0; r < rows; r++) {
    let total = 0;
    for (let k = 0; k < models; k++) total += raw[k * rows + r] ?? 0;
    for (let k = 0; k < models; k++) raw[k * rows + r] = (raw[k * rows + r] ?? 0) / total;
  }
  return { params, perModel, coefficients: raw, rows, unit: method.statistics(params) };
}

/** One rounding of the output dtype beside the arithmetic's own 4e-6 of the tensor's scale. */
function tolerance(out: BlendedDtype, value: number, scale: number): number {
  const step = { F32: 0, F16: Math.max(Math.abs(value) * 2 ** -10, 2 ** -24), BF16: Math.abs(value) * 2 ** -7 }[out];
  return 4e-6 * scale + step + 2 ** -126;
}

async function agree(method: Method, piece: LoadedPiece, weights: TensorWeights, out: BlendedDtype): Promise<void> {
  const work = [{ piece: 0, weights, out }];
  const loaded = await gpu.load([piece]);
  const [onGpu] = await gpu.merge(loaded, method, work);
  loaded.release();
  const [onCpu] = await cpu.merge(await cpu.load([piece]), method, work);
  if (!onGpu || !onCpu) throw new Error('no result');
  expect(onGpu.bytes.length).toBe(piece.elements * elementBytes(out));
  const got = decode(onGpu.bytes, out);
  const want = decode(onCpu.bytes, out);
  const scale = piece.bytes
    .flatMap((bytes, s) => [...decode(bytes, piece.dtypes[s] ?? 'F32')])
    .reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
  for (let i = 0; i < want.length; i++) {
    const w = want[i] ?? 0;
    const g = got[i] ?? 0;
    if (!Number.isFinite(w)) {
      expect(Number.isFinite(g), `element ${i}: ${g} instead of ${w}`).toBe(false);
    } else if (!(Math.abs(g - w) <= tolerance(out, w, scale))) {
      expect.fail(`${method.name} ${piece.dtypes} -> ${out}, element ${i} of ${want.length}: ${g} instead of ${w}`);
    }
  }
  expect(onGpu.faulty).toBe(onCpu.faulty);
}

/** Every combination of the method's choices and switches, the numbers at their defaults. */
function* settings(method: Method): Generator<Values> {
  const names = Object.entries(method.params).filter(([, p]) => p.kind === 'choice' || p.kind === 'boolean');
  const counts = names.map(([, p]) => (p.kind === 'choice' ? p.options.length : 2));
  const total = counts.reduce((a, b) => a * b, 1);
  for (let n = 0; n < total; n++) {
    const values: Record<string, number> = { ...defaults(method.params) };
    let rest = n;
    names.forEach(([name], i) => {
      const count = counts[i] ?? 1;
      values[name] = rest % count;
      rest = Math.floor(rest / count);
    });
    yield values;
  }
}

const LENGTHS = [1, 2, 3, 255, 256, 257, 4095, 4096, 4097, 10_001];

describe.each([...METHODS.values()])('$name', (method) => {
  const sources = (models: number) => models + (method.base === 'required' ? 1 : 0);
  const perModel = (models: number) => Array.from({ length: models }, () => defaults(method.perModel));

  it.each(BLENDED_DTYPES)('agrees with its reference on ragged lengths in %s', async (dtype) => {
    for (const elements of LENGTHS) {
      const piece = family(
        sources(3),
        elements,
        Array.from({ length: sources(3) }, () => dtype),
        elements,
      );
      for (const out of BLENDED_DTYPES)
        await agree(method, piece, weightsOf(method, 3, defaults(method.params), perModel(3)), out);
    }
  });

  it('agrees with every choice and switch, and with unset numbers set', async () => {
    const piece = family(
      sources(2),
      1031,
      Array.from({ length: sources(2) }, () => 'F32' as const),
      5,
    );
    for (const params of settings(method)) await agree(method, piece, weightsOf(method, 2, params, perModel(2)), 'F32');
    for (const params of settings(method)) {
      const set = { ...params };
      for (const [name, p] of Object.entries(method.params)) {
        if (p.kind === 'number' && p.default === null) set[name] = (p.min + p.max) / 4;
      }
      for (const [name, p] of Object.entries(method.perModel)) {
        if (p.kind !== 'number') continue;
        const own = perModel(2).map((values, k) =>
          k === 0 ? { ...values, [name]: p.min + (p.max - p.min) / 4 } : values,
        );
        await agree(method, piece, weightsOf(method, 2, set, own), 'F32');
      }
    }
  });

  it('mixes dtypes, one model to sixteen', async () => {
    for (const models of [1, 2, 5, 16]) {
      if (models < method.models.min || models > method.models.max) continue;
      const dtypes = Array.from({ length: sources(models) }, (_, s) => BLENDED_DTYPES[s % 3] ?? 'F32');
      await agree(
        method,
        family(sources(models), 777, dtypes, models),
        weightsOf(method, models, defaults(method.params), perModel(models)),
        'F32',
      );
    }
  });

  it('takes coefficients per row, also where a piece begins in the middle of one', async () => {
    const whole = family(
      sources(2),
      4096 * 2 + 300,
      Array.from({ length: sources(2) }, () => 'BF16' as const),
      11,
    );
    const weights = weightsOf(method, 2, defaults(method.params), perModel(2), 4);
    const start = 4096;
    const piece: LoadedPiece = {
      ...whole,
      start,
      tensorElements: whole.elements + start,
      rowElements: (whole.elements + start) / 4,
    };
    await agree(method, piece, weights, 'F32');
  });

  it('keeps its head at the edges: zeros, subnormals, the largest numbers, infinity, NaN', async () => {
    const edges = [0, -0, 1e-45, -1e-45, 1e-40, 6e-8, -6e-8, 5.9e-5, 65504, -65504, 1e38, -1e38, 1, 0.1];
    const one = Float64Array.from(edges);
    const other = Float64Array.from([...edges].reverse());
    for (const dtype of BLENDED_DTYPES) {
      const dtypes = Array.from({ length: sources(2) }, () => dtype);
      const values = [one, other, one].slice(0, sources(2));
      await agree(
        method,
        pieceOf(values, dtypes, edges.length),
        weightsOf(method, 2, defaults(method.params), perModel(2)),
        'F32',
      );
      const poisoned = [one, Float64Array.from([Number.NaN, Number.POSITIVE_INFINITY, ...edges.slice(2)]), one].slice(
        0,
        sources(2),
      );
      await agree(
        method,
        pieceOf(poisoned, dtypes, edges.length),
        weightsOf(method, 2, defaults(method.params), perModel(2)),
        'F32',
      );
    }
  });

  it('writes F32 for chat that is exactly what is written to a file, widened', async () => {
    const piece = family(
      sources(2),
      2501,
      Array.from({ length: sources(2) }, () => 'BF16' as const),
      3,
    );
    const weights = weightsOf(method, 2, defaults(method.params), perModel(2));
    for (const out of BLENDED_DTYPES) {
      const loaded = await gpu.load([piece]);
      const [packed] = await gpu.merge(loaded, method, [{ piece: 0, weights, out }]);
      const live = await gpu.allocate([{ name: piece.tensor, shape: [2501], elements: 2501 }]);
      await gpu.mergeInto(loaded, method, [{ piece: 0, weights, out }], live);
      loaded.release();
      const target = live.tensors.get(piece.tensor);
      if (target?.kind !== 'gpu' || !packed) throw new Error('no live buffer');
      expect(await readFloats(target.buffer, 2501)).toEqual(Float32Array.from(decode(packed.bytes, out)));
      live.dispose();
    }
  });
});

async function readFloats(buffer: GPUBuffer, count: number): Promise<Float32Array> {
  const { device } = await deviceOf(buffer);
  const staging = device.createBuffer({ size: count * 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, count * 4);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  return new Float32Array(staging.getMappedRange().slice(0));
}

async function deviceOf(_buffer: GPUBuffer): Promise<{ device: GPUDevice }> {
  const live = await gpu.allocate([{ name: 'probe', shape: [1], elements: 1 }]);
  const { device } = live;
  live.dispose();
  if (!device) throw new Error('no device');
  return { device };
}

describe('rounding', () => {
  it('rounds every kind of F32 to F16 and BF16 as the CPU does, NaN and overflow included', async () => {
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
    const linear = METHODS.get('linear');
    if (!linear) throw new Error('linear is gone');
    const piece: LoadedPiece = {
      ...pieceOf([Float64Array.from(values)], ['F32'], values.length),
      bytes: [new Uint8Array(values.buffer)],
    };
    const weights: TensorWeights = {
      params: { normalize: 1 },
      perModel: [{ weight: 1 }],
      coefficients: Float64Array.of(1),
      rows: 1,
      unit: null,
    };
    for (const out of ['F16', 'BF16'] as const) {
      const loaded = await gpu.load([piece]);
      const [merged] = await gpu.merge(loaded, linear, [{ piece: 0, weights, out }]);
      loaded.release();
      const want = new Uint16Array(encode(Float64Array.from(values), out).buffer);
      const got = new Uint16Array(merged?.bytes.slice().buffer ?? new ArrayBuffer(0));
      const isNan = (h: number) => (out === 'F16' ? (h & 0x7fff) > 0x7c00 : (h & 0x7fff) > 0x7f80);
      want.forEach((w, i) => {
        const g = got[i] ?? 0;
        if (isNan(w) ? !isNan(g) : g !== w)
          expect.fail(`${out}: ${values[i]} became ${g.toString(16)} instead of ${w.toString(16)}`);
      });
    }
  });
});

describe('measuring', () => {
  it.each([1, 2, 3, 6])('agrees with the reference for %i models, along the tensor and along rows', async (models) => {
    for (const [rows, rowElements] of [
      [1, 1],
      [1, 5000],
      [7, 63],
      [3, 4097],
      [2, 12_288],
    ] as const) {
      const elements = rows * rowElements;
      for (const dtype of BLENDED_DTYPES) {
        const piece = {
          ...family(
            models + 1,
            elements,
            Array.from({ length: models + 1 }, () => dtype),
            elements + models,
          ),
          rowElements,
        };
        const loaded = await gpu.load([piece]);
        const [got] = await gpu.measure(loaded, { plain: true, byRow: true });
        loaded.release();
        const [want] = await cpu.measure(await cpu.load([piece]), { plain: true, byRow: true });
        for (const kind of ['plain', 'byRow'] as const) {
          const g = got?.[kind];
          const w = want?.[kind];
          if (!g || !w) throw new Error('not measured');
          expect(g.length).toBe(w.length);
          expect(g.length % quantityCount(models)).toBe(0);
          // Sums of products may cancel: the scale is the largest quantity of the block.
          w.forEach((value, i) => {
            const block = Math.floor(i / quantityCount(models)) * quantityCount(models);
            const own = w.subarray(block, block + quantityCount(models));
            const pairs = (models * (models + 1)) / 2;
            const scale = i - block < pairs ? Math.max(...own.subarray(0, pairs)) : Math.abs(value);
            expect(Math.abs((g[i] ?? 0) - value)).toBeLessThanOrEqual(4e-6 * scale + 1e-30);
          });
        }
      }
    }
  });

  it('sees changes down to 1e-24 and up to 1e11', async () => {
    for (const size of [1e-24, 1e-10, 1e11]) {
      const base = new Float64Array(100);
      const piece = pieceOf([base, base.map(() => size), base.map(() => 3 * size)], ['F32', 'F32', 'F32'], 100);
      const loaded = await gpu.load([piece]);
      const [got] = await gpu.measure(loaded, { plain: true, byRow: false });
      loaded.release();
      const sums = got?.plain ?? new Float64Array();
      expect((sums[2] ?? 0) / (sums[0] ?? 1)).toBeCloseTo(9, 4);
      expect(sums[0]).toBeGreaterThan(0);
    }
  });
});

describe('the pool', () => {
  it('gives every buffer back', async () => {
    const before = gpu.usedBytes;
    const linear = METHODS.get('linear');
    if (!linear) throw new Error('linear is gone');
    const held: number[] = [];
    for (let round = 0; round < 4; round++) {
      const piece = family(2, 5000, ['F32', 'F32'], round);
      await agree(linear, piece, weightsOf(linear, 2, { normalize: 1 }, [{ weight: 1 }, { weight: 1 }]), 'BF16');
      held.push(gpu.heldBytes);
    }
    expect(gpu.usedBytes).toBe(before);
    expect(held[3]).toBe(held[1]);
  });
});

describe('chunks', () => {
  /** Two wide tensors of many blocks, so that small batches cut them. */
  const WIDE = { 'model.layers.0.mlp.up_proj.weight': [5, 9000], 'model.layers.1.mlp.up_proj.weight': [200, 130] };

  it.each(UNITS)('give the same bits whatever their size, per %s', async (granularity) => {
    const models = checkpointFamily(2, 'BF16', WIDE);
    const text = `merge_method: varm\nbase_model: base\nmodels:\n  - model: tune-1\n  - model: tune-2\nparameters: {granularity: ${granularity}}\nout_dtype: float32\n`;
    const { lineup } = check(parseRecipe(text), (name) => models.find((own) => own.name === name));
    if (!lineup) throw new Error('not siblings');
    const device = await openDevice(gpuHere());
    const results: Uint8Array[] = [];
    for (const batchBytes of [1, 60_000, 2 ** 24]) {
      const blend = new Blend(new GpuArithmetic(device, batchBytes), { budgetBytes: 2 ** 28, keepsSources: true });
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of blend.pieces(lineup, new Map())) pieces.push(piece.bytes);
      results.push(new Uint8Array(await new Blob(pieces).arrayBuffer()));
    }
    expect(results[0]?.length).toBe(4 * (5 * 9000 + 200 * 130));
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('leave the statistics of tensors alone where rows are cut at no whole block', async () => {
    const models = checkpointFamily(2, 'F32', {
      'model.layers.0.mlp.up_proj.weight': [7, 4099],
      'model.norm.weight': [24],
    });
    const lineUp = (granularity: string) => {
      const text = `merge_method: varm\nbase_model: base\nmodels:\n  - model: tune-1\n  - model: tune-2\nparameters: {granularity: ${granularity}}\n`;
      const { lineup } = check(parseRecipe(text), (name) => models.find((own) => own.name === name));
      if (!lineup) throw new Error('not siblings');
      return lineup;
    };
    const device = await openDevice(gpuHere());
    // Sources of 12 bytes an element: two rows of 4099 fit a batch, 4099 whole blocks of rows do not.
    const cut = () => new Blend(new GpuArithmetic(device, 100_000), { budgetBytes: 2 ** 28, keepsSources: true });
    const blend = cut();
    const before = await blend.map(lineUp('tensor'));
    await blend.map(lineUp('row'));
    expect(await blend.map(lineUp('tensor'))).toEqual(before);
    // Rows first, and rows beside coarser units.
    const fresh = cut();
    await fresh.map(lineUp('row'));
    expect((await fresh.map(lineUp('tensor'))).cells).toEqual(before.cells);
    const mixed = lineUp('[{filter: up_proj, value: row}, {value: model}]');
    const whole = new Blend(new GpuArithmetic(device), { budgetBytes: 2 ** 28, keepsSources: true });
    expect((await cut().map(mixed)).cells).toEqual((await whole.map(mixed)).cells);
  });
});
