import { describe, expect, it } from 'vitest';
import { describeArchitecture, requiredTensors } from './architecture.ts';
import { Session, type SessionOptions } from './session.ts';
import { GOLDENS, goldenWeights } from './test/golden.ts';
import { expectRows, expectSaid, rowError, TOLERANCE, textOf } from './test/golden-agreement.ts';
import { GraphRunner } from './test/graph-runner.ts';
import { valuesOf } from './test/held-weights.ts';
import { formOf } from './weight-forms.ts';

describe('every architecture on the CPU, as transformers computes it', () => {
  describe.each(GOLDENS)('$name', (golden) => {
    const lengths = Object.keys(golden.texts).map(Number);
    const using = async (options: SessionOptions, use: (session: Session) => Promise<void>) => {
      const { tensors, names } = await goldenWeights(golden);
      const architecture = describeArchitecture(golden.config, names);
      const session = await Session.open(architecture, { kind: 'cpu', tensors }, options);
      await use(session);
      await session.dispose();
    };

    it('gives the logits of whole prompts', async () => {
      await using({ logits: 'all' }, async (session) => {
        for (const length of lengths) await expectRows(session, golden, length);
      });
    });

    it('says the same after prompts in pieces', async () => {
      await using({ logits: 'last', chunkTokens: 31 }, async (session) => {
        for (const length of lengths) await expectSaid(session, golden, length, { cut: 3, said: 32 });
      });
    });
  });
});

describe('config.json', () => {
  it.each(GOLDENS)('of $name means the same as transformers writes it', async ({ name: _, ...golden }) => {
    const { names } = await goldenWeights({ name: golden.weights, ...golden });
    expect(describeArchitecture(golden.saved, names)).toEqual(describeArchitecture(golden.config, names));
  });

  it.each(GOLDENS)('of $name calls for the tensors that transformers saves, in their shapes', async (golden) => {
    const { tensors, names } = await goldenWeights(golden);
    const required = requiredTensors(describeArchitecture(golden.config, names));
    for (const { name, shape } of required) expect(tensors.get(name)?.shape, name).toEqual(shape);
    // Nothing that a model learnt is left unread.
    const read = new Set(required.map(({ name }) => name));
    const unread = names.filter((name) => !read.has(name));
    expect(
      unread.filter((name) => !/attn\.bias$|attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name)),
    ).toEqual([]);
  });
});

/** One golden for each file of weights; how a config scales rotations is another matter than how weights are held. */
const OF_EACH = GOLDENS.filter(
  ({ weights }, index) => GOLDENS.findIndex((other) => other.weights === weights) === index,
);

/** Weights without a row of whole blocks. */
const WITHOUT_BLOCKS: ReadonlySet<string> = new Set(['llama-8-biases-tied', 'llama-24', 'gpt2-bare']);

/** Logits of the last token of each piece of a text. */
async function ends(...[pieces, ...model]: [readonly (readonly number[])[], ...Parameters<typeof GraphRunner.open>]) {
  const runner = await GraphRunner.open(...model);
  const rows: Float32Array[] = [];
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  for (const piece of pieces) rows.push((await runner.run(piece, total)).at(-1) ?? new Float32Array());
  await runner.dispose();
  return rows;
}

describe('a graph by itself', () => {
  it.each(OF_EACH.flatMap((golden) => (['q8', 'q4'] as const).map((precision) => ({ ...golden, precision }))))(
    'of $name in $precision computes with the values that the codes stand for',
    async ({ precision, ...golden }) => {
      const { tensors, names } = await goldenWeights(golden);
      const architecture = describeArchitecture(golden.config, names);
      const forms = formOf(requiredTensors(architecture), precision);
      const ids = textOf(golden, 40).ids;
      const pieces = [ids.slice(0, 34), ids.slice(34, 35), ids.slice(35)];
      const got = await ends(pieces, architecture, tensors, { forms });
      const truth = await ends(pieces, architecture, valuesOf(tensors, forms));
      const plain = await ends(pieces, architecture, tensors);
      const isHeld = [...forms.values()].some((form) => form !== 'f32');
      expect(isHeld).toBe(!WITHOUT_BLOCKS.has(golden.weights));
      truth.forEach((row, piece) => {
        expect(rowError(got[piece] ?? [], row), `piece ${piece}`).toBeLessThan(TOLERANCE);
        // Coarser weights are another model: the codes are really read.
        if (isHeld) expect(rowError(plain[piece] ?? [], row)).toBeGreaterThan(10 * TOLERANCE);
      });
    },
  );
});
