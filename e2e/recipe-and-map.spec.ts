/** The recipe and the map are one thing: a hand on either moves the other, every gesture is one step back, and comments stay. */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { type OracleModel, readModel, varm } from '../src/cli/test/oracle.ts';
import { expectNear, unpack } from './saved-model.ts';
import { openFamily } from './own-family.ts';
import { Studio } from './studio.ts';

const RECIPE = `# A recipe of my own.
merge_method: varm
base_model: base # the pivot
models:
  - model: m1
    parameters:
      weight: 2 # twice the evidence
  # This one learned less.
  - model: m2
parameters:
  granularity: tensor
  statistic: square
`;
const COMMENTS = ['# A recipe of my own.', '# the pivot', '# twice the evidence', '# This one learned less.'];

let root: string;
test.beforeEach(async ({ page }, info) => {
  const { studio, root: folder } = await openFamily(page, info, RECIPE);
  root = folder;
  await expect(studio.field('weight of m1')).toHaveValue('2');
  // The map follows a moment later.
  await expect(studio.cell('model.norm', 'outside layers', 'm1')).toHaveText(
    shareOfFirst('model.norm.weight').toFixed(2),
  );
});

/** m1's share of the evidence in a tensor, with its evidence doubled. */
function shareOfFirst(tensor: string): number {
  const { base, m1, m2 } = family();
  const valuesOf = (model: OracleModel) => model.get(tensor)?.values ?? new Float64Array();
  const pivot = valuesOf(base);
  const change = (values: Float64Array) =>
    values.reduce((sum, value, i) => sum + (value - (pivot[i] ?? Number.NaN)) ** 2, 0);
  const [first, second] = [valuesOf(m1), valuesOf(m2)];
  return (2 * change(first)) / (2 * change(first) + change(second));
}

function family(): { base: OracleModel; m1: OracleModel; m2: OracleModel } {
  return { base: readModel(join(root, 'base')), m1: readModel(join(root, 'm1')), m2: readModel(join(root, 'm2')) };
}

/** VaRM with m1's evidence doubled, and m1's share fixed where `shareOf` gives one: m2 gets the rest if it changed anything. */
function expected(shareOf: (tensor: string) => number | null): Map<string, Float64Array> {
  const { base, m1, m2 } = family();
  const settings = { granularity: 'tensor', statistic: 'square' } as const;
  const free = varm(base, [m1, m2], { ...settings, weight: [2, 1] });
  const others = varm(base, [m2], settings);
  return new Map(
    [...free].map(([name, values]) => {
      const share = shareOf(name);
      if (share === null) return [name, values];
      const own = m1.get(name)?.values ?? new Float64Array();
      const rest = others.get(name) ?? new Float64Array();
      return [name, rest.map((value, i) => share * (own[i] ?? Number.NaN) + (1 - share) * value)];
    }),
  );
}

test('a recipe that is edited by hand moves the controls and the map', async ({ page }) => {
  const studio = new Studio(page);
  const before = await studio.cell('layer 0', 'mlp', 'm1').innerText();
  await studio.writeRecipe(RECIPE.replace('weight: 2', 'weight: 0.5').replace('statistic: square', 'statistic: abs'));
  await expect(studio.slider('weight of m1')).toHaveValue('0.5');
  await expect(studio.combobox('statistic')).toHaveValue('abs');
  await expect(studio.cell('layer 0', 'mlp', 'm1')).not.toHaveText(before);
  await studio.writeRecipe(
    'merge_method: task_arithmetic\nbase_model: m2\nmodels:\n  - model: m1\n    parameters:\n      weight: 0.25\n',
  );
  await expect(studio.method).toHaveValue('task_arithmetic');
  await expect(studio.checkpoint('m2').getByRole('radio', { name: 'Base' })).toBeChecked();
  await expect(studio.field('weight of m1')).toHaveValue('0.25');
  await expect(studio.field('weight of m2')).toHaveCount(0);
  await expect(studio.cell('layer 0', 'mlp', 'm1')).toHaveText('0.25');
  await studio.button('Undo').click();
  await expect(studio.method).toHaveValue('varm');
});

