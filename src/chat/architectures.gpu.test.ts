import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type Architecture, describeArchitecture, requiredTensors } from './architecture.ts';
import { Session, type SessionOptions } from './session.ts';
import { CapturedStep } from './session-step.ts';
import { GOLDENS, type Golden, goldenWeights } from './test/golden.ts';
import { expectRows, expectSaid, rowError, TOLERANCE, textOf } from './test/golden-agreement.ts';
import { forward } from './test/forward.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';
import { placeInForms, valuesOf } from './test/held-weights.ts';
import { randomWeights, TINY_FAMILIES } from './test/tiny-models.ts';
import { formOf, type Precision } from './weight-forms.ts';

/**
 * A software adapter compiles for seconds what it runs in milliseconds, and compiles anew for each number and size of
 * heads. So each kind of model has one session here, most with heads that others have; the CPU's suite has all goldens, with
 * the same graphs.
 */
const SHAPES: readonly string[] = [
  'llama-llama3',
  // Heads of 24 are rotated outside the attention operator.
  'llama-24',
  'mistral-window',
  'qwen2-sliding',
  'qwen3',
  'gemma',
  'gemma2',
  'gemma3-linear',
  'phi3-longrope',
  'phi',
  'gpt2',
  'openai-gpt',
  'gpt-neox-sequential',
  'smollm3',
  'olmo2',
  'granite',
  'stablelm-parallel',
];

/** What no golden has: norms of queries and keys that no operator does itself, norms without weights. */
const MORE = TINY_FAMILIES.filter(({ title }) => /^phi with norms|a norm for each head|^olmo,/.test(title));

/** Tokens after the prompt of 40: beyond windows of 16 and 64, and beyond the step of longrope at 64. */
const SAID = 26;

describe('on the GPU, without the CPU', async () => {
  const device = await testDevice();
  const open = new Set<{ session: Session; free: () => void }>();
  // Not one after another: as long as any session is open, the next one finds the kernels that they share.
  afterAll(async () => {
    for (const { session, free } of open) {
      await session.dispose();
      free();
    }
    device.destroy();
  });

  afterEach(() => vi.restoreAllMocks());
  const lastStep = (run: { readonly mock: { readonly contexts: readonly unknown[] } }) =>
    run.mock.contexts.at(-1) as CapturedStep | undefined;

  /** Opens a session until all are closed, and hands it over. */
  const using = async <T>(
    golden: Golden,
    options: SessionOptions,
    precision: Precision,
    use: (session: Session, architecture: Architecture) => Promise<T>,
  ): Promise<T> => {
    const { tensors, names } = await goldenWeights(golden);
    const architecture = describeArchitecture(golden.config, names);
    const forms = formOf(requiredTensors(architecture), precision);
    const placed = placeInForms(device, tensors, forms);
    const session = await Session.open(architecture, placed.weights, options);
    open.add({ session, free: placed.free });
    return use(session, architecture);
  };
  const named = (name: string): Golden => {
    const golden = GOLDENS.find((one) => one.name === name);
    if (!golden) throw new Error(name);
    return golden;
  };

  it.each(SHAPES)('%s says what transformers says', async (name) => {
    const golden = named(name);
    const run = vi.spyOn(CapturedStep.prototype, 'run');
    await using(golden, { logits: 'last' }, 'f32', async (session, { cacheKind }) => {
      await expectSaid(session, golden, 200, { cut: 0, said: 0 });
      await expectSaid(session, golden, 40, { cut: 0, said: SAID });
      // Asked last: a step that failed its proof would have turned the path by now, or lost what is our own in it.
      expect(session.path).toBe(cacheKind === 'static' ? 'captured' : 'direct');
      if (cacheKind === 'static') expect(lastStep(run)?.replaced).toContain('attention');
    });
  });

  it('runs three models that no golden is like', () => expect(MORE).toHaveLength(3));

  it.each(MORE)('$title gives the logits of the oracle', async (model) => {
    const tensors = randomWeights(model, 5);
    const placed = placeOnGpu(device, tensors);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const session = await Session.open(architecture, placed.weights, { logits: 'last', chunkTokens: 37 });
    open.add({ session, free: placed.free });
    const ids = Array.from({ length: 43 }, (_, i) => (i * 31 + 7) % 67);
    const truth = forward(model.config, tensors, ids);
    const cache = session.newCache();
    expect(rowError(await session.run(ids.slice(0, 40), cache), truth[39] ?? []), 'prompt').toBeLessThan(TOLERANCE);
    for (let token = 40; token < ids.length; token++) {
      const row = await session.run(ids.slice(token, token + 1), cache);
      expect(rowError(row, truth[token] ?? []), `token ${token}`).toBeLessThan(TOLERANCE);
    }
    cache.dispose();
  });

  // Biases, packed and transposed matrices, a tied embedding that is gathered and multiplied with.
  it.each([
    { name: 'qwen2', precision: 'q8' },
    { name: 'phi3-partial', precision: 'q4' },
    { name: 'gpt2', precision: 'q4' },
    { name: 'gpt-neox-sequential', precision: 'q8' },
  ] as const)('$name in $precision computes with the values that the codes stand for', async ({ name, precision }) => {
    const golden = named(name);
    const { ids } = textOf(golden, 40);
    const pieces = [ids.slice(0, 34), ids.slice(34, 35), ids.slice(35, 36), ids.slice(36)];
    const rows = async (session: Session) => {
      const cache = session.newCache();
      const found: Float32Array[] = [];
      for (const piece of pieces) found.push(await session.run(piece, cache));
      cache.dispose();
      return found;
    };
    const got = await using(golden, { logits: 'last' }, precision, rows);
    const { tensors, names } = await goldenWeights(golden);
    const architecture = describeArchitecture(golden.config, names);
    const values = valuesOf(tensors, formOf(requiredTensors(architecture), precision));
    const truly = await Session.open(architecture, { kind: 'cpu', tensors: values }, { logits: 'last' });
    const truth = await rows(truly);
    await truly.dispose();
    truth.forEach((row, piece) => {
      expect(rowError(got[piece] ?? [], row), `piece ${piece}`).toBeLessThan(TOLERANCE);
    });
  });

  it.each(['llama-llama3', 'gemma2'])('%s gives the logits of every token of a text', async (name) => {
    const golden = named(name);
    await using(golden, { logits: 'all', chunkTokens: 70 }, 'f32', (session) => expectRows(session, golden, 200));
  });
});
