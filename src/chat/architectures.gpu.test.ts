import { afterAll, describe, expect, it } from 'vitest';
import { type Architecture, describeArchitecture, requiredTensors } from './architecture.ts';
import { Session, type SessionOptions } from './session.ts';
import { GOLDENS, type Golden, goldenRows, goldenWeights } from './test/golden.ts';
import { best, rowError, TOLERANCE } from './test/golden-agreement.ts';
import { testDevice, trustedPaths } from './test/gpu-weights.ts';
import { placeInForms, valuesOf } from './test/held-weights.ts';
import { formOf, type Precision } from './weight-forms.ts';

/**
 * A software adapter compiles for seconds what it runs in milliseconds, so every architecture has one session here, and
 * what differs by numbers only (scalings of a rotation, names, tables) is left to the CPU's suite.
 */
const BY_NUMBERS_ONLY: ReadonlySet<string> = new Set([
  'llama-default',
  'llama-linear',
  'llama-dynamic',
  'llama-yarn',
  'llama-yarn-explicit',
  'gemma3-linear',
  'phi',
  'gpt2-bare',
]);
const SHAPES = GOLDENS.filter(({ name }) => !BY_NUMBERS_ONLY.has(name));

/** Tokens after the prompt of 40: beyond windows of 16 and 64, and beyond the step of longrope at 64. */
const DECODED = 26;

describe('on the GPU, without the CPU', { timeout: 120_000 }, async () => {
  const device = await testDevice();
  afterAll(() => device.destroy());

  /** Opens, hands over and closes. */
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
    const session = await Session.open(architecture, placed.weights, { paths: trustedPaths(device), ...options });
    try {
      return await use(session, architecture);
    } finally {
      await session.dispose();
      placed.free();
    }
  };
  const text = (golden: Golden, length: number) => {
    const found = golden.texts[length];
    if (!found) throw new Error(`${golden.name} has no text of ${length}`);
    return found;
  };

  it.each(SHAPES)('$name says what transformers says', async (golden) => {
    await using(golden, { logits: 'last' }, 'f32', async (session, { cacheKind }) => {
      for (const length of [5, 40, 200]) {
        const { ids, positions, greedy } = text(golden, length);
        const truth = await goldenRows(golden, length);
        const cache = session.newCache();
        // In one run of 200, and in pieces of another length than any tile.
        let row = await session.run(length === 40 ? ids.slice(0, 33) : ids, cache);
        if (length === 40) row = await session.run(ids.slice(33), cache);
        for (let step = 0; ; step++) {
          const position = length - 1 + step;
          const known = truth[positions.indexOf(position)];
          if (known) expect(rowError(row, known), `token ${position} after ${length}`).toBeLessThan(TOLERANCE);
          expect(best(row), `token ${position + 1} after ${length}`).toBe(greedy[step]);
          if (step === (length === 40 ? DECODED : 0)) break;
          row = await session.run([greedy[step] ?? 0], cache);
        }
        cache.dispose();
      }
      // Asked last: a step that failed its proof would have turned the path by now.
      expect(session.path).toBe(cacheKind === 'static' ? 'captured' : 'direct');
    });
  });

  // Biases, packed and transposed matrices, a tied embedding that is gathered and multiplied with.
  it.each(
    ['qwen2', 'gpt2', 'gpt-neox-parallel', 'phi3-partial'].flatMap((name) =>
      (['q8', 'q4'] as const).map((precision) => ({ name, precision })),
    ),
  )('$name in $precision computes with the values that the codes stand for', async ({ name, precision }) => {
    const golden = GOLDENS.find((one) => one.name === name);
    if (!golden) throw new Error(name);
    const { ids } = text(golden, 40);
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

  it.each(['llama-llama3', 'gemma2', 'openai-gpt'])('%s gives the logits of every token of a text', async (name) => {
    const golden = GOLDENS.find((one) => one.name === name);
    if (!golden) throw new Error(name);
    const { ids, positions } = text(golden, 200);
    const truth = await goldenRows(golden, 200);
    await using(golden, { logits: 'all', chunkTokens: 70 }, 'f32', async (session, { vocabularySize }) => {
      const cache = session.newCache();
      const all = await session.run(ids, cache);
      cache.dispose();
      positions.forEach((position, row) => {
        const got = all.subarray(position * vocabularySize, (position + 1) * vocabularySize);
        expect(rowError(got, truth[row] ?? []), `token ${position}`).toBeLessThan(TOLERANCE);
      });
    });
  });
});
