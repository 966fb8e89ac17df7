/** The weights map: what methods of every kind show in it, and what may be set by hand. */

import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { METHODS } from '../methods/index.ts';
import { newRecipe, parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import type { MapDetail, WeightsMap } from './map.ts';
import { checkpoint, family, TINY_LLAMA, valuesOf } from './test/checkpoints.ts';

const CHECKPOINTS = family(3);

async function mapOf(
  text: string,
  checkpoints: readonly Checkpoint[] = CHECKPOINTS,
  detail: MapDetail = 'modules',
): Promise<WeightsMap> {
  const written = parseRecipe(text);
  const { lineup, findings } = check(written, (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map(({ message }) => message).join('; '));
  const blend = new Blend(new CpuArithmetic([]), { budgetBytes: 2 ** 28, keepsSources: true });
  const map = await blend.map(lineup, {}, { detail, written });
  await blend.dispose();
  return map;
}

function recipeOf(name: string): string {
  const method = METHODS.get(name);
  if (!method) throw new Error(`${name} is missing`);
  const models = ['tune-1', 'tune-2', 'tune-3'].slice(0, Math.min(3, method.models.max));
  return newRecipe({ method: name, base: method.base === 'none' ? null : 'base', models });
}

describe('the weights map', () => {
  it.each([...METHODS.keys()])('shows a finite weight in every cell of %s, and its own handle', async (name) => {
    const map = await mapOf(recipeOf(name));
    const method = METHODS.get(name);
    expect(map.handle).toBe(method?.handle);
    expect(map.cells.length).toBeGreaterThan(8);
    for (const { weights, ranges } of map.cells) {
      expect(weights).toHaveLength(map.models.length);
      weights.forEach((weight, k) => {
        expect(weight).toBeGreaterThanOrEqual((ranges[k]?.[0] ?? Number.NaN) - 1e-9);
        expect(weight).toBeLessThanOrEqual((ranges[k]?.[1] ?? Number.NaN) + 1e-9);
      });
    }
    const isMeasured = method?.base !== 'none';
    expect(map.cells.every(({ rmsChange }) => (rmsChange !== null) === isMeasured)).toBe(true);
    if (method?.handle === null) expect(map.note).toMatch(/has no weights to set by hand/);
  });

  it('shows what a method finds by passes of its own: shares that differ from tensor to tensor and add up to one', async () => {
    const { cells } = await mapOf(recipeOf('sce'));
    const changed = cells.filter(({ rmsChange }) => rmsChange?.every((rms) => rms > 0));
    for (const { weights } of changed) expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    expect(new Set(changed.map(({ weights }) => weights[0]?.toFixed(4))).size).toBeGreaterThan(2);
  });

  describe('of a model that holds NaN', () => {
    const sick = 'model.layers.1.mlp.up_proj.weight';
    const base = valuesOf(TINY_LLAMA, 1);
    const sound = valuesOf(TINY_LLAMA, 2, base);
    const values = new Map(valuesOf(TINY_LLAMA, 3, base)).set(sick, new Float64Array(40 * 24).fill(Number.NaN));
    const checkpoints = [
      checkpoint({ name: 'base', values: base }),
      checkpoint({ name: 'tune-1', values: sound }),
      checkpoint({ name: 'tune-2', values }),
    ];
    const recipe = (method: string) => newRecipe({ method, base: 'base', models: ['tune-1', 'tune-2'] });

    it.each(['task_arithmetic', 'ties', 'dare_linear', 'breadcrumbs', 'della'])(
      'shows the weights of %s, and says which figures of change are missing and why',
      async (method) => {
        const map = await mapOf(recipe(method), checkpoints);
        const missing = map.cells.filter(({ rmsChange }) => rmsChange === null);
        expect(missing.flatMap(({ filters }) => filters)).toEqual(['model.layers.1.mlp.']);
        expect(missing[0]?.weights.every(Number.isFinite)).toBe(true);
        expect(map.note).toContain(`${sick} holds NaN, infinity or numbers too large to square in tune-2`);
      },
    );

    it('still refuses where the weights themselves are measured, however often it is asked', async () => {
      for (let n = 0; n < 2; n++)
        await expect(mapOf(recipe('varm'), checkpoints)).rejects.toThrow(/cannot be measured/);
    });

    it('refuses measured weights after it has shown others of the same models', async () => {
      const find = (name: string) => checkpoints.find((own) => own.name === name);
      const blend = new Blend(new CpuArithmetic([]), { budgetBytes: 2 ** 28, keepsSources: true });
      const lineupOf = (method: string) => {
        const { lineup } = check(parseRecipe(recipe(method)), find);
        if (!lineup) throw new Error('refused');
        return lineup;
      };
      await blend.map(lineupOf('task_arithmetic'));
      await expect(blend.map(lineupOf('varm'))).rejects.toThrow(/cannot be measured/);
      await blend.dispose();
    });
  });

  describe('at every detail', () => {
    const DETAILS: readonly MapDetail[] = ['groups', 'modules', 'tensors'];

    it('holds the same tensors, weighed by their sizes', async () => {
      const maps = await Promise.all(DETAILS.map((detail) => mapOf(recipeOf('varm'), CHECKPOINTS, detail)));
      const sums = maps.map(({ cells }) => [
        cells.reduce((sum, { tensors }) => sum + tensors, 0),
        cells.reduce((sum, { elements }) => sum + elements, 0),
      ]);
      expect(new Set(sums.map(String)).size).toBe(1);
      const total = ({ cells }: WeightsMap) =>
        cells.reduce((sum, { weights, elements }) => sum + (weights[0] ?? 0) * elements, 0);
      for (const map of maps) expect(total(map)).toBeCloseTo(total(maps[0] ?? map), 6);
      expect(maps.map(({ detail }) => detail)).toEqual(DETAILS);
      const counts = maps.map(({ columns }) => columns.length);
      expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    });

    it.each(DETAILS)('tells at the detail of %s what is set by hand, and by which filter', async (detail) => {
      const text = `merge_method: linear
models:
  - model: tune-1
    parameters:
      weight:
        - filter: model.layers.0.self_attn.q_proj.
          value: 0.25
        - filter: model.layers.1.
          value: 0.5
        - value: 1
  - model: tune-2
`;
      const { rows, columns, cells } = await mapOf(text, CHECKPOINTS, detail);
      const cell = (row: string, column: string) =>
        cells.find((own) => rows[own.row]?.label === row && columns[own.column] === column);
      const attention = { groups: 'attention', modules: 'self_attn', tensors: 'q_proj' }[detail];
      const mlp = { groups: 'MLP', modules: 'mlp', tensors: 'up_proj' }[detail];
      expect(cell('layer 0', attention)?.isSet).toEqual([true, false]);
      expect(cell('layer 0', mlp)?.isSet).toEqual([false, false]);
      expect(cell('layer 1', mlp)?.setBy).toEqual(['model.layers.1.', null]);
      const isWhole = detail === 'tensors';
      const [low, high] = cell('layer 0', attention)?.ranges[0] ?? [0, 0];
      expect(high - low > 0).toBe(!isWhole);
    });
  });

  it('shows what a muted model is set to, and merges without it', async () => {
    const text = `merge_method: linear
models:
  - model: tune-1
    muted: true
    parameters:
      weight:
        - filter: model.layers.1.mlp.
          value: 0.75
        - value: 0.5
  - model: tune-2
  - model: tune-3
`;
    const { models, isMuted, rows, columns, cells } = await mapOf(text);
    expect(models).toEqual(['tune-1', 'tune-2', 'tune-3']);
    expect(isMuted).toEqual([true, false, false]);
    for (const { row, column, weights, isSet, rmsChange } of cells) {
      const isByHand = rows[row]?.label === 'layer 1' && columns[column] === 'mlp';
      expect(weights).toEqual([isByHand ? 0.75 : 0.5, 0.5, 0.5]);
      expect(isSet).toEqual([isByHand, false, false]);
      expect(rmsChange).toBeNull();
    }
    const measured = await mapOf(text.replace('linear', 'task_arithmetic\nbase_model: base'));
    for (const { rmsChange } of measured.cells) {
      expect(rmsChange?.map(Number.isFinite)).toEqual([false, true, true]);
    }
  });

  it('says which parameters decide where no hand can', async () => {
    expect((await mapOf(recipeOf('slerp'))).note).toBe('SLERP has no weights to set by hand; they follow from t.');
    expect((await mapOf(recipeOf('arcee_fusion'))).note).toBe('Arcee Fusion has no weights to set by hand.');
  });

  it('takes weights along rows and columns as means with their ranges', async () => {
    const models = '\nbase_model: base\nmodels: [{model: tune-1}, {model: tune-2}]\n';
    for (const isRowWise of [true, false]) {
      const { cells } = await mapOf(
        `merge_method: nuslerp${models}parameters: {nuslerp_flatten: false, nuslerp_row_wise: ${isRowWise}}\n`,
      );
      expect(cells.some(({ ranges }) => (ranges[0]?.[1] ?? 0) > (ranges[0]?.[0] ?? 0))).toBe(true);
    }
  });

  it('knows the models of each layer of a stack, and takes no hand', async () => {
    const source = (model: string, from: number, to: number) =>
      `  - sources: [{model: ${model}, layer_range: [${from}, ${to}]}]\n`;
    const map = await mapOf(`merge_method: passthrough\nslices:\n${source('tune-1', 0, 2)}${source('tune-2', 1, 2)}`);
    expect([map.handle, map.models]).toEqual([null, ['tune-1', 'tune-2']]);
    const layer = (label: string) => map.cells.filter(({ row }) => map.rows[row]?.label === label);
    expect(layer('layer 2').length).toBeGreaterThan(0);
    for (const { weights } of layer('layer 2')) expect(weights).toEqual([Number.NaN, 1]);
    for (const { weights } of layer('layer 0')) expect(weights).toEqual([1, Number.NaN]);
    expect(map.note).toMatch(/recipe’s text/);
  });
});
