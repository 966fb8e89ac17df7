/**
 * Live weights in every form: exactly the blocks of what a save would write, whatever the cuts and the method; written
 * again only where they change; counted to the byte, and given back.
 */

import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { bitsOf, heldMatrix, isTransposed, quantiseRows } from '../formats/block-quantised.ts';
import { decode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import { type Device, gpuHere, openDevice } from '../gpu/device.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import { GpuArithmetic } from './gpu-arithmetic.ts';
import type { Lineup } from './lineup.ts';
import type { FormOf, LiveForm, LiveTensor, LiveWeights } from './live-weights.ts';
import { checkpoint, family, valuesOf } from './test/checkpoints.ts';

/** Matrices of every kind: with whole blocks and without, large enough to be cut, and vectors. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [300, 64],
  'model.layers.0.self_attn.c_attn.weight': [256, 96],
  'model.layers.0.mlp.c_fc.weight': [64, 160],
  'model.layers.0.mlp.up_proj.weight': [70, 32],
  'model.layers.0.mlp.odd.weight': [32, 40],
  'model.layers.0.input_layernorm.weight': [64],
  'model.layers.1.mlp.up_proj.weight': [96, 512],
  'model.norm.weight': [64],
};

const FORMS: readonly LiveForm[] = ['f32', 'q8', 'q4', 'q8-transposed', 'q4-transposed'];
const BUDGET = 2 ** 28;

/** Everything that can be, transposed where GPT-2 has it so. */
const mixed =
  (bits: 'q8' | 'q4'): FormOf =>
  (name) =>
    name.includes('.c_') ? `${bits}-transposed` : bits;

let device: Device;
const places: GpuArithmetic[] = [];
const blends: Blend[] = [];
beforeAll(async () => {
  device = await openDevice(gpuHere());
});
afterEach(async () => {
  for (const blend of blends.splice(0)) await blend.dispose();
  for (const place of places.splice(0)) place.dispose();
});

function blendOver(
  formOf: FormOf,
  { batchBytes, budgetBytes = BUDGET }: { batchBytes?: number; budgetBytes?: number } = {},
) {
  const place = new GpuArithmetic(device, batchBytes);
  const blend = new Blend(place, { budgetBytes, keepsSources: true, formOf });
  places.push(place);
  blends.push(blend);
  return { blend, place };
}

function lineUp(text: string, checkpoints: readonly Checkpoint[]): Lineup {
  const { lineup, findings } = check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map((found) => found.message).join('; '));
  return lineup;
}

const linear = (second = 0.25, more = '') =>
  `merge_method: linear\nmodels:\n  - {model: base, parameters: {weight: 0.75}}\n  - {model: tune-1, parameters: {weight: ${second}}}\n${more}`;

/** What a save writes, in numbers, by tensor. */
async function savedOf(blend: Blend, lineup: Lineup): Promise<Map<string, Float32Array<ArrayBuffer>>> {
  const bytes = new Map<string, number[]>();
  for await (const piece of blend.pieces(lineup, false)) {
    bytes.set(piece.tensor, [...(bytes.get(piece.tensor) ?? []), ...piece.bytes]);
  }
  const dtypes = new Map<string, BlendedDtype>(lineup.tensors.map(({ name, out }) => [name, out]));
  return new Map(
    [...bytes].map(([name, own]) => [name, Float32Array.from(decode(Uint8Array.from(own), dtypes.get(name) ?? 'F32'))]),
  );
}

async function readBack(buffer: GPUBuffer): Promise<Uint8Array> {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = device.device.createBuffer({ size: buffer.size, usage });
  const encoder = device.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const out = new Uint8Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return out;
}

function turned(values: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(values, (_, i) => values[(i % columns) * rows + Math.floor(i / columns)] ?? 0);
}

/** That a tensor holds what these values are in its form, bit for bit. */
async function holds(name: string, tensor: LiveTensor | undefined, values: Float32Array<ArrayBuffer>): Promise<void> {
  if (tensor?.kind !== 'gpu') throw new Error(`${name} is not on the GPU`);
  const held = await readBack(tensor.buffer);
  if (tensor.form === 'f32') {
    expect(held, name).toEqual(new Uint8Array(values.buffer));
    return;
  }
  const { rows, columns } = heldMatrix(tensor.form, tensor.shape);
  const matrix = isTransposed(tensor.form) ? turned(values, rows, columns) : values;
  const wanted = quantiseRows(matrix, columns, bitsOf(tensor.form));
  expect(new Float32Array((await readBack(tensor.scales)).buffer), `scales of ${name}`).toEqual(wanted.scales);
  expect(held, `codes of ${name}`).toEqual(wanted.values);
}

