import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { describeArchitecture, linearsOf, requiredTensors } from './architecture.ts';
import { PromptAttention } from './prompt-attention.ts';
import { PromptKernels } from './prompt-kernels.ts';
import { PromptMatrices } from './prompt-matrix.ts';
import { PromptProducts } from './prompt-products.ts';
import { Session } from './session.ts';
import { forward } from './test/forward.ts';
import { testDevice } from './test/gpu-weights.ts';
import { placeInForms, valuesOf } from './test/held-weights.ts';
import { randomWeights, TINY_FAMILIES, TINY_MODELS } from './test/tiny-models.ts';
import { formOf, type Precision } from './weight-forms.ts';

interface Case {
  readonly title: string;
  readonly precision: Precision;
  readonly kinds: PromptKernels['kinds'];
}

const BOTH = ['products', 'attention'] as const;

const CASES: readonly Case[] = [
  // With biases everywhere, and an embedding that is the output matrix too.
  { title: 'llama 3 rope', precision: 'f32', kinds: BOTH },
  // Some of their matrices are no whole blocks, and stay in float32.
  { title: 'qwen2, grouped', precision: 'q8', kinds: BOTH },
  { title: 'qwen2, grouped', precision: 'q4', kinds: BOTH },
  // Matrices that lie the other way round.
  { title: 'gpt2', precision: 'f32', kinds: BOTH },
  { title: 'gpt2', precision: 'q8', kinds: BOTH },
  // Layers with windows keep onnxruntime's attention.
  { title: 'mistral, window of 16', precision: 'q8', kinds: ['products'] },
  { title: 'qwen2, window of 16 in its second layer', precision: 'q8', kinds: BOTH },
  // Attention is written out, and keys and values grow.
  { title: 'gemma2, window of 16', precision: 'f32', kinds: ['products'] },
];

/** Pieces of which the first is long enough for proof, and the last is one token. */
const IDS = Array.from({ length: 79 }, (_, place) => (place * 29 + 3) % 61);
const CHUNK = 39;

describe('prompts by kernels of our own', async () => {
  const device = await testDevice();
  const errors: string[] = [];
  device.onuncapturederror = ({ error }) => errors.push(error.message);
  afterAll(() => device.destroy());
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Reads the text, all logits wanted or those of the last token, and holds them against float64. */
  const expectRight = async (title: string, precision: Precision, logits: 'last' | 'all' = 'last') => {
    const model = [...TINY_MODELS, ...TINY_FAMILIES].find((one) => one.title.startsWith(title));
    if (!model) throw new Error('there is no such model');
    const tensors = randomWeights(model, 3);
    const architecture = describeArchitecture(model.config, tensors.keys());
    const forms = formOf(requiredTensors(architecture), precision);
    const placed = placeInForms(device, tensors, forms);
    const session = await Session.open(architecture, placed.weights, { logits, chunkTokens: CHUNK });
    const ran = vi.spyOn(PromptKernels.prototype, 'run');
    const cache = session.newCache();
    const ids = IDS.map((id) => id % architecture.vocabularySize);
    const rows = await session.run(ids, cache);
    // Again from the middle, over keys and values that are there, in pieces shorter than those that are proved.
    cache.rewind(40);
    for (const [start, end] of [
      [40, 42],
      [42, 48],
    ]) {
      await session.run(ids.slice(start, end), cache);
    }
    const again = await session.run(ids.slice(48), cache);
    const kernels = ran.mock.contexts[0] as PromptKernels | undefined;
    const kinds = kernels?.kinds;

    const truth = forward(model.config, valuesOf(tensors, forms), ids);
    const expectRows = (got: Float32Array, from: number) => {
      const { vocabularySize } = architecture;
      const count = got.length / vocabularySize;
      for (let row = 0; row < count; row++) {
        const wanted = truth[logits === 'last' ? ids.length - 1 : from + row] ?? new Float64Array();
        const largest = Math.max(...wanted.map(Math.abs));
        const worst = wanted.reduce(
          (most, value, token) => Math.max(most, Math.abs(value - (got[row * vocabularySize + token] ?? Number.NaN))),
          0,
        );
        expect(worst, `row ${row}`).toBeLessThan(1e-5 * largest);
      }
      expect(count).toBe(logits === 'last' ? 1 : ids.length - from);
    };
    expectRows(rows, 0);
    expectRows(again, 48);
    expect(errors).toEqual([]);
    cache.dispose();
    await session.dispose();
    placed.free();
    return { kinds, products: linearsOf(architecture).length };
  };

  it.each(CASES)('$title, $precision', async ({ title, precision, kinds }) => {
    const dispatched = vi.spyOn(PromptMatrices.prototype, 'dispatch');
    const attended = vi.spyOn(PromptAttention.prototype, 'dispatches');
    const found = await expectRight(title, precision);
    expect(found.kinds).toEqual(kinds);
    expect(dispatched.mock.calls.length).toBeGreaterThan(found.products);
    expect(attended.mock.calls.length > 0).toBe(kinds.includes('attention'));
  });

  it('gives the logits of all tokens', async () => {
    expect((await expectRight('qwen2, grouped', 'q8', 'all')).kinds).toEqual(BOTH);
  });

  it('gives attention up that is wrong, and keeps the products', async () => {
    const own = PromptAttention.prototype.dispatches;
    vi.spyOn(PromptAttention.prototype, 'dispatches').mockImplementation(function (this: PromptAttention, ...what) {
      return own.apply(this, what).slice(0, 2);
    });
    expect((await expectRight('llama 3 rope', 'f32')).kinds).toEqual(['products']);
  });

  it('gives products up that are wrong', async () => {
    const own = PromptMatrices.prototype.dispatch;
    vi.spyOn(PromptMatrices.prototype, 'dispatch').mockImplementation(function (this: PromptMatrices, ...what) {
      return { ...own.apply(this, what), size: [1, 1, 1] };
    });
    expect((await expectRight('llama 3 rope', 'f32')).kinds).toEqual([]);
  });

  it('runs a piece again that was not as it is known, and gives them up', async () => {
    const own = PromptProducts.prototype.during;
    let runs = 0;
    vi.spyOn(PromptProducts.prototype, 'during').mockImplementation(function (this: PromptProducts, tokens) {
      const during = own.call(this, tokens);
      // The proof, and the first piece, are right.
      return ++runs <= 2 ? during : { ...during, isComplete: () => false };
    });
    expect((await expectRight('gemma2, window of 16', 'f32')).kinds).toEqual([]);
    expect(runs).toBe(3);
  });
});
