/**
 * Every method's kernels in real WebGPU against its float64 reference, from the declarations alone: passes,
 * coefficients and merge as a real merge runs them, over dtypes, mixed dtypes, ragged shapes, edge values, every choice
 * and switch, numbers away from their defaults, and any cut. What kernels stand on is `gpu-arithmetic.gpu.test.ts`.
 *
 * Float32 and float64 may disagree on which side of a threshold a near tie lies. Sources are therefore either on a
 * grid, where differences and their squares are exact and ties are exact in both, or spread out, where none is near.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { decode, encode } from '../formats/codec.ts';
import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { type Device, gpuHere, openDevice } from '../gpu/device.ts';
import { METHODS } from '../methods/index.ts';
import { defaults, type Evidence, type Method, type Parameters, type Sums, type Values } from '../methods/method.ts';
import { streamKey, uniform } from '../methods/random.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { GpuArithmetic } from './gpu-arithmetic.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { random } from './test/checkpoints.ts';

let device: Device;
let gpu: GpuArithmetic;

beforeAll(async () => {
  device = await openDevice(gpuHere());
  gpu = new GpuArithmetic(device);
});

/** One tensor to be merged: its sources, as they are stored, and how. */
interface Case {
  readonly method: Method;
  readonly name: string;
  readonly shape: readonly number[];
  readonly hasBase: boolean;
  readonly dtypes: readonly BlendedDtype[];
  /** The base first where there is one, in what their dtypes can hold. */
  readonly sources: readonly Float64Array[];
  readonly params: Values;
  readonly perModel: readonly Values[];
  readonly out: BlendedDtype;
}

const NAME = 'model.layers.0.mlp.up_proj.weight';

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function rowElementsOf(shape: readonly number[]): number {
  return shape.length < 2 ? elementsOf(shape) : elementsOf(shape.slice(1));
}

/** Takes part in a merge as the check would have it. */
function lineupOf(cases: readonly Case[]): Lineup {
  const [first] = cases;
  if (!first) throw new Error('nothing to merge');
  const tensors = cases.map(({ name, shape, hasBase, dtypes, sources, params, perModel, out }): BlendTensor => {
    const elements = elementsOf(shape);
    return {
      name,
      shape,
      elements,
      rowElements: rowElementsOf(shape),
      hasBase,
      sources: sources.map((values, s) => {
        const dtype = dtypes[s] ?? 'F32';
        const bytes = encode(values, dtype);
        const file = memoryBytes(`${s}/model.safetensors`, bytes);
        return { name, dtype, shape, elements, file, start: 0, end: bytes.length };
      }),
      dtypes,
      modelOf: perModel.map((_, k) => k),
      params,
      perModel,
      out,
    };
  });
  const checkpoint = (name: string): Checkpoint => ({
    name,
    tensors: new Map(),
    config: null,
    sideFiles: new Map(),
    totalBytes: 0,
    weightFiles: [],
  });
  const models = first.perModel.map((_, k) => checkpoint(`tune-${k}`));
  return {
    recipe: parseRecipe('merge_method: linear\nmodels:\n  - {model: a, parameters: {weight: 1}}\n'),
    method: first.method,
    base: first.hasBase ? checkpoint('base') : null,
    models,
    donor: models[0] ?? checkpoint('none'),
    tensors,
    copied: [],
    order: tensors.map(({ name }) => name),
    layers: 1,
    changes: { restacked: [], vocabularyRows: null, isTied: null, movedTokens: new Map(), files: null },
  };
}

/** Merges on the GPU as a save does. */
async function mergeOnGpu(cases: readonly Case[], place = gpu) {
  const blend = new Blend(place, { budgetBytes: 2 ** 30, keepsSources: false });
  const out = new Map(cases.map(({ name }) => [name, { bytes: [] as Uint8Array<ArrayBuffer>[], faulty: 0 }]));
  for await (const piece of blend.pieces(lineupOf(cases), false)) {
    const own = out.get(piece.tensor);
    own?.bytes.push(piece.bytes);
    if (own) own.faulty += piece.faulty;
  }
  await blend.dispose();
  return Promise.all(
    [...out.values()].map(async ({ bytes, faulty }) => ({
      bytes: new Uint8Array(await new Blob(bytes).arrayBuffer()),
      faulty,
    })),
  );
}

