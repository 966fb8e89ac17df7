import { describe, expect, it } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { Session } from './session.ts';
import { describeAgreement } from './test/agreement.ts';
import { forward } from './test/forward.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';

describe('a session on the CPU', { timeout: 60_000 }, () => {
  describeAgreement((tensors) => {
    const own = new Map([...tensors].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]));
    return {
      weights: { kind: 'cpu', tensors: own },
      edit: (name, data) => own.get(name)?.data.set(data),
      free: () => {},
    };
  });

  it.each(TINY_MODELS)('takes fixed weights as constants: $title', async (model) => {
    const tensors = randomWeights(model, 5);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const session = await Session.open(architecture, { kind: 'cpu', tensors, isFixed: true }, { logits: 'last' });
    const cache = session.newCache();
    const ids = [3, 1, 4, 1, 5, 9, 2, 6];
    const got = await session.run(ids, cache);
    const truth = forward(model.config, tensors, ids)[7] ?? [];
    got.forEach((logit, token) => {
      expect(logit).toBeCloseTo(truth[token] ?? Number.NaN, 3);
    });
    cache.dispose();
    await session.dispose();
  });
});
