import { describe, expect, it } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { Session } from './session.ts';
import { describeAgreement } from './test/agreement.ts';
import { forward, type Tensors } from './test/forward.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

describe('a session on the CPU', () => {
  describeAgreement((tensors) => {
    const own = new Map([...tensors].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]));
    return {
      weights: { kind: 'cpu', tensors: own },
      edit: (name, data) => own.get(name)?.data.set(data),
      free: () => {},
    };
  });

  it.each(TINY_MODELS)('keeps a copy of weights until it is told that they changed: $title', async (model) => {
    const tensors = new Map([...randomWeights(model, 5)].map(([name, { data, shape }]) => [name, { data, shape }]));
    const architecture = describeArchitecture(model.config, tensors.keys());
    const session = await Session.open(architecture, { kind: 'cpu', tensors, isFixed: true }, { logits: 'last' });
    const ids = [3, 1, 4, 1, 5, 9, 2, 6];
    const check = async (values: Tensors) => {
      const cache = session.newCache();
      const got = await session.run(ids, cache);
      const truth = forward(model.config, values, ids)[7] ?? [];
      got.forEach((logit, token) => {
        expect(logit).toBeCloseTo(truth[token] ?? Number.NaN, 3);
      });
      cache.dispose();
    };
    const before = new Map([...tensors].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]));
    await check(before);
    tensors.get('model.layers.1.mlp.up_proj.weight')?.data.reverse();
    await check(before);
    session.weightsChanged();
    await check(tensors);
    await session.dispose();
  });

  it('says that it runs on the CPU and holds what its caches hold', async () => {
    const model = TINY_MODELS[0] as (typeof TINY_MODELS)[number];
    const tensors = randomWeights(model, 5);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const session = await Session.open(architecture, { kind: 'cpu', tensors }, { logits: 'last', capacityTokens: 64 });
    expect([session.path, session.provider, session.capacityTokens]).toEqual(['cpu', 'wasm', 64]);
    expect(session.reason).toMatch(/CPU/);
    const cache = session.newCache();
    await session.run([1, 2, 3], cache);
    expect(session.bytes).toBe(3 * session.kvBytesPerToken);
    await expect(session.run(new Array(62).fill(1), cache)).rejects.toThrow(/exceed 64 tokens/);
    cache.dispose();
    expect(session.bytes).toBe(0);
    await session.dispose();
  });
});
