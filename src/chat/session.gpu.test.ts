import { afterAll, describe, expect, it, vi } from 'vitest';
import { DeviceFault } from '../bytes/fault.ts';
import { describeArchitecture } from './architecture.ts';
import { Session } from './session.ts';
import { CapturedStep } from './session-step.ts';
import { describeAgreement } from './test/agreement.ts';
import { forward } from './test/forward.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

describe('a session on the GPU', async () => {
  const device = await testDevice();
  afterAll(() => device.destroy());

  const [model] = TINY_MODELS;
  const wide = TINY_MODELS.find(({ title }) => title.includes('heads of 64'));
  if (!model || !wide) throw new Error('no models');
  // Each further number and size of heads is compiled for half a minute in software; `architectures.gpu.test.ts` has more.
  describeAgreement((tensors) => placeOnGpu(device, tensors), [model, wide]);

  const tensors = randomWeights(model, 3);
  const architecture = describeArchitecture(model.config, tensors.keys());

  it('agrees with the CPU far into a context, where other attention kernels take over', async () => {
    const long = { ...model, config: { ...model.config, max_position_embeddings: 1024, num_hidden_layers: 1 } };
    const values = randomWeights(long, 3);
    const one = describeArchitecture(long.config, values.keys());
    const placed = placeOnGpu(device, values);
    const sessions = [
      await Session.open(one, placed.weights, { logits: 'last' }),
      await Session.open(one, { kind: 'cpu', tensors: values }, { logits: 'last' }),
    ];
    const ids = Array.from({ length: 703 }, (_, i) => (i * 17 + (i >> 3)) % 67);
    const [onGpu = [], onCpu = []] = await Promise.all(
      sessions.map(async (session) => {
        const cache = session.newCache();
        const rows: Float32Array[] = [];
        for (const [start, end] of [
          [0, 300],
          [300, 301],
          [301, 302],
          [302, 702],
          [702, 703],
        ]) {
          rows.push(await session.run(ids.slice(start, end), cache));
        }
        cache.dispose();
        await session.dispose();
        return rows;
      }),
    );
    onGpu.forEach((row, step) => {
      row.forEach((logit, token) => {
        expect(logit, `step ${step}`).toBeCloseTo(onCpu[step]?.[token] ?? Number.NaN, 4);
      });
    });
    expect(onGpu).toHaveLength(5);
    placed.free();
  });

  it('replays recorded commands, which see an edit of a weight at the next token', async () => {
    const edited = new Map(tensors);
    const placed = placeOnGpu(device, edited);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const cache = session.newCache();
    const ids = Array.from({ length: 12 }, (_, i) => (i * 17) % 67);
    await session.run(ids.slice(0, 6), cache);
    const submits = vi.spyOn(device, 'createBindGroup');
    for (const id of ids.slice(6)) await session.run([id], cache);
    submits.mockClear();
    await session.run([1], cache);
    // Commands made anew would bind their buffers anew.
    expect(submits).not.toHaveBeenCalled();
    submits.mockRestore();
    expect(session.path).toBe('captured');

    const name = 'model.layers.1.mlp.up_proj.weight';
    const data = tensors.get(name)?.data.map((value) => -value) ?? new Float32Array();
    edited.set(name, { data, shape: tensors.get(name)?.shape ?? [] });
    placed.edit(name, data);
    // All at once, so that only the last token is run by the steps.
    cache.rewind(0);
    await session.run(ids.slice(0, 11), cache);
    expectClose(await session.run(ids.slice(11), cache), forward(model.config, edited, ids)[11]);
    cache.dispose();
    await session.dispose();
    placed.free();
  });

  it('grows its buffers in steps and records anew there', async () => {
    const unbounded = { ...model, config: { ...model.config, max_position_embeddings: 2 ** 18 } };
    const values = randomWeights(unbounded, 3);
    const placed = placeOnGpu(device, values);
    const long = describeArchitecture(unbounded.config, values.keys());
    const session = await Session.open(long, placed.weights, {
      logits: 'last',
      capacityTokens: 2 ** 18,
    });
    const ids = Array.from({ length: 516 }, (_, i) => (i * 17 + (i >> 3)) % 67);
    const truth = forward(unbounded.config, values, ids);
    const cache = session.newCache();
    const bytes = () => session.bytes - 512;
    await session.run(ids.slice(0, 380), cache);
    expect(session.kvBytesPerToken).toBe(4 * long.keyValueHeads * long.headSize * 4);
    expect(bytes()).toBe(512 * session.kvBytesPerToken);
    expectClose(await session.run(ids.slice(380, 509), cache), truth[508]);
    for (let token = 509; token < 516; token++) {
      expectClose(await session.run(ids.slice(token, token + 1), cache), truth[token]);
      expect(bytes()).toBe((token < 512 ? 512 : 1024) * session.kvBytesPerToken);
    }
    expect(session.path).toBe('captured');
    cache.dispose();
    await session.dispose();
    expect(session.bytes).toBe(0);
    placed.free();
  });

  it('goes on with recorded commands where a text leaves the window', async () => {
    const narrow = { ...model, config: { ...model.config, model_type: 'mistral', sliding_window: 16 } };
    const values = randomWeights(narrow, 3);
    const placed = placeOnGpu(device, values);
    const windowed = describeArchitecture(narrow.config, values.keys());
    const session = await Session.open(windowed, placed.weights, { logits: 'last' });
    const ids = Array.from({ length: 22 }, (_, i) => (i * 17) % 67);
    const truth = forward(narrow.config, values, ids);
    const cache = session.newCache();
    await session.run(ids.slice(0, 12), cache);
    for (let token = 12; token < 22; token++) {
      expectClose(await session.run(ids.slice(token, token + 1), cache), truth[token]);
    }
    expect(session.path).toBe('captured');
    expect(session.reason).toBe('Each token replays recorded commands.');
    cache.dispose();
    await session.dispose();
    placed.free();
  });

  it('notices replayed commands that give other numbers, and reads the text again without them', async () => {
    const placed = placeOnGpu(device, tensors);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const cache = session.newCache();
    const ids = Array.from({ length: 12 }, (_, i) => (i * 17) % 67);
    const truth = forward(model.config, tensors, ids);
    await session.run(ids.slice(0, 8), cache);
    const run = vi.spyOn(CapturedStep.prototype, 'run');
    const real = run.getMockImplementation();
    expectClose(await session.run(ids.slice(8, 9), cache), truth[8]);
    // From now on over the first token's keys and values.
    run.mockImplementation(async function (this: CapturedStep, numbers) {
      run.mockRestore();
      await this.run({ ...numbers, last_position: 0, total_tokens: 1 });
    });
    expectClose(await session.run(ids.slice(9, 10), cache), truth[9]);
    expect(real).toBeUndefined();
    expect(session.path).toBe('direct');
    expect(session.reason).toMatch(/other numbers/);
    expectClose(await session.run(ids.slice(10), cache), truth[11]);
    expect(cache.ids).toEqual(ids);
    cache.dispose();
    await session.dispose();
    placed.free();
  });

  it('leaves nothing on the GPU that grows with the number of chats', async () => {
    const live = countLiveBuffers(device);
    const placed = placeOnGpu(device, tensors);
    const open = () => Session.open(architecture, placed.weights, { logits: 'last' });
    let session = await open();
    const chat = async () => {
      const caches = [session.newCache(), session.newCache()];
      for (const cache of caches) await session.run([1, 2, 3, 4, 5], cache);
      for (let token = 0; token < 4; token++) await session.run([token], caches[token % 2] ?? session.newCache());
      for (const cache of caches) cache.dispose();
      caches[0]?.dispose();
    };
    // What is freed is lent again only after the next run, so the second and third chat may still take more.
    for (let round = 0; round < 4; round++) await chat();
    const after = live.bytes();
    for (let round = 0; round < 20; round++) await chat();
    expect(live.bytes()).toBeLessThanOrEqual(after);
    for (let round = 0; round < 4; round++) {
      await session.dispose();
      session = await open();
      await chat();
    }
    expect(live.bytes()).toBeLessThanOrEqual(after);
    // While other sessions are open, onnxruntime keeps some of what a session had for the next one, and no more for
    // each further one. (`self-check.gpu.test.ts`: nothing is left where it was the only one.)
    await session.dispose();
    const rest = live.bytes();
    for (let round = 0; round < 2; round++) {
      session = await open();
      await chat();
      await session.dispose();
    }
    expect(live.bytes()).toBeLessThanOrEqual(rest);
    expect(rest).toBeLessThan(after);
    placed.free();
    live.stop();
  });

  it('says that the device is lost, and works again on a new one', async () => {
    const other = await testDevice();
    const placed = placeOnGpu(other, tensors);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const cache = session.newCache();
    other.destroy();
    await other.lost;
    await expect(session.run([3], cache)).rejects.toBeInstanceOf(DeviceFault);
    cache.dispose();
    await session.dispose();

    const again = placeOnGpu(device, tensors);
    const next = await Session.open(architecture, again.weights, { logits: 'last' });
    const fresh = next.newCache();
    expect(await next.run([1, 2], fresh)).toHaveLength(67);
    fresh.dispose();
    await next.dispose();
    again.free();
  });
});

/** Logits are those of the oracle. */
function expectClose(got: Float32Array, truth: Float64Array | undefined): void {
  expect(got.length).toBe(truth?.length);
  got.forEach((logit, token) => {
    expect(logit).toBeCloseTo(truth?.[token] ?? Number.NaN, 3);
  });
}

/** Counts the bytes of buffers that are made and not destroyed from now on. */
function countLiveBuffers(device: GPUDevice) {
  let live = 0;
  const create = device.createBuffer;
  device.createBuffer = (descriptor) => {
    const buffer = create.call(device, descriptor);
    live += buffer.size;
    const destroy = buffer.destroy.bind(buffer);
    let isLive = true;
    buffer.destroy = () => {
      if (isLive) live -= buffer.size;
      isLive = false;
      destroy();
      return undefined;
    };
    return buffer;
  };
  return {
    bytes: () => live,
    stop: () => {
      device.createBuffer = create;
    },
  };
}