test('a drag on a cell sets its share; the bytes follow, and one undo takes it back', async ({ page }, info) => {
  const studio = new Studio(page);
  const cell = studio.cell('layer 1', 'mlp', 'm1');
  await cell.scrollIntoViewIfNeeded();
  const before = Number(await cell.innerText());
  const box = await cell.boundingBox();
  if (!box) throw new Error('the cell is not shown');
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  // Towards the half of the range that has room.
  const way = before > 0.5 ? 1 : -1;
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let i = 1; i <= 8; i++) await page.mouse.move(x, y + way * i * 5);
  await page.mouse.up();
  await studio.expectRecipe(/share:/);
  const text = await studio.recipeText();
  const [, filter, value] = /filter: (\S+)\n\s+value: (\S+)/.exec(text) ?? [];
  expect(filter).toBe('model.layers.1.mlp.');
  const share = Number(value);
  expect(Math.abs(share - (before - way * 0.25))).toBeLessThan(0.02);
  for (const comment of COMMENTS) expect(text).toContain(comment);
  await expect(cell).toHaveText(share.toFixed(2));
  await expect(cell).toHaveAccessibleName(/set by hand/);
  await expect(studio.cell('layer 1', 'self_attn', 'm1')).not.toHaveAccessibleName(/set by hand/);

  await expect(studio.button('Save')).toBeEnabled();
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  expectNear(
    saved,
    expected((tensor) => (tensor.startsWith('model.layers.1.mlp.') ? share : null)),
  );

  await studio.button('Undo').click();
  await studio.expectRecipe(RECIPE);
  await expect(cell).toHaveText(before.toFixed(2));
  await studio.button('Redo').click();
  await studio.expectRecipe(text);
});

test('the same with the keyboard: arrows, plus, Enter, Delete', async ({ page }, info) => {
  const studio = new Studio(page);
  const cell = studio.cell('layer 0', 'self_attn', 'm1');
  const start = Number(await cell.innerText());
  await studio.map.getByRole('rowheader', { name: 'layer 0' }).focus();
  for (let i = 0; i < 40 && !(await cell.evaluate((element) => element === document.activeElement)); i++) {
    await page.keyboard.press('ArrowRight');
  }
  await expect(cell).toBeFocused();

  await test.step('a key nudges', async () => {
    const key = start > 0.5 ? '-' : '+';
    await page.keyboard.press(key);
    await page.keyboard.press(key);
    await studio.expectRecipe(/filter: model\.layers\.0\.self_attn\./);
    const moved = async () => Math.abs(Number(await cell.innerText()) - start);
    await expect.poll(async () => Math.abs((await moved()) - 0.1) < 0.011).toBe(true);
    await page.keyboard.press('Delete');
    await studio.expectRecipe(RECIPE);
  });

  await test.step('Enter opens the sliders', async () => {
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Weights of layer 0 self_attn' });
    await expect(dialog).toBeVisible();
    const slider = dialog.getByRole('slider', { name: 'layer 0 self_attn m1' });
    await expect(slider).toBeFocused();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await expect(slider).toHaveValue('0.02');
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
    await expect(cell).toBeFocused();
    await expect(cell).toHaveText('0.02');
  });

  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  expectNear(
    saved,
    expected((tensor) => (tensor.startsWith('model.layers.0.self_attn.') ? 0.02 : null)),
  );

  await test.step('Delete gives it back, and that is one step too', async () => {
    const text = await studio.recipeText();
    await cell.focus();
    await page.keyboard.press('Delete');
    await studio.expectRecipe(RECIPE);
    await expect(cell).toHaveText(start.toFixed(2));
    await cell.focus();
    await page.keyboard.press('Control+z');
    await studio.expectRecipe(text);
    await page.keyboard.press('Control+Shift+z');
    await studio.expectRecipe(RECIPE);
  });
});

