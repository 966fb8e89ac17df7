import { describe, expect, it } from 'vitest';
import { describeArchitecture } from './architecture.ts';
import { buildGraph } from './graph.ts';
import { forward } from './test/forward.ts';
import { GOLDENS, goldenRows, goldenWeights } from './test/golden.ts';
import { GraphRunner } from './test/graph-runner.ts';
import { randomWeights, TINY_FAMILIES, TINY_MODELS } from './test/tiny-models.ts';

/** f32 sums over a few dozen terms against float64, relative to the largest logit. */
const TOLERANCE = 1e-5;

const prompt = (tokens: number, vocabulary: number) =>
  Array.from({ length: tokens }, (_, i) => (i * 31 + 7) % vocabulary);

/** The largest difference of rows, of the largest logit of the true one. */
function error(got: readonly ArrayLike<number>[], truth: readonly ArrayLike<number>[]): number {
  if (got.length !== truth.length) throw new Error(`${got.length} rows where there are ${truth.length}`);
  let worst = 0;
  truth.forEach((row, index) => {
    const own = got[index];
    if (!own || own.length !== row.length) throw new Error('rows of different length');
    const scale = Math.max(...Array.from(row, Math.abs));
    for (let i = 0; i < row.length; i++) {
      const difference = Math.abs((row[i] ?? Number.NaN) - (own[i] ?? Number.NaN)) / scale;
      worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
    }
  });
  return worst;
}

describe.each([...TINY_MODELS, ...TINY_FAMILIES])('the graph of $title', (model) => {
  const tensors = randomWeights(model, 5);
  const architecture = describeArchitecture(model.config, tensors.keys());

  it('gives the logits of the oracle, whole, in pieces and token by token', async () => {
    const runner = await GraphRunner.open(architecture, tensors);
    for (const length of [5, 70]) {
      const ids = prompt(length, 67);
      const truth = forward(model.config, tensors, ids);
      expect(error(await runner.run(ids), truth), `${length} at once`).toBeLessThan(TOLERANCE);
      runner.restart();
      const rows: Float32Array[] = [];
      const cuts = [0, 3, 37, ...Array.from({ length: 11 }, (_, i) => 60 + i)].filter((cut) => cut < length);
      for (const [piece, start] of cuts.entries()) {
        rows.push(...(await runner.run(ids.slice(start, cuts[piece + 1]), length)));
      }
      expect(error(rows, truth), `${length} in pieces`).toBeLessThan(TOLERANCE);
      runner.restart();
    }
    await runner.dispose();
  });
});

describe('buildGraph', () => {
  const [llama] = TINY_MODELS;
  const gemma2 = TINY_FAMILIES.find(({ config }) => config['model_type'] === 'gemma2');
  if (!llama || !gemma2) throw new Error('no models');
  const described = ({ config }: typeof llama) =>
    describeArchitecture(config, randomWeights({ title: '', config }, 1).keys());

  it('refuses a static cache for attention that cannot write one, and a step without it', () => {
    const [plain, capped] = [described(llama), described(gemma2)];
    const options = { logits: 'last', constants: null } as const;
    expect(() => buildGraph(capped, { ...options, cache: 'static' })).toThrow(RangeError);
    expect(() => buildGraph(plain, { ...options, purpose: 'step' })).toThrow(RangeError);
    expect(buildGraph(plain, { ...options, purpose: 'step', cache: 'static' }).takesPositions).toBe(true);
  });

  it('refuses tables of rotations that would fill the memory', () => {
    const options = { logits: 'last', constants: null, capacityTokens: 2 ** 30 } as const;
    expect(() => buildGraph(described(llama), options)).toThrow(/fewer tokens/);
  });
});

describe('the oracle', () => {
  it.each(GOLDENS.filter(({ config }) => config['model_type'] !== 'gemma3'))(
    'agrees with transformers for $name',
    async (golden) => {
      const { tensors } = await goldenWeights(golden);
      for (const length of [5, 40]) {
        const text = golden.texts[length];
        if (!text) continue;
        const rows = forward(golden.config, tensors, text.ids);
        const truth = await goldenRows(golden, length);
        const known = text.positions.flatMap((position, row) =>
          position < length ? [[rows[position], truth[row]]] : [],
        );
        expect(
          error(
            known.map(([row]) => row ?? []),
            known.map(([, row]) => row ?? []),
          ),
        ).toBeLessThan(1e-6);
      }
    },
  );
});