async function allHold(live: LiveWeights | null, saved: ReadonlyMap<string, Float32Array<ArrayBuffer>>): Promise<void> {
  expect(live?.isWhole).toBe(true);
  for (const [name, values] of saved) await holds(name, live?.tensors.get(name), values);
}

describe('live weights in blocks', () => {
  it.each(FORMS)('hold what a save writes, in batches of any size: %s', async (form) => {
    const models = family(1, 'BF16', SHAPES);
    const lineup = lineUp(linear(), models);
    for (const batchBytes of [undefined, 16_000]) {
      const { blend, place } = blendOver(() => form, batchBytes === undefined ? {} : { batchBytes });
      await blend.blend(lineup);
      await allHold(blend.live, await savedOf(blend, lineup));
      const forms = [...(blend.live?.tensors ?? [])].filter(([, tensor]) => tensor.form === form).map(([name]) => name);
      if (form === 'q8') expect(forms).toEqual(['model.embed_tokens.weight', ...forms.slice(1)]);
      expect(forms.includes('model.layers.0.mlp.odd.weight')).toBe(form === 'f32');
      expect(forms.includes('model.norm.weight')).toBe(form === 'f32');
      expect(forms.length).toBeGreaterThan(form === 'f32' ? 7 : 2);
      expect(blend.live?.bytes).toBe(blend.plan(lineup).chatBytes);
      await blend.dispose();
      expect(place.usedBytes).toBe(0);
    }
  });

  it.each([
    ['ties', 'parameters: {density: 0.5}\n'],
    ['della', 'parameters: {density: 0.5, epsilon: 0.1}\n'],
    ['varm', 'parameters: {granularity: row}\n'],
    ['varm', 'parameters: {granularity: model}\n'],
  ])('whatever the method asks of the cuts: %s %s', async (method, parameters) => {
    const models = family(2, 'F16', SHAPES);
    const lineup = lineUp(
      `merge_method: ${method}\nbase_model: base\nmodels:\n  - {model: tune-1, parameters: {weight: 1}}\n  - {model: tune-2, parameters: {weight: 0.5}}\n${parameters}out_dtype: bfloat16\n`,
      models,
    );
    const { blend } = blendOver(mixed('q8'), { batchBytes: 50_000 });
    await blend.blend(lineup);
    await allHold(blend.live, await savedOf(blend, lineup));
  });

  it('write again only what a change concerns, in the same buffers', async () => {
    const models = family(1, 'BF16', SHAPES);
    const { blend } = blendOver(mixed('q8'), { batchBytes: 30_000 });
    const text = (weight: number) =>
      `merge_method: linear\nmodels:\n  - {model: base, parameters: {weight: 1}}\n  - model: tune-1\n    parameters:\n      weight:\n        - {filter: mlp, value: ${weight}}\n        - {value: 0.5}\n`;
    const before = lineUp(text(0.5), models);
    await blend.blend(before);
    const live = blend.live;
    const buffers = [...(live?.tensors.values() ?? [])];
    // Spoilt, so that what is not written again shows.
    const spoilt = live?.tensors.get('model.embed_tokens.weight');
    if (spoilt?.kind !== 'gpu') throw new Error('no live embedding');
    device.device.queue.writeBuffer(spoilt.buffer, 0, new Uint8Array(16).fill(7));

    const after = lineUp(text(0.8), models);
    const { rewritten } = await blend.blend(after);
    expect(rewritten).toBe(4);
    expect(blend.live).toBe(live);
    expect([...(live?.tensors.values() ?? [])]).toEqual(buffers);
    const saved = await savedOf(blend, after);
    expect((await readBack(spoilt.buffer)).slice(0, 16)).toEqual(new Uint8Array(16).fill(7));
    saved.delete('model.embed_tokens.weight');
    await allHold(live, saved);
    expect((await blend.blend(after)).rewritten).toBe(0);
  });

  it('are given up and made anew where a form changes, the chat being told before, and not where none does', async () => {
    const models = family(1, 'F32', SHAPES);
    const lineup = lineUp(linear(), models);
    const place = new GpuArithmetic(device);
    let gone = 0;
    const beforeLiveGoes = async () => void gone++;
    const blend = new Blend(place, { budgetBytes: BUDGET, keepsSources: true, formOf: mixed('q8'), beforeLiveGoes });
    places.push(place);
    blends.push(blend);
    await blend.blend(lineup);
    const read = models.map((model) => model.file.bytesRead);
    blend.formOf = mixed('q8');
    expect((await blend.blend(lineup)).rewritten).toBe(0);
    expect(gone).toBe(0);
    for (const form of ['q4', 'q8'] as const) {
      blend.formOf = mixed(form);
      const { rewritten, bytes } = await blend.blend(lineup);
      expect(rewritten).toBe(lineup.tensors.length);
      expect(bytes).toBe(blend.plan(lineup).chatBytes);
      await allHold(blend.live, await savedOf(blend, lineup));
    }
    expect(gone).toBe(2);
    // The sources stayed where they were.
    expect(models.map((model) => model.file.bytesRead)).toEqual(read);
  });

  it('keep a faulty element to itself, and it is counted', async () => {
    const shapes = { 'model.layers.0.mlp.up_proj.weight': [4, 64] };
    const values = valuesOf(shapes, 3);
    const own = values.get('model.layers.0.mlp.up_proj.weight') ?? new Float64Array();
    own[5] = Number.NaN;
    own[70] = Number.POSITIVE_INFINITY;
    const models = ['base', 'tune-1'].map((name) => checkpoint({ name, values, shapes }));
    const lineup = lineUp(linear(), models);
    const { blend } = blendOver(() => 'q8');
    const { nonFinite } = await blend.blend(lineup);
    expect([...nonFinite.values()]).toEqual([2]);
    await allHold(blend.live, await savedOf(blend, lineup));
  });

  it('are float32 on the CPU, whatever is wished for', async () => {
    const lineup = lineUp(linear(), family(1, 'F32', SHAPES));
    const blend = new Blend(new CpuArithmetic(), { budgetBytes: BUDGET, keepsSources: false, formOf: () => 'q4' });
    await blend.blend(lineup);
    expect([...(blend.live?.tensors.values() ?? [])].every(({ form }) => form === 'f32')).toBe(true);
    expect(blend.live?.bytes).toBe(blend.plan(lineup).chatBytes);
    await blend.dispose();
  });
});

