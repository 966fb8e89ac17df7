import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { describeArchitecture, linearsOf, requiredTensors } from './architecture.ts';
import { Session } from './session.ts';
import { CapturedStep } from './session-step.ts';
import { forward } from './test/forward.ts';
import { testDevice } from './test/gpu-weights.ts';
import { placeInForms, valuesOf } from './test/held-weights.ts';
import { randomWeights, TINY_FAMILIES, TINY_MODELS } from './test/tiny-models.ts';
import { formOf, type Precision } from './weight-forms.ts';

/** Labels of bindings: the names of our kernels. */
const KERNELS = /^(?:rows|columns)_/;

const CASES: readonly { readonly title: string; readonly precision: Precision; readonly kernels: readonly string[] }[] =
  [
    // With biases everywhere, and an embedding that is the output matrix too.
    { title: 'llama 3 rope', precision: 'f32', kernels: ['rows_f32'] },
    // Some of their matrices are no whole blocks, and stay in float32.
    { title: 'qwen2, grouped', precision: 'q8', kernels: ['rows_f32', 'rows_q8'] },
    { title: 'qwen2, grouped', precision: 'q4', kernels: ['rows_f32', 'rows_q4', 'rows_q8'] },
    // Matrices that lie the other way round.
    { title: 'gpt2', precision: 'f32', kernels: ['columns_f32', 'rows_f32'] },
    { title: 'gpt2', precision: 'q8', kernels: ['rows_q8'] },
  ];

describe('products of a step by kernels of our own', async () => {
  const device = await testDevice();
  afterAll(() => device.destroy());
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(CASES)('$title, $precision', async ({ title, precision, kernels }) => {
    const model = [...TINY_MODELS, ...TINY_FAMILIES].find((one) => one.title.startsWith(title));
    if (!model) throw new Error('there is no such model');
    const tensors = randomWeights(model, 3);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const forms = formOf(requiredTensors(architecture), precision);
    const placed = placeInForms(device, tensors, forms);
    const session = await Session.open(architecture, placed.weights, { logits: 'last' });
    const opened = vi.spyOn(CapturedStep, 'open');
    const bound = vi.spyOn(device, 'createBindGroup');
    const cache = session.newCache();

    const ids = [5, 22, 39];
    const rows: Float32Array[] = [];
    let unread: readonly number[] = ids;
    while (ids.length < 16) {
      const row = await session.run(unread, cache);
      rows.push(row);
      unread = [row.indexOf(Math.max(...row))];
      ids.push(...unread);
    }
    const step = await opened.mock.results[0]?.value;
    expect(step?.replaced).toContain('matrices');
    expect(step?.unproven).toBe(0);
    const labels = bound.mock.calls.map(([{ label = '' }]) => label).filter((label) => KERNELS.test(label));
    expect([...new Set(labels)].sort()).toEqual(kernels);
    expect(labels).toHaveLength(linearsOf(architecture).length);
    expect(session.path).toBe('captured');

    const truth = forward(model.config, valuesOf(tensors, forms), ids);
    rows.forEach((row, step) => {
      const wanted = truth[step + 2] ?? new Float64Array();
      const largest = Math.max(...wanted.map(Math.abs));
      row.forEach((logit, token) => {
        expect(Math.abs(logit - (wanted[token] ?? Number.NaN)), `step ${step}`).toBeLessThan(1e-5 * largest);
      });
      // The same token as the ordinary run of the whole text would choose.
      expect(ids[step + 3]).toBe(wanted.indexOf(Math.max(...wanted)));
    });
    expect(rows).toHaveLength(13);

    cache.dispose();
    await session.dispose();
    placed.free();
  });
});
