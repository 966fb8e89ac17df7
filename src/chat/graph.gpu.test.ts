import { afterAll, describe, expect, it } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { Session } from './session.ts';
import { forward } from './test/forward.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_FAMILIES } from './test/tiny-models.ts';

/** f32 sums over a few dozen terms against float64, relative to the largest logit. */
const TOLERANCE = 1e-5;

/** What the goldens of `architectures.gpu.test.ts` have no model for. */
const MODELS = TINY_FAMILIES.filter(({ title }) =>
  /heads of 12|^phi with norms|a norm for each head|^olmo,|^gpt_neo,|^opt,/.test(title),
);

function error(got: Float32Array, truth: Float64Array | undefined): number {
  if (truth === undefined || got.length !== truth.length) throw new Error('rows of different length');
  const scale = truth.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return truth.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (got[i] ?? Number.NaN))), 0) / scale;
}

describe('graphs on the GPU that no golden covers', { timeout: 120_000 }, async () => {
  const device = await testDevice();
  afterAll(() => device.destroy());

  it('are these', () => expect(MODELS).toHaveLength(6));

  it.each(MODELS)('$title', async (model) => {
    const tensors = randomWeights(model, 5);
    const placed = placeOnGpu(device, tensors);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const session = await Session.open(architecture, placed.weights, { logits: 'last', chunkTokens: 37 });
    const ids = Array.from({ length: 43 }, (_, i) => (i * 31 + 7) % 67);
    const truth = forward(model.config, tensors, ids);
    const cache = session.newCache();
    expect(error(await session.run(ids.slice(0, 40), cache), truth[39]), 'prompt').toBeLessThan(TOLERANCE);
    for (let token = 40; token < ids.length; token++) {
      const row = await session.run(ids.slice(token, token + 1), cache);
      expect(error(row, truth[token]), `token ${token}`).toBeLessThan(TOLERANCE);
    }
    cache.dispose();
    await session.dispose();
    placed.free();
  });
});
