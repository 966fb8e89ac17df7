import { afterAll, describe, expect, it } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { Session } from './session.ts';
import { forward } from './test/forward.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_FAMILIES } from './test/tiny-models.ts';

const TOLERANCE = 1e-5;

const prompt = (tokens: number) => Array.from({ length: tokens }, (_, i) => (i * 31 + 7) % 67);

function error(got: Float32Array, truth: Float64Array | undefined): number {
  if (truth === undefined || got.length !== truth.length) throw new Error('rows of different length');
  const scale = truth.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return truth.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (got[i] ?? Number.NaN))), 0) / scale;
}

describe('every family on the GPU', { timeout: 120_000 }, async () => {
  const device = await testDevice();
  afterAll(() => device.destroy());

  it.each(TINY_FAMILIES)('$title', async (model) => {
    const tensors = randomWeights(model, 5);
    const placed = placeOnGpu(device, tensors);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const session = await Session.open(architecture, placed.weights, { logits: 'last', chunkTokens: 37 });
    const ids = prompt(74);
    const truth = forward(model.config, tensors, ids);
    const cache = session.newCache();
    const worst: Record<string, number> = {};
    worst['prompt'] = error(await session.run(ids.slice(0, 70), cache), truth[69]);
    for (let token = 70; token < 74; token++) {
      worst[String(token)] = error(await session.run([ids[token] ?? 0], cache), truth[token]);
    }
    console.log(model.title, session.path, session.reason, Math.max(...Object.values(worst)));
    expect(Math.max(...Object.values(worst))).toBeLessThan(TOLERANCE);
    cache.dispose();
    await session.dispose();
    placed.free();
  });
});