describe('memory', () => {
  /** Buffers of the device as they come and go while `work` runs. */
  async function watched<T>(work: () => Promise<T>): Promise<{ peakBytes: number; leftBytes: number }> {
    const { device: own } = device;
    const create = own.createBuffer.bind(own);
    let bytes = 0;
    let peakBytes = 0;
    own.createBuffer = (descriptor) => {
      const buffer = create(descriptor);
      const destroy = buffer.destroy.bind(buffer);
      let isThere = true;
      bytes += buffer.size;
      peakBytes = Math.max(peakBytes, bytes);
      buffer.destroy = () => {
        if (isThere) bytes -= buffer.size;
        isThere = false;
        destroy();
      };
      return buffer;
    };
    try {
      await work();
    } finally {
      own.createBuffer = create;
    }
    return { peakBytes, leftBytes: bytes };
  }

  const LARGE = Object.fromEntries(
    ['q', 'k', 'v', 'up', 'down'].map((name) => [`model.layers.0.mlp.${name}.weight`, [512, 512]]),
  );

  /** Tensors of many sizes, as models have them; batches and buffers of many sizes. */
  const VARIED = Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [
      `model.layers.${n}.mlp.up_proj.weight`,
      [32 * (1 + ((n * 7) % 13)), 32 * (1 + ((n * 5) % 11))],
    ]),
  );
  const RECIPES = {
    'one source': 'merge_method: linear\nmodels:\n  - {model: tune-1, parameters: {weight: 1}}\n',
    'two sources': linear(),
    passes: `merge_method: ties\nbase_model: base\nmodels:\n  - {model: tune-1, parameters: {weight: 1}}\nparameters: {density: 0.5}\n`,
    'shared weights': `merge_method: varm\nbase_model: base\nmodels:\n  - {model: tune-1}\nparameters: {granularity: model}\n`,
    ranks: `merge_method: della\nbase_model: base\nmodels:\n  - {model: tune-1, parameters: {weight: 1}}\nparameters: {density: 0.5, epsilon: 0.1}\n`,
  };

  it.each([
    ...(['one source', 'two sources', 'passes', 'shared weights'] as const).flatMap((recipe) =>
      [2 ** 23, 2 ** 25].map((budgetBytes) => ({ form: 'q8' as const, recipe, budgetBytes })),
    ),
    { form: 'q8' as const, recipe: 'ranks' as const, budgetBytes: 2 ** 25 },
    { form: 'q8-transposed' as const, recipe: 'passes' as const, budgetBytes: 2 ** 23 },
    { form: 'q4' as const, recipe: 'two sources' as const, budgetBytes: 2 ** 23 },
    { form: 'f32' as const, recipe: 'shared weights' as const, budgetBytes: 2 ** 25 },
  ])(
    'stays within the plan, and is all given back: $form, $recipe, $budgetBytes',
    async ({ form, recipe, budgetBytes }) => {
      const shapes = budgetBytes === 2 ** 23 ? LARGE : VARIED;
      const lineup = lineUp(RECIPES[recipe], family(1, 'BF16', shapes));
      let plannedBytes = 0;
      const { peakBytes, leftBytes } = await watched(async () => {
        const { blend, place } = blendOver(() => form, { batchBytes: 2 ** 18, budgetBytes });
        const plan = blend.plan(lineup);
        plannedBytes = plan.liveBytes;
        expect(plannedBytes).toBeLessThanOrEqual(budgetBytes);
        await blend.blend(lineup);
        expect(blend.live?.bytes).toBe(plan.chatBytes);
        await blend.dispose();
        place.dispose();
      });
      expect(peakBytes).toBeLessThanOrEqual(plannedBytes);
      expect(leftBytes).toBe(0);
    },
  );

  it('counts what blocks take', () => {
    const lineup = lineUp(linear(), family(1, 'BF16', LARGE));
    const bytesOf = (form: LiveForm) => blendOver(() => form).blend.plan(lineup).chatBytes / (5 * 512 * 512);
    expect(FORMS.map(bytesOf)).toEqual([4, 1.125, 0.625, 1.125, 0.625]);
  });

  it('makes room for what would not fit in float32', () => {
    const lineup = lineUp(linear(), family(1, 'BF16', LARGE));
    const modeOf = (form: LiveForm) => blendOver(() => form, { budgetBytes: 4_500_000 }).blend.plan(lineup).mode;
    expect([modeOf('f32'), modeOf('q8')]).toEqual(['streaming', 'cached']);
  });

  it('several blends share a place: each has its own, and gives back its own alone', async () => {
    const models = family(1, 'BF16', SHAPES);
    const { leftBytes } = await watched(async () => {
      const place = new GpuArithmetic(device);
      const all = Array.from({ length: 4 }, (_, n) => {
        const formOf: FormOf = [mixed('q8'), mixed('q4'), () => 'f32' as const][n] ?? mixed('q8');
        const blend = new Blend(place, { budgetBytes: BUDGET, keepsSources: n === 0, formOf });
        return { blend, lineup: lineUp(linear(n / 4), models) };
      });
      for (const { blend, lineup } of all) await blend.blend(lineup);
      const buffers = all.flatMap(({ blend }) => [...(blend.live?.tensors.values() ?? [])]);
      expect(new Set(buffers.map((tensor) => (tensor.kind === 'gpu' ? tensor.buffer : null))).size).toBe(
        buffers.length,
      );
      for (const [n, { blend, lineup }] of all.entries()) {
        await allHold(blend.live, await savedOf(blend, lineup));
        expect(blend.live?.bytes).toBe(blend.plan(lineup).chatBytes);
        await blend.dispose();
        expect(blend.live).toBeNull();
        const next = all[n + 1];
        if (next) await allHold(next.blend.live, await savedOf(next.blend, next.lineup));
      }
      place.dispose();
    });
    expect(leftBytes).toBe(0);
  });
});
