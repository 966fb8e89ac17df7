/**
 * The engine in a real browser on real WebGPU, from files to text: opening, refusing, weighing, blending in place,
 * talking, saving. The page's own tests drive the same through controls; here every number can be looked at.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { decode, encode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import { readHeader } from '../formats/safetensors.ts';
import { planShards } from '../formats/safetensors-writer.ts';
import { Engine } from './engine.ts';

const FOLDERS = ['stories260K-llama', 'llama2xs-500it'] as const;
const FILES = ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
const GREEDY =
  ', there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it,';

const NOTHING = () => undefined;

async function fixture(folder: string): Promise<{ path: string; file: File }[]> {
  return Promise.all(
    FILES.map(async (name) => {
      const response = await fetch(`/e2e/fixtures/models/${folder}/${name}`);
      if (!response.ok) throw new Error(`${folder}/${name} is not there`);
      return { path: `${folder}/${name}`, file: new File([await response.arrayBuffer()], name) };
    }),
  );
}

/** A sibling of a fixture: the same files with every weight moved a little. */
async function sibling(
  folder: string,
  name: string,
  seed: number,
  dtype: BlendedDtype,
): Promise<{ path: string; file: File }[]> {
  const files = await fixture(folder);
  const out: { path: string; file: File }[] = [];
  for (const { file } of files) {
    const path = `${name}/${file.name}`;
    if (file.name !== 'model.safetensors') {
      out.push({ path, file });
      continue;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { tensors } = await readHeader(memoryBytes(path, bytes));
    let state = seed;
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (const tensor of tensors) {
      const values = decode(bytes.subarray(tensor.start, tensor.end), tensor.dtype as BlendedDtype);
      for (let i = 0; i < values.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        values[i] = (values[i] ?? 0) + (state / 2 ** 31) * 0.01;
      }
      parts.push(encode(values, dtype));
    }
    const { shards } = planShards(tensors.map(({ name: tensor, shape }) => ({ name: tensor, shape, dtype })));
    const [shard] = shards;
    if (!shard) throw new Error('no shard');
    out.push({ path, file: new File([shard.header, ...parts], file.name) });
  }
  return out;
}

function recipe(method: string, base: string, models: readonly string[], more = ''): string {
  return [
    `merge_method: ${method}`,
    `base_model: ${base}`,
    'models:',
    ...models.map((m) => `  - model: ${m}`),
    more,
  ].join('\n');
}

// A software adapter compiles some fifty kernels before the first token.
describe('the engine', { timeout: 120_000 }, () => {
  const engine = new Engine();
  beforeAll(async () => {
    const { place, budgetBytes } = await engine.start();
    expect(place).toBe('gpu');
    // SwiftShader's memory is the tab's own: with what saving takes beside it, a tab stays below one GiB.
    expect(budgetBytes + 2 ** 28).toBeLessThanOrEqual(2 ** 30);
    for (const folder of FOLDERS) await engine.add(await fixture(folder));
    await engine.add(await sibling('stories260K-llama', 'left', 1, 'F32'));
    await engine.add(await sibling('stories260K-llama', 'right', 2, 'BF16'));
  });

  const say = async (speaker: Parameters<Engine['talkTo']>[0], text: string, maxNewTokens: number) => {
    const pieces: string[] = [];
    const reply = await engine.say(
      {
        speaker,
        messages: [{ role: 'user', content: text }],
        mode: 'continue',
        maxNewTokens,
        temperature: 0,
        topK: 0,
        seed: 1,
      },
      (soFar) => pieces.push(soFar),
    );
    expect(pieces.at(-1) ?? '').toBe(reply.text);
    return reply;
  };

  it('talks to a checkpoint that is open, greedily, as published', async () => {
    const info = await engine.talkTo({ kind: 'checkpoint', name: 'stories260K-llama' });
    expect(info.provider).toBe('webgpu');
    const reply = await say({ kind: 'checkpoint', name: 'stories260K-llama' }, 'Once upon a time', 56);
    expect(reply.text.startsWith(GREEDY)).toBe(true);
    expect(reply.blend).toBeNull();
  });

  it('refuses models that are not siblings before a weight is read, and names the tensors', async () => {
    const text = recipe('varm', 'stories260K-llama', ['llama2xs-500it']);
    const { findings, plan } = await engine.check(text);
    expect(plan).toBeNull();
    const shape = findings.find((found) => found.code === 'shape');
    expect(shape?.severity).toBe('error');
    expect(shape?.message).toContain('model.layers.0.mlp');
    expect(shape?.tensorCount).toBe(15);
    await expect(engine.blend(text, NOTHING)).rejects.toMatchObject({ code: 'mismatch' });
  });

  it('weighs, blends in place and answers from the new weights without a reload', async () => {
    const far = recipe(
      'task_arithmetic',
      'stories260K-llama',
      ['left'],
      'parameters: {lambda: 15}\nout_dtype: float32',
    );
    const onlyBase = recipe('linear', 'stories260K-llama', ['stories260K-llama'], 'out_dtype: float32');
    const first = await engine.blend(onlyBase, NOTHING);
    expect(first.rewritten).toBe(first.tensors);
    const asBase = await say({ kind: 'blend' }, 'Once upon a time', 16);
    expect(GREEDY.startsWith(asBase.text)).toBe(true);
    const again = await engine.blend(onlyBase, NOTHING);
    expect(again.rewritten).toBe(0);
    const second = await engine.blend(far, NOTHING);
    expect(second.rewritten).toBe(second.tensors);
    const reply = await say({ kind: 'blend' }, 'Once upon a time', 16);
    expect(reply.blend).toBe(second.blend);
    expect(reply.text).not.toBe(asBase.text);
    await engine.blend(onlyBase, NOTHING);
    expect((await say({ kind: 'blend' }, 'Once upon a time', 16)).text).toBe(asBase.text);
  });

  it('gives the map of VaRM and rewrites only what a hand on it changes', async () => {
    const text = recipe('varm', 'stories260K-llama', ['left', 'right']);
    const map = await engine.weigh(text, NOTHING);
    expect(map.models).toEqual(['left', 'right']);
    expect(map.rows).toHaveLength(7);
    for (const cell of map.cells) {
      expect(cell.weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      expect(cell.rmsChange?.every((x) => x > 0.004 && x < 0.008)).toBe(true);
    }
    const whole = await engine.blend(text, NOTHING);
    expect(whole.measureMs).toBe(0);
    const byHand = `${recipe('varm', 'stories260K-llama', ['left', 'right'])}`.replace(
      '  - model: left',
      '  - model: left\n    parameters: {share: [{filter: model.layers.3.mlp., value: 1}]}',
    );
    const changed = await engine.blend(byHand, NOTHING);
    expect(changed.rewritten).toBe(3);
    const cell = (await engine.weigh(byHand, NOTHING)).cells.find((own) => own.filter === 'model.layers.3.mlp.');
    expect(cell?.weights).toEqual([1, 0]);
    expect(cell?.isSet).toEqual([true, false]);
  });

  it('saves a zip with the shards, the recipe and a card', async () => {
    const text = recipe('varm', 'stories260K-llama', ['left', 'right'], 'out_dtype: bfloat16');
    const report = await engine.save(text, { name: 'mine', target: { kind: 'zip' }, maxShardBytes: 300_000 }, NOTHING);
    const names = report.files.map((file) => file.name);
    expect(names).toContain('model-00001-of-00002.safetensors');
    expect(names).toEqual(
      expect.arrayContaining([
        'model.safetensors.index.json',
        'config.json',
        'tokenizer.json',
        'fusewright.yml',
        'README.md',
      ]),
    );
    expect(report.audit).toMatchObject({ verdict: 'passed', findings: [] });
    // A graphics card saves what it merges; one that is played in software leaves it to the CPU's kernels.
    const { reason } = await engine.start();
    expect(report.place).toBe(/software adapter/.test(reason) ? 'cpu' : 'gpu');
    expect(report.archive?.size).toBeGreaterThan(report.bytes);
  });

  it('stops at once, leaves nothing behind and goes on afterwards', async () => {
    const text = recipe('varm', 'stories260K-llama', ['right', 'left'], 'parameters: {granularity: row}');
    const blending = engine.blend(text, NOTHING);
    const outcome = expect(blending).rejects.toMatchObject({ code: 'cancelled' });
    await engine.cancel();
    await outcome;
    expect((await engine.blend(text, NOTHING)).nonFinite).toEqual([]);
  });

  it('puts files together that are picked one by one', async () => {
    const files = (await fixture('stories260K-llama')).map(({ file }) => ({ path: file.name, file }));
    const [config, ...rest] = files;
    const weights = rest.filter(({ path }) => path.endsWith('.safetensors'));
    const side = rest.filter(({ path }) => !path.endsWith('.safetensors'));
    if (!config) throw new Error('no config');
    const first = await engine.add(weights);
    expect(first.added).toMatchObject([{ name: 'model', hasTokenizer: false }]);
    await engine.add([config]);
    const whole = await engine.add(side);
    expect(whole.faults).toEqual([]);
    expect(whole.added).toMatchObject([{ name: 'model', hasTokenizer: true, modelType: 'llama', chatObstacle: null }]);
    await engine.remove('model');
  });

  it('goes on with a new device after the old one was lost', async () => {
    const devices: GPUDevice[] = [];
    const adapterOf = async (options?: GPURequestAdapterOptions) => {
      const adapter = await navigator.gpu.requestAdapter(options);
      if (!adapter) return null;
      return new Proxy(adapter, {
        get(target, key) {
          if (key === 'requestDevice') {
            return async (descriptor?: GPUDeviceDescriptor) => {
              const device = await target.requestDevice(descriptor);
              devices.push(device);
              return device;
            };
          }
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
    const gpu = { requestAdapter: adapterOf } as unknown as GPU;
    const own = new Engine({ gpu, startKernelWorkers: () => [] });
    await own.start();
    await own.add(await fixture('stories260K-llama'));
    await own.add(await sibling('stories260K-llama', 'left', 1, 'F32'));
    const text = recipe('varm', 'stories260K-llama', ['left']);
    await own.blend(text, NOTHING);
    devices[0]?.destroy();
    await devices[0]?.lost;
    await new Promise((resolve) => setTimeout(resolve, 0));
    const again = await own.blend(text, NOTHING);
    expect(again.rewritten).toBe(again.tensors);
    expect(devices).toHaveLength(2);
  });

  it('stops a reply when its weights are about to change', async () => {
    const replying = say({ kind: 'blend' }, 'Once upon a time', 400);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await engine.blend(recipe('linear', 'stories260K-llama', ['left'], 'out_dtype: float32'), NOTHING);
    expect((await replying).stoppedBy).toBe('user');
  });
});
