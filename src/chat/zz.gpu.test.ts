import { expect, it } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { Session } from './session.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_MODELS } from './test/tiny-models.ts';
import { forward } from './test/forward.ts';
const err = (a: any, b: any) => { let w = 0, m = 0; for (let i = 0; i < a.length; i++) { w = Math.max(w, Math.abs(a[i] - b[i])); m = Math.max(m, Math.abs(b[i])); } return w / m; };
it('subgroups', async () => {
  const d = await testDevice(['subgroups']);
  const model = TINY_MODELS[0]!; const tensors = randomWeights(model, 3);
  const arch = describeArchitecture(model.config, tensors.keys());
  const p = placeOnGpu(d, tensors); const ids = Array.from({ length: 90 }, (_, i) => (i * 17) % 67);
  const truth = forward(model.config, tensors, ids)[89];
  for (const chunkTokens of [31, 256]) { const s = await Session.open(arch, p.weights, { logits: 'last', chunkTokens }); const c = s.newCache(); console.log('subgroups chunk', chunkTokens, d.adapterInfo.subgroupMinSize, err(await s.run(ids, c), truth)); c.dispose(); await s.dispose(); }
}, 100000);
it('long', async () => {
  const d = await testDevice();
  for (const which of [0, 3, 4]) {
  const base = TINY_MODELS[which]!; const model = { ...base, config: { ...base.config, max_position_embeddings: 4096, num_hidden_layers: 1 } };
  const tensors = randomWeights(model, 3); const arch = describeArchitecture(model.config, tensors.keys());
  const p = placeOnGpu(d, tensors);
  const g = await Session.open(arch, p.weights, { logits: 'last' }); const w = await Session.open(arch, { kind: 'cpu', tensors, isFixed: true }, { logits: 'last' });
  const ids = Array.from({ length: 4096 }, (_, i) => (i * 17 + (i >> 3)) % 67);
  const cg = g.newCache(), cw = w.newCache(); let at = 0;
  for (const to of [300, 301, 302, 700, 701, 1300, 1301, 2600, 2601, 4090, 4091, 4096]) { const t0 = performance.now(); const a = await g.run(ids.slice(at, to), cg); const t1 = performance.now(); const b = await w.run(ids.slice(at, to), cw); console.log(which, to, err(a, b), (t1-t0).toFixed(0), (performance.now()-t1).toFixed(0)); at = to; }
  cg.dispose(); cw.dispose(); await g.dispose(); await w.dispose(); p.free();
  }
  expect(1).toBe(1);
}, 300000);
