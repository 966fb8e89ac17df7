import { describe, expect, it } from 'vitest';
import { DeviceFault } from '../bytes/fault.ts';
import { describeArchitecture } from './architecture.ts';
import { chunkTokens, Session } from './session.ts';
import { describeAgreement } from './test/agreement.ts';
import { forward } from './test/forward.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

describe('a session on the GPU', { timeout: 120_000 }, async () => {
  const device = await testDevice();
  describeAgreement((tensors) => placeOnGpu(device, tensors));

  const [model] = TINY_MODELS;
  if (!model) throw new Error('no models');
  const tensors = randomWeights(model, 3);
  const architecture = describeArchitecture(model.config, tensors.keys());

  it('is right for long prompts on a device whose subgroups are too small for one run', async () => {
    const other = await testDevice(['subgroups']);
    const isSmall = other.features.has('subgroups') && other.adapterInfo.subgroupMinSize < 8;
    expect(chunkTokens(other)).toBe(isSmall ? 31 : 256);
    const placed = placeOnGpu(other, tensors);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const cache = session.newCache();
    const ids = Array.from({ length: 90 }, (_, i) => (i * 17) % 67);
    const got = await session.run(ids, cache);
    const truth = forward(model.config, tensors, ids)[89] ?? [];
    got.forEach((logit, token) => {
      expect(logit).toBeCloseTo(truth[token] ?? Number.NaN, 3);
    });
    cache.dispose();
    await session.dispose();
    placed.free();
    other.destroy();
  });

  it('agrees with the CPU far into a context, where other attention kernels take over', async () => {
    const shape = TINY_MODELS[3] ?? model;
    const wide = { ...shape, config: { ...shape.config, max_position_embeddings: 1024, num_hidden_layers: 1 } };
    const values = randomWeights(wide, 3);
    const one = describeArchitecture(wide.config, values.keys());
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

  it('leaves nothing on the GPU that grows with the number of runs', async () => {
    const placed = placeOnGpu(device, tensors);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const live = countLiveBuffers(device);
    const reply = async () => {
      const cache = session.newCache();
      await session.run([1, 2, 3, 4, 5], cache);
      for (let token = 0; token < 10; token++) await session.run([token], cache);
      cache.dispose();
    };
    await reply();
    const afterOne = live.bytes();
    for (let round = 0; round < 4; round++) await reply();
    expect(live.bytes()).toBeLessThanOrEqual(afterOne);
    live.stop();
    await session.dispose();
    placed.free();
  });

  it('says that the device is lost, and works again on a new one', async () => {
    const other = await testDevice();
    const placed = placeOnGpu(other, tensors);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const cache = session.newCache();
    await session.run([1, 2], cache);
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
