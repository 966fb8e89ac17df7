/** Every method and every unit of weighing, set with the page's own controls, held against float64 oracles by the bytes that are saved. */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { type Granularity, linear, type OracleModel, readModel, taskArithmetic, varm } from '../src/cli/test/oracle.ts';
import { type Kind, writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import type { BlendedDtype } from '../src/formats/dtype.ts';
import { expectNear, textOf, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

const GRANULARITIES: readonly Granularity[] = ['model', 'layer', 'module', 'tensor', 'row', 'element'];

/** A family on disk, read by the oracle, and open in the page. */
interface Bench {
  readonly studio: Studio;
  readonly base: OracleModel;
  readonly models: readonly OracleModel[];
  /** Saves what the controls say and expects the oracle's numbers in every tensor. */
  readonly expectSaved: (expected: ReadonlyMap<string, Float64Array>) => Promise<void>;
}

const families: readonly { kind: Kind; dtype: BlendedDtype; maxShardBytes: number }[] = [
  { kind: 'llama', dtype: 'F32', maxShardBytes: 5e9 },
  { kind: 'qwen2', dtype: 'F16', maxShardBytes: 20_000 },
  { kind: 'qwen2', dtype: 'BF16', maxShardBytes: 5e9 },
];

for (const { kind, dtype, maxShardBytes } of families) {
  test(`${kind} in ${dtype}${maxShardBytes < 1e9 ? ', sharded' : ''}`, async ({ page }, info) => {
    const root = info.outputPath('family');
    await writeFamily(root, { kind, dtype, maxShardBytes });
    const studio = new Studio(page);
    await studio.visit();
    await studio.addFolder(root);
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
    await expect(studio.button('Save')).toBeEnabled();
    let saves = 0;
    const bench: Bench = {
      studio,
      base: readModel(join(root, 'base')),
      models: ['m1', 'm2'].map((name) => readModel(join(root, name))),
      async expectSaved(expected) {
        await test.step(`save ${++saves}`, async () => {
          await expect(studio.button('Save')).toBeEnabled();
          const saved = await unpack(await studio.save(), info.outputPath(`saved-${saves}`));
          expect(new Set([...saved.tensors.values()].map((tensor) => tensor.dtype))).toEqual(new Set([dtype]));
          expect(textOf(saved, 'fusewright.yml')).toBe(await studio.recipeText());
          expectNear(saved, expected);
        });
      },
    };
    await varmByUnit(bench);
    await varmByWeightAndTemperature(bench);
    await linearBySliders(bench);
    await taskArithmeticByFields(bench);
  });
}

async function varmByUnit({ studio, base, models, expectSaved }: Bench) {
  await expect(studio.method).toHaveValue('varm');
  for (const statistic of ['square', 'abs'] as const) {
    await studio.combobox('statistic').selectOption(statistic);
    for (const granularity of GRANULARITIES) {
      await studio.combobox('granularity').selectOption(granularity);
      await expectSaved(varm(base, models, { granularity, statistic }));
    }
  }
}

async function varmByWeightAndTemperature({ studio, base, models, expectSaved }: Bench) {
  await studio.combobox('statistic').selectOption('square');
  await studio.combobox('granularity').selectOption('module');
  await studio.field('weight of m1').fill('2.5');
  await expectSaved(varm(base, models, { granularity: 'module', statistic: 'square', weight: [2.5, 1] }));
  await studio.field('temperature').fill('0.7');
  const settings = { statistic: 'square', weight: [2.5, 1], temperature: 0.7 } as const;
  await expectSaved(varm(base, models, { ...settings, granularity: 'module' }));
  await studio.combobox('granularity').selectOption('row');
  await expectSaved(varm(base, models, { ...settings, granularity: 'row' }));
  await studio.button('Unset temperature').click();
  await studio.expectRecipeWithout(/temperature/);
}

async function linearBySliders({ studio, models, expectSaved }: Bench) {
  await studio.method.selectOption({ label: 'Linear' });
  await studio.expectRecipe(/merge_method: linear/);
  // What the two methods share stays as it was set; the sliders take it from there with the keyboard alone.
  await expect(studio.field('weight of m1')).toHaveValue('2.5');
  await studio.slider('weight of m1').focus();
  await page(studio).keyboard.press('Home');
  for (let i = 0; i < 30; i++) await page(studio).keyboard.press('ArrowRight');
  await studio.slider('weight of m2').focus();
  await page(studio).keyboard.press('End');
  for (let i = 0; i < 50; i++) await page(studio).keyboard.press('ArrowLeft');
  const weights = [0.3, 1.5];
  for (const [i, name] of ['m1', 'm2'].entries()) {
    await expect(studio.slider(`weight of ${name}`)).toHaveValue(String(weights[i]));
    await expect(studio.field(`weight of ${name}`)).toHaveValue(String(weights[i]));
  }
  await expectSaved(linear(models, (k) => weights[k] ?? 0, true));
  await page(studio).getByRole('switch', { name: 'normalize' }).click();
  await studio.expectRecipe(/normalize: false/);
  await expectSaved(linear(models, (k) => weights[k] ?? 0, false));
}

async function taskArithmeticByFields({ studio, base, models, expectSaved }: Bench) {
  await studio.method.selectOption({ label: 'Task arithmetic' });
  await studio.field('weight of m1').fill('0.7');
  // The field takes what lies beyond the slider.
  await studio.field('weight of m2').fill('-0.4');
  await studio.slider('lambda').fill('0.85');
  await expect(studio.field('lambda')).toHaveValue('0.85');
  const weights = [0.7, -0.4];
  await expectSaved(taskArithmetic(base, models, (k) => weights[k] ?? 0, 0.85, false));
  await page(studio).getByRole('switch', { name: 'normalize' }).click();
  await expectSaved(taskArithmetic(base, models, (k) => weights[k] ?? 0, 0.85, true));
}

function page(studio: Studio) {
  return studio.page;
}
