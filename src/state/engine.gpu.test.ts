/**
 * The engine in a real browser on real WebGPU, from files to text: opening, refusing, weighing, blending in place,
 * talking, saving. The page's own tests drive the same through controls; here every number can be looked at.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { STORY } from '../chat/test/stories.ts';
import { Engine } from './engine.ts';
import { fixture, recipe, sibling, STORIES } from './test/family.ts';
import { asks, describeSpeaking, far, openFamily, replyOf, say } from './test/speaking.ts';

const NOTHING = () => undefined;
const BLEND = { kind: 'blend' } as const;

/** An engine over a device that can be looked at: every device that it opened, and the buffers that are there. */
function watchedEngine() {
  const devices: GPUDevice[] = [];
  const buffers = new Set<GPUBuffer>();
  const watch = (device: GPUDevice) => {
    devices.push(device);
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      const buffer = createBuffer(descriptor);
      buffers.add(buffer);
      const destroy = buffer.destroy.bind(buffer);
      buffer.destroy = () => {
        buffers.delete(buffer);
        destroy();
      };
      return buffer;
    };
    return device;
  };
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = await navigator.gpu.requestAdapter(options);
    if (!adapter) return null;
    return new Proxy(adapter, {
      get(target, key) {
        if (key === 'requestDevice') {
          return async (descriptor?: GPUDeviceDescriptor) => watch(await target.requestDevice(descriptor));
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const gpu = { requestAdapter } as unknown as GPU;
  const bytes = () => [...buffers].reduce((sum, buffer) => sum + buffer.size, 0);
  return { engine: new Engine({ gpu, startKernelWorkers: () => [] }), devices, bytes };
}

// One engine for all: a software adapter compiles some hundred kernels before the first token of each.
const { engine, devices, bytes } = watchedEngine();

const opened = async () => {
  const { place, budgetBytes } = await engine.start();
  expect(place).toBe('gpu');
  // SwiftShader's memory is the tab's own: with what saving takes beside it, a tab stays below one GiB.
  expect(budgetBytes + 2 ** 28).toBeLessThanOrEqual(2 ** 30);
  return engine;
};
describeSpeaking('an engine on WebGPU', opened, 12);

describe('the engine', () => {
  beforeAll(async () => {
    await openFamily(engine);
    await engine.add(await fixture('llama2xs-500it'));
  });

  it('refuses models that are not siblings before a weight is read, and names the tensors', async () => {
    const text = recipe('varm', STORIES, ['llama2xs-500it']);
    const { findings, plan } = await engine.check(text);
    expect(plan).toBeNull();
    const shape = findings.find((found) => found.code === 'shape');
    expect(shape?.severity).toBe('error');
    expect(shape?.message).toContain('model.layers.0.mlp');
    expect(shape?.tensorCount).toBe(15);
    await expect(engine.blend(text, NOTHING)).rejects.toMatchObject({ code: 'mismatch' });
  });

  it('rewrites only what changed', async () => {
    const onlyBase = recipe('linear', STORIES, [STORIES], 'out_dtype: float32');
    const first = await engine.blend(onlyBase, NOTHING);
    expect(first.rewritten).toBe(first.tensors);
    expect((await engine.blend(onlyBase, NOTHING)).rewritten).toBe(0);
    const second = await engine.blend(far(15), NOTHING);
    expect(second.rewritten).toBe(second.tensors);
  });

  it('gives the map of VaRM and rewrites only what a hand on it changes', async () => {
    const text = recipe('varm', STORIES, ['left', 'right']);
    const map = await engine.weigh(text, NOTHING);
    expect(map.models).toEqual(['left', 'right']);
    expect(map.rows).toHaveLength(7);
    for (const cell of map.cells) {
      expect(cell.weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      expect(cell.rmsChange?.every((x) => x > 0.004 && x < 0.008)).toBe(true);
    }
    const whole = await engine.blend(text, NOTHING);
    expect(whole.measureMs).toBe(0);
    const byHand = `${recipe('varm', STORIES, ['left', 'right'])}`.replace(
      '  - model: left',
      '  - model: left\n    parameters: {share: [{filter: model.layers.3.mlp., value: 1}]}',
    );
    const changed = await engine.blend(byHand, NOTHING);
    expect(changed.rewritten).toBe(3);
    const cell = (await engine.weigh(byHand, NOTHING)).cells.find((own) => own.filters[0] === 'model.layers.3.mlp.');
    expect(cell?.weights).toEqual([1, 0]);
    expect(cell?.isSet).toEqual([true, false]);
  });

  it('saves a zip with the shards, the recipe and a card', async () => {
    const text = recipe('varm', STORIES, ['left', 'right'], 'out_dtype: bfloat16');
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
    const text = recipe('varm', STORIES, ['right', 'left'], 'parameters: {granularity: row}');
    const blending = engine.blend(text, NOTHING);
    const outcome = expect(blending).rejects.toMatchObject({ code: 'cancelled' });
    await engine.cancel();
    await outcome;
    expect((await engine.blend(text, NOTHING)).nonFinite).toEqual([]);
  });

  it('puts files together that are picked one by one', async () => {
    const files = (await fixture(STORIES)).map(({ file }) => ({ path: file.name, file }));
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

  it('takes no more memory after a dozen chats', async () => {
    const left = { kind: 'checkpoint', name: 'left' } as const;
    const chat = async (n: number) => {
      await engine.blend(far(n % 4), NOTHING);
      const text = `Once upon a time there were ${10 + n} dogs`;
      for (const outcome of await engine.say([asks(BLEND, text, 3), asks(left, text, 3)], NOTHING)) replyOf(outcome);
    };
    const held: number[] = [];
    for (let n = 0; n < 8; n++) {
      await chat(n);
      held.push(bytes());
    }
    // Two that stay loaded take no more: not a cache (160 KiB and more), and of logits (2 KiB) at most one that waits.
    expect(Math.max(...held.slice(6)) - Math.max(...held.slice(3, 6))).toBeLessThanOrEqual(2 * 2048);
    const { budgetBytes } = await engine.start();
    // Little enough for the blend and one other: every chat loads its parent anew.
    await engine.setBudget(6 * 2 ** 20);
    for (let n = 8; n < 12; n++) {
      await engine.talkTo({ kind: 'recipe', label: 'other', text: far(100 + n) });
      await chat(n);
      held.push(bytes());
    }
    // Merging keeps up to one MiB of working buffers for the next merge.
    expect(Math.max(...held.slice(8))).toBeLessThanOrEqual((held[7] ?? 0) + 2 ** 20);
    await engine.remove('left');
    expect(bytes()).toBeLessThan(held.at(-1) ?? 0);
    await engine.setBudget(budgetBytes);
    await engine.add(await sibling(STORIES, 'left', 1));
  });

  it('holds the live blend in fewer bits where that is chosen', async () => {
    await engine.blend(far(0), NOTHING);
    const plain = await engine.talkTo(BLEND);
    expect(plain).toMatchObject({ precision: 'f32', provider: 'webgpu' });
    expect((await engine.setPrecision('q8')).precision).toBe('q8');
    expect((await engine.check(far(0))).plan?.chat).toMatchObject({ precision: 'q8' });
    const small = await engine.talkTo(BLEND);
    expect(small.precision).toBe('q8');
    expect(small.reason).toMatch(/8 bits, as you chose/);
    expect(small.weightBytes).toBeLessThan(plain.weightBytes / 2);
    const { text, blend } = await say(engine, BLEND, 'Once upon a time', 8);
    expect(STORY.startsWith(text)).toBe(true);
    // The same blend, held otherwise.
    const next = await engine.blend(far(0), NOTHING);
    expect(next).toMatchObject({ blend: (blend ?? 0) + 1, rewritten: 0 });
    await engine.setPrecision('auto');
    expect((await engine.check(far(0))).plan?.chat).toMatchObject({ precision: 'f32' });
  });

  it('goes on with a new device after the old one was lost', async () => {
    const text = far(1);
    await engine.blend(text, NOTHING);
    const replying = engine.say([asks(BLEND, 'Once upon a time', 400)], ({ phase }) => {
      if (phase === 'speaking') devices[0]?.destroy();
    });
    await devices[0]?.lost;
    const [outcome] = await replying;
    expect(outcome && 'fault' in outcome ? outcome.fault.code : 'reply').toBe('device');
    await new Promise((resolve) => setTimeout(resolve, 0));
    const [unmade] = await engine.say([asks(BLEND, 'Once upon a time', 4)], NOTHING);
    expect(unmade).toMatchObject({ fault: { code: 'missing' } });
    const again = await engine.blend(text, NOTHING);
    expect(again.rewritten).toBe(again.tensors);
    expect(devices).toHaveLength(2);
  });
});