/** Sums of the lines of a tensor by plain loops in float64. */
function lineSumsOf(vectors: readonly Float64Array[], lines: number, lineOf: (i: number) => number) {
  const count = vectors.length;
  const gram = new Float64Array(count * count * lines);
  const abs = new Float64Array(count * lines);
  const max = new Float64Array(count * lines);
  const changed = new Float64Array(count * lines);
  const at = (q: number, i: number) => q * lines + lineOf(i);
  vectors.forEach((v, j) => {
    v.forEach((x, i) => {
      abs[at(j, i)] = (abs[at(j, i)] ?? 0) + Math.abs(x);
      max[at(j, i)] = Math.max(max[at(j, i)] ?? 0, Math.abs(x));
      changed[at(j, i)] = (changed[at(j, i)] ?? 0) + (x === 0 ? 0 : 1);
      vectors.forEach((w, k) => {
        gram[at(j * count + k, i)] = (gram[at(j * count + k, i)] ?? 0) + x * (w[i] ?? 0);
      });
    });
  });
  return { gram, abs, max, changed };
}

/** The evidence of a tensor that is alone in its unit, its passes left out. */
function evidenceOf({ method, name, shape, hasBase, sources, params, perModel }: Case): Evidence {
  const [base, ...models] = sources;
  const elements = elementsOf(shape);
  const rowElements = rowElementsOf(shape);
  const isDelta = hasBase && method.measures !== 'sources';
  const vectors = isDelta ? models.map((x) => x.map((v, i) => v - (base?.[i] ?? 0))) : sources;
  const unit = method.statistics(params);
  const axis = unit === 'row' || unit === 'column' ? unit : null;
  const lines = axis === 'row' ? elements / rowElements : rowElements;
  const lineOf = (i: number) => (axis === 'row' ? Math.floor(i / rowElements) : i % rowElements);
  const sums: Sums | null =
    unit === null || unit === 'element' || axis ? null : { elements, ...lineSumsOf(vectors, 1, () => 0) };
  return {
    tensor: name,
    models: perModel.length,
    hasBase,
    params,
    perModel,
    elements,
    rowElements,
    dimensions: shape.length,
    sums,
    lineSums: axis ? { axis, lines, lineElements: elements / lines, ...lineSumsOf(vectors, lines, lineOf) } : null,
    passes: new Map(),
  };
}

/** The same merge by the method's float64 reference. */
function referenceOf(own: Case): Float64Array {
  const { method, name, shape, hasBase, sources, params, perModel } = own;
  const elements = elementsOf(shape);
  let known: Float64Array | null = null;
  const coefficient = (n: number, i: number) => {
    known ??= method.coefficients(evidenceOf(own));
    const lines = known.length / (perModel.length + (method.extraCoefficients ?? 0));
    const unit = method.statistics(params);
    const over = method.coefficientsOver?.(params) ?? (unit === 'row' || unit === 'column' ? unit : 'tensor');
    const row = Math.floor(i / rowElementsOf(shape));
    return known[n * lines + { tensor: 0, row, column: i % rowElementsOf(shape) }[over]] ?? Number.NaN;
  };
  const streams = perModel.map((_, k) => streamKey(params.seed ?? 0, name, k));
  const out = method.reference({
    tensor: name,
    base: hasBase ? (sources[0] ?? null) : null,
    models: hasBase ? sources.slice(1) : sources,
    params,
    perModel,
    rowElements: rowElementsOf(shape),
    dimensions: shape.length,
    coefficient,
    random: (k, i) => uniform(i, streams[k] ?? [0, 0]),
  });
  expect(out.length).toBe(elements);
  return out;
}

/** One rounding of the output dtype beside the arithmetic's own 4e-6 of the tensor's scale. */
function tolerance(out: BlendedDtype, value: number, scale: number): number {
  const step = { F32: 0, F16: Math.max(Math.abs(value) * 2 ** -10, 2 ** -24), BF16: Math.abs(value) * 2 ** -7 }[out];
  return 4e-6 * scale + step + 2 ** -126;
}

function largest(values: Float64Array): number {
  return values.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
}

async function agree(own: Case, note = ''): Promise<void> {
  const { method, shape, dtypes, sources, out, hasBase } = own;
  const [result] = await mergeOnGpu([own]);
  if (!result) throw new Error('no result');
  expect(result.bytes.length).toBe(elementsOf(shape) * elementBytes(out));
  const exact = referenceOf(own);
  const want = decode(encode(exact, out), out);
  const got = decode(result.bytes, out);
  const scale = Math.max(...sources.map(largest), largest(exact));
  const wrong: number[] = [];
  want.forEach((w, i) => {
    const g = got[i] ?? 0;
    const isRight = Number.isFinite(w) ? Math.abs(g - w) <= tolerance(out, w, scale) : !Number.isFinite(g);
    if (!isRight) wrong.push(i);
  });
  const [at] = wrong;
  if (at !== undefined) {
    const kind = `${method.name} ${hasBase ? 'base+' : ''}${dtypes} -> ${out} [${shape}] ${note} ${JSON.stringify(own.params)} ${JSON.stringify(own.perModel)}`;
    const from = sources.map((values) => values[at]);
    expect.fail(
      `${kind}: ${wrong.length} of ${want.length} differ, such as ${at}: ${got[at]} instead of ${exact[at]}, from ${from}`,
    );
  }
  expect(result.faulty).toBe(want.filter((x) => !Number.isFinite(x)).length);
}

