/** A mute, and taking it back, on a blend whose sources stay: nothing is read, and the result is that of a fresh merge. */

import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import type { Lineup } from './lineup.ts';
import { family } from './test/checkpoints.ts';

const BUDGET = 2 ** 28;
/** Cut into pieces by small batches. */
const WIDE = { 'model.layers.0.mlp.up_proj.weight': [5, 9000], 'model.layers.1.mlp.up_proj.weight': [200, 130] };

/** A recipe of three models, some of them muted; `first` are the first model's parameters where they are others. */
function recipe(method: string, muted: readonly number[] = [], first?: string): string {
  const { more, own } = METHODS[method] ?? { more: '', own: '' };
  const model = (k: number) =>
    `  - model: tune-${k}\n    parameters: {${k === 1 ? (first ?? own) : own}}\n${muted.includes(k) ? '    muted: true\n' : ''}`;
  return `merge_method: ${method}\nbase_model: base\nmodels:\n${[1, 2, 3].map(model).join('')}${more}`;
}

/** Methods of every kind: without and with shared statistics, with passes, with ranks, on the sources themselves. */
const METHODS: Readonly<Record<string, { readonly more: string; readonly own: string }>> = {
  task_arithmetic: { more: '', own: 'weight: 0.5' },
  varm: { more: 'parameters: {granularity: module}\n', own: '' },
  ties: { more: '', own: 'weight: 0.5, density: 0.4' },
  della: { more: '', own: 'weight: 0.5, density: 0.5, epsilon: 0.1' },
  sce: { more: 'parameters: {select_topk: 0.3}\n', own: '' },
  model_stock: { more: '', own: '' },
};

function lineUp(text: string, checkpoints: readonly Checkpoint[]): Lineup {
  const { lineup, findings } = check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map((found) => found.message).join('; '));
  return lineup;
}

function blendOver(batchBytes?: number): Blend {
  return new Blend(new CpuArithmetic([], batchBytes), { budgetBytes: BUDGET, keepsSources: true });
}

function valuesOf(blend: Blend): Map<string, readonly number[]> {
  const tensors = [...(blend.live?.tensors ?? [])];
  return new Map(tensors.map(([name, own]) => [name, own.kind === 'cpu' ? [...own.data] : []]));
}

async function fresh(text: string, models: readonly Checkpoint[], batchBytes?: number) {
  const blend = blendOver(batchBytes);
  await blend.blend(lineUp(text, models));
  return valuesOf(blend);
}

describe('a mute', () => {
  it.each(Object.keys(METHODS).flatMap((method) => [undefined, 60_000].map((bytes) => [method, bytes] as const)))(
    'of %s in batches of %s bytes reads nothing and gives what a fresh merge gives, and so does taking it back',
    async (method, batchBytes) => {
      const models = family(3, 'BF16', WIDE);
      const fromScratch = family(3, 'BF16', WIDE);
      const blend = blendOver(batchBytes);
      await blend.blend(lineUp(recipe(method), models));
      const read = models.map(({ file }) => file.bytesRead);
      for (const muted of [[1], [], [3], [2], []]) {
        const text = recipe(method, muted);
        await blend.blend(lineUp(text, models));
        expect(valuesOf(blend), `muted: ${muted}`).toEqual(await fresh(text, fromScratch, batchBytes));
        await blend.map(lineUp(text, models));
      }
      expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
    },
  );

  it('leaves a weight as quick to move as before', async () => {
    const models = family(3);
    const blend = blendOver();
    await blend.blend(lineUp(recipe('task_arithmetic'), models));
    const read = models.map(({ file }) => file.bytesRead);
    await blend.blend(lineUp(recipe('task_arithmetic', [2]), models));
    await blend.blend(lineUp(recipe('task_arithmetic', [2], 'weight: 0.9'), models));
    const survey = await blend.survey(lineUp(recipe('task_arithmetic'), models));
    expect(survey.models).toEqual(['tune-1', 'tune-2', 'tune-3']);
    expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
  });

  it('does not take other sources for those that are kept', async () => {
    const models = family(3);
    const others = family(3, 'F16');
    const blend = blendOver();
    await blend.blend(lineUp(recipe('varm'), models));
    const [base, , ...rest] = models;
    const replaced = [base, others[1], ...rest].flatMap((own) => own ?? []);
    const text = recipe('varm', [3]);
    await blend.blend(lineUp(text, replaced));
    expect(valuesOf(blend)).toEqual(await fresh(text, replaced));
    expect(others[1]?.file.bytesRead).toBeGreaterThan(0);
  });

  it('reads the muted model, too, where the first merge was stopped, so that taking it back reads nothing', async () => {
    const models = family(3, 'BF16', WIDE);
    const read = () => models.map(({ file }) => file.bytesRead);
    const blend = blendOver(60_000);
    const stop = new AbortController();
    const stopped = blend.blend(lineUp(recipe('task_arithmetic'), models), {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    const whole = models.map(({ totalBytes }) => totalBytes);
    expect(read()).not.toEqual(whole);
    const text = recipe('task_arithmetic', [1]);
    await blend.blend(lineUp(text, models));
    expect(valuesOf(blend)).toEqual(await fresh(text, family(3, 'BF16', WIDE), 60_000));
    expect(read()).toEqual(whole);
    await blend.blend(lineUp(recipe('task_arithmetic'), models));
    expect(read()).toEqual(whole);
  });
});