test('a row, all rows back', async ({ page }, info) => {
  const studio = new Studio(page);
  await studio.map.getByRole('rowheader', { name: 'layer 2' }).click();
  const dialog = page.getByRole('dialog', { name: /^Weights of layer 2$/ });
  await dialog.getByRole('spinbutton', { name: 'layer 2 m1 value' }).fill('0.75');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(dialog).toHaveCount(0);
  for (const module of ['self_attn', 'mlp', 'input_layernorm', 'post_attention_layernorm']) {
    await expect(studio.cell('layer 2', module, 'm1')).toHaveText('0.75');
  }
  await expect(studio.cell('layer 1', 'mlp', 'm1')).not.toHaveText('0.75');
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  expectNear(
    saved,
    expected((tensor) => (tensor.startsWith('model.layers.2.') ? 0.75 : null)),
  );

  await test.step('a click opens a cell, and gives it back', async () => {
    const cell = studio.cell('layer 0', 'mlp', 'm2');
    const before = await studio.recipeText();
    await cell.click();
    const editor = page.getByRole('dialog', { name: 'Weights of layer 0 mlp' });
    await editor.getByRole('spinbutton', { name: 'layer 0 mlp m2 value' }).fill('0.9');
    await studio.expectRecipe(/model\.layers\.0\.mlp\./);
    await editor.getByRole('button', { name: 'Give back to the method' }).click();
    await studio.expectRecipe(before);
    await editor.getByRole('button', { name: 'Done' }).click();
  });

  await studio.button('Reset weights').click();
  await studio.expectRecipe(RECIPE);
  await expect(studio.button('Reset weights')).toBeDisabled();
});

test('every control is one step of the history', async ({ page }) => {
  const studio = new Studio(page);
  const texts = [await studio.recipeText()];
  /** Takes down the recipe once it is another one than before. */
  const note = async () => {
    await studio.expectRecipeWithout(texts.at(-1) ?? '');
    texts.push(await studio.recipeText());
  };
  await studio.combobox('granularity').selectOption('row');
  await note();
  await studio.field('weight of m2').fill('1.25');
  await note();
  await studio.combobox('Stored as').selectOption('bfloat16');
  await note();
  await studio.method.selectOption({ label: 'Linear' });
  await note();
  await studio.checkpoint('m2').getByRole('checkbox', { name: 'In the blend' }).uncheck();
  await note();
  expect(new Set(texts).size).toBe(6);
  for (const text of texts.slice(0, 4)) for (const comment of COMMENTS) expect(text).toContain(comment);
  for (const text of texts.toReversed().slice(1)) {
    await studio.button('Undo').click();
    await studio.expectRecipe(text);
  }
  for (const text of texts.slice(1)) {
    await studio.button('Redo').click();
    await studio.expectRecipe(text);
  }
});

test('a recipe is downloaded as it stands, and opened again', async ({ page }, info) => {
  const studio = new Studio(page);
  const [download] = await Promise.all([page.waitForEvent('download'), studio.button('Download').click()]);
  expect(download.suggestedFilename()).toBe('fusewright.yml');
  const path = info.outputPath('fusewright.yml');
  await download.saveAs(path);
  await studio.method.selectOption({ label: 'Linear' });
  await studio.expectRecipeWithout(RECIPE);
  await page.getByLabel('Open a recipe file').setInputFiles(path);
  await studio.expectRecipe(RECIPE);
  await expect(studio.method).toHaveValue('varm');

  await test.step('also before the models, and by the same way as they', async () => {
    await page.reload();
    await studio.addFiles(path);
    await studio.addFolder(root);
    await studio.expectRecipe(RECIPE);
    await expect(studio.map).toBeVisible();
  });
});