function gaussian(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Sources like a base and its fine-tunes, one element in five frozen, spread out as real ones are. */
function spread(count: number, elements: number, seed: number): Float64Array[] {
  const next = random(seed);
  const base = Float64Array.from({ length: elements }, () => 0.05 * gaussian(next));
  return Array.from({ length: count }, (_, s) =>
    base.map((x) => Math.fround(s === 0 || next() < 0.2 ? x : x + 0.01 * s * gaussian(next))),
  );
}

/** The same on a grid that BF16 holds exactly, with many ties. */
function grid(count: number, elements: number, seed: number): Float64Array[] {
  const next = random(seed);
  const base = Float64Array.from({ length: elements }, () => (Math.floor(next() * 193) - 96) / 64);
  return Array.from({ length: count }, (_, s) =>
    base.map((x) => (s === 0 || next() < 0.2 ? x : x + (Math.floor(next() * 49) - 24) / 64)),
  );
}

/** How many models a method takes, `wanted` where it may. */
function countOf(method: Method, wanted: number): number {
  return Math.max(method.models.min, Math.min(method.models.max, wanted));
}

/** Whether cases have a base: both ways where that is a choice. */
function basesOf(method: Method): boolean[] {
  return { required: [true], optional: [true, false], none: [false] }[method.base];
}

/** Numbers away from their defaults and from their bounds; `n` makes them differ between models. */
function moved(parameters: Parameters, n = 0): Values {
  const values: Record<string, number> = { ...defaults(parameters) };
  for (const [name, p] of Object.entries(parameters)) {
    // Eighths of what a slider spans: numbers that float32 holds.
    if (p.kind === 'number') values[name] = p.min + ((p.max - p.min) * (4 - (n % 2))) / 8;
  }
  return values;
}

/** Every combination of a method's choices and switches, at most `most` of them. */
function* choices(method: Method, most = 24): Generator<Values> {
  const names = Object.entries(method.params).filter(([, p]) => p.kind === 'choice' || p.kind === 'boolean');
  const counts = names.map(([, p]) => (p.kind === 'choice' ? p.options.length : 2));
  const total = counts.reduce((a, b) => a * b, 1);
  for (let n = 0; n < total; n += Math.ceil(total / most)) {
    let rest = n;
    yield Object.fromEntries(
      names.map(([name], i) => {
        const value = rest % (counts[i] ?? 1);
        rest = Math.floor(rest / (counts[i] ?? 1));
        return [name, value];
      }),
    );
  }
}

interface Made {
  readonly shape: readonly number[];
  readonly models: number;
  readonly hasBase: boolean;
  readonly dtypes?: readonly BlendedDtype[];
  readonly out?: BlendedDtype;
  readonly seed?: number;
  readonly isGrid?: boolean;
}

/** A case with the numbers away from their defaults. */
function caseOf(method: Method, { shape, models, hasBase, dtypes, out = 'F32', seed = 1, isGrid = false }: Made): Case {
  const count = models + (hasBase ? 1 : 0);
  const kinds = Array.from({ length: count }, (_, s) => dtypes?.[s % dtypes.length] ?? 'F32');
  const values = (isGrid ? grid : spread)(count, elementsOf(shape), seed);
  return {
    method,
    name: NAME,
    shape,
    hasBase,
    dtypes: kinds,
    sources: values.map((own, s) => decode(encode(own, kinds[s] ?? 'F32'), kinds[s] ?? 'F32')),
    params: moved(method.params),
    perModel: Array.from({ length: models }, (_, k) => moved(method.perModel, k)),
    out,
  };
}

const SHAPES = [[], [1], [7], [64], [4097], [5, 3], [33, 129], [2, 4097], [6, 5, 7]] as const;

describe.each([...METHODS.values()])('$name', (method) => {
  const two = countOf(method, 2);
  const bases = basesOf(method);

  it('agrees with its reference on ragged shapes', async () => {
    for (const hasBase of bases) {
      for (const shape of SHAPES) {
        const made = { shape, models: two, hasBase, seed: elementsOf(shape) };
        await agree(caseOf(method, { ...made, isGrid: true }));
        // Among thousands of columns that are spread out, some are nearly equal.
        if (rowElementsOf(shape) < 1000) await agree(caseOf(method, made));
      }
    }
  });

  it.each([
    ['F32', 'F32'],
    ['F32', 'BF16'],
    ['F32', 'F16'],
    ['BF16', 'BF16'],
  ] as const)('agrees from %s into %s', async (dtype, out) => {
    const [hasBase = false] = bases;
    await agree(caseOf(method, { shape: [9, 131], models: two, hasBase, dtypes: [dtype], out, isGrid: true, seed: 5 }));
  });

  it('agrees with every choice and switch, at the defaults and away from them', async () => {
    for (const hasBase of bases) {
      for (const chosen of choices(method)) {
        const own = caseOf(method, { shape: [11, 67], models: two, hasBase, seed: 9 });
        const note = JSON.stringify(chosen);
        await agree({ ...own, params: { ...own.params, ...chosen } }, note);
        const perModel = own.perModel.map(() => defaults(method.perModel));
        await agree({ ...own, params: { ...defaults(method.params), ...chosen }, perModel }, note);
      }
    }
  });

  it('mixes dtypes, and takes as few and as many models as it may', async () => {
    const [hasBase = false] = bases;
    const made = { shape: [13, 61], hasBase, seed: 3 };
    const few = Math.max(method.models.min, hasBase ? 1 : 2);
    await agree(caseOf(method, { ...made, models: countOf(method, few), dtypes: ['F16', 'BF16', 'F32'], out: 'F16' }));
    await agree(caseOf(method, { ...made, models: countOf(method, 16) }));
  });

  it('keeps its head at the edges', async () => {
    const edges = [0, -0, 1e-45, -1e-45, 1e-40, 6e-8, -6e-8, 5.9e-5, 65504, -65504, 1, 0.1];
    const one = Float64Array.from(edges);
    const turned = Float64Array.from([...edges].reverse());
    for (const hasBase of bases.slice(0, 1)) {
      const count = two + (hasBase ? 1 : 0);
      const own = caseOf(method, { shape: [edges.length], models: two, hasBase });
      const held = (dtype: BlendedDtype, v: Float64Array) => decode(encode(v, dtype), dtype);
      for (const dtype of ['F32', 'BF16'] as const) {
        const dtypes = Array.from({ length: count }, () => dtype);
        const sources = dtypes.map((_, s) => held(dtype, s % 2 === 0 ? one : turned));
        await agree({ ...own, dtypes, sources, out: dtype }, 'edges');
        const same = dtypes.map(() => held(dtype, one));
        await agree({ ...own, dtypes, sources: same, out: dtype }, 'nothing changed');
        await agree({ ...own, dtypes, sources: same.map((v) => v.fill(0)), out: dtype }, 'all zero');
      }
    }
  });

  it('passes NaN and infinity on, or refuses the tensor by name', async () => {
    const [hasBase = false] = bases;
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const own = caseOf(method, { shape: [5, 13], models: two, hasBase });
      const sources = own.sources.map((values, s) => (s === own.sources.length - 1 ? values.with(17, bad) : values));
      const results = await mergeOnGpu([{ ...own, sources }]).catch((error: unknown) => String(error));
      if (typeof results === 'string') expect(results).toContain(NAME);
      else {
        const got = decode(results[0]?.bytes ?? new Uint8Array(), 'F32');
        expect(results[0]?.faulty).toBe(got.filter((x) => !Number.isFinite(x)).length);
      }
    }
  });

  it('gives the same bits however a tensor is cut', async () => {
    const [hasBase = false] = bases;
    // Ranks need whole rows, and sums along columns blocks of them: those have to end where blocks of elements do.
    const isByRows =
      method.ranks === true ||
      method.statistics(moved(method.params)) === 'column' ||
      (method.passes ?? []).some((pass) => pass.kind === 'sums' && pass.over === 'column');
    const shapes = [[130, 64], isByRows ? [20, 128] : [3, 4200]];
    const cases = shapes.map((shape, n) => ({
      ...caseOf(method, { shape, models: two, hasBase, seed: 20 + n }),
      name: `model.layers.${n}.mlp.up_proj.weight`,
    }));
    const whole = await mergeOnGpu(cases);
    for (const [batchBytes, resultBytes] of [
      [50_000, undefined],
      [2 ** 24, 20_000],
    ] as const) {
      const cut = await mergeOnGpu(cases, new GpuArithmetic(device, batchBytes, resultBytes));
      expect(cut.map(({ bytes }) => bytes)).toEqual(whole.map(({ bytes }) => bytes));
    }
  });
});
