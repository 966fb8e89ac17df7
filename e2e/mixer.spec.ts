/** The mixer: zoom, paint, solo and mute, locks, rows copied; the map says what the recipe says, and undo leads all the way back. */

import { join } from 'node:path';
import { expect, type Locator, type Page, test } from '@playwright/test';
import { linear, readModel } from '../src/cli/test/oracle.ts';
import { expectNear, textOf, unpack } from './saved-model.ts';
import { openFamily } from './own-family.ts';
import { Studio } from './studio.ts';

const RECIPE = `# Three weights by hand.
merge_method: linear
base_model: base
models:
  - model: m1
    parameters:
      weight: 0.5 # half
  # This one learned less.
  - model: m2
    parameters:
      weight: 0.25
parameters:
  normalize: false
`;

let root: string;
test.beforeEach(async ({ page }, info) => {
  const { studio, root: folder } = await openFamily(page, info, RECIPE);
  root = folder;
  // The map of this recipe: the one before it may show halves as well.
  await expect(studio.cell('layer 0', 'mlp', 'm1')).toHaveText('0.50');
  await expect(studio.cell('layer 0', 'mlp', 'm2')).toHaveText('0.25');
});

async function middle(cell: Locator): Promise<{ x: number; y: number }> {
  await cell.scrollIntoViewIfNeeded();
  const box = await cell.boundingBox();
  if (!box) throw new Error('the cell is not shown');
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Drags from cell to cell with the button down. */
async function drag(page: Page, from: Locator, to: Locator) {
  const start = await middle(from);
  const end = await middle(to);
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(end.x, end.y, { steps: 3 });
  await page.mouse.up();
}

/** Expects that so many steps back, and no fewer, lead to the recipe as it was written. */
async function expectUndone(studio: Studio, steps: number) {
  for (let i = 1; i < steps; i++) await studio.button('Undo').click();
  await studio.expectRecipeWithout(RECIPE);
  await studio.button('Undo').click();
  await studio.expectRecipe(RECIPE);
}

test('zooms from groups to tensors by buttons, keys and wheel, and edits at each', async ({ page }) => {
  const studio = new Studio(page);
  const heads = () => studio.map.getByRole('columnheader').allInnerTexts();
  await studio.button('Finer').click();
  await expect.poll(heads).toContain('q_proj');
  await expect(studio.button('Finer')).toBeDisabled();
  const tensor = studio.cell('layer 1', 'up_proj', 'm1');
  await tensor.focus();
  await page.keyboard.press('Delete');
  await studio.typeOnto(tensor, '0.9');
  await expect(tensor).toHaveText('0.90');
  await expect(tensor).toBeFocused();
  await studio.expectRecipe(/filter: model\.layers\.1\.mlp\.up_proj\.\n\s+value: 0\.9/);
  await expect(studio.cell('layer 1', 'down_proj', 'm1')).toHaveText('0.50');

  await page.keyboard.press('[');
  await expect.poll(heads).toContain('mlp');
  await expect(studio.cell('layer 1', 'mlp', 'm1')).toBeFocused();
  await expect(studio.cell('layer 1', 'mlp', 'm1')).toHaveAccessibleName(/set by hand/);
  await page.keyboard.press('[');
  await expect.poll(heads).toContain('attention');
  const group = studio.cell('layer 1', 'MLP', 'm1');
  await expect(group).toBeFocused();
  await group.hover();
  await page.keyboard.press('Delete');
  await studio.expectRecipe(RECIPE);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -120);
  await page.keyboard.up('Control');
  await expect.poll(heads).toContain('mlp');
});

test('paints the cells of a model in one step, and leaves what is locked', async ({ page }, info) => {
  const studio = new Studio(page);
  await studio.cell('layer 1', 'mlp', 'm1').focus();
  await page.keyboard.press('l');
  await expect(studio.cell('layer 1', 'mlp', 'm1')).toHaveAccessibleName(/locked/);
  await page.keyboard.press('b');
  await expect(studio.button('Paint')).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('spinbutton', { name: 'Brush value' }).fill('0.75');
  await drag(page, studio.cell('layer 0', 'mlp', 'm1'), studio.cell('layer 2', 'mlp', 'm1'));
  await expect(page.getByText('1 locked cell was left alone.')).toBeVisible();
  for (const layer of [0, 2]) await expect(studio.cell(`layer ${layer}`, 'mlp', 'm1')).toHaveText('0.75');
  await expect(studio.cell('layer 1', 'mlp', 'm1')).toHaveText('0.50');
  await expect(studio.cell('layer 0', 'mlp', 'm2')).toHaveText('0.25');

  const painted = await studio.recipeText();
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  expect(textOf(saved, 'fusewright.yml')).toBe(painted);
  // What the map shows is what the file says.
  for (const layer of [0, 1, 2]) {
    const [, value = '0.5'] = new RegExp(`model\\.layers\\.${layer}\\.mlp\\.\\n\\s+value: (\\S+)`).exec(painted) ?? [];
    await expect(studio.cell(`layer ${layer}`, 'mlp', 'm1')).toHaveText(Number(value).toFixed(2));
  }
  const models = ['m1', 'm2'].map((name) => readModel(join(root, name)));
  const weights = (k: number, tensor: string) => (k === 0 ? (/layers\.[02]\.mlp\./.test(tensor) ? 0.75 : 0.5) : 0.25);
  expectNear(saved, linear(models, weights, false));

  await expectUndone(studio, 1);
  await studio.button('Redo').click();
  await studio.expectRecipe(painted);
});

test('mutes and solos in the recipe itself, and brings back what was', async ({ page }, info) => {
  const studio = new Studio(page);
  const mute = (name: string) => page.getByRole('button', { name: `Mute ${name}`, exact: true });
  const solo = (name: string) => page.getByRole('button', { name: `Solo ${name}`, exact: true });
  await solo('m1').click();
  await expect(solo('m1')).toHaveAttribute('aria-pressed', 'true');
  await expect(mute('m2')).toHaveAttribute('aria-pressed', 'true');
  await expect(mute('m1')).toBeDisabled();
  await studio.expectRecipe(/muted: true/);
  await expect(studio.cell('layer 0', 'mlp', 'm2')).toHaveAccessibleName(/muted/);
  // It keeps its settings, and they can be changed.
  await expect(studio.cell('layer 0', 'mlp', 'm2')).toHaveText('0.25');
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  expectNear(
    saved,
    linear([readModel(join(root, 'm1'))], () => 0.5, false),
  );
  await solo('m1').click();
  await expect(mute('m2')).toHaveAttribute('aria-pressed', 'false');
  await studio.expectRecipe(RECIPE);
  await studio.button('Undo').click();
  await expect(mute('m2')).toHaveAttribute('aria-pressed', 'true');
  await mute('m2').click();
  await expect(studio.cell('layer 0', 'mlp', 'm2')).not.toHaveAccessibleName(/muted/);
  await studio.expectRecipe(RECIPE);
});

test('copies a row onto others, reaches over a selection, and all undone leads back to the exact text', async ({
  page,
}) => {
  const studio = new Studio(page);
  const cell = (layer: number, module: string, model: string) => studio.cell(`layer ${layer}`, module, model);
  const row = (layer: number) => studio.map.getByRole('rowheader', { name: `layer ${layer}` });
  await studio.typeOnto(cell(0, 'mlp', 'm2'), '.4');
  await expect(cell(0, 'mlp', 'm2')).toHaveText('0.40');
  await row(0).focus();
  await page.keyboard.press('Control+c');
  await expect(page.getByText('Copied layer 0.')).toBeVisible();
  await row(1).focus();
  await page.keyboard.press('Shift+ArrowDown');
  await page.keyboard.press('Control+v');
  for (const layer of [1, 2]) {
    await expect(cell(layer, 'mlp', 'm2')).toHaveText('0.40');
    await expect(cell(layer, 'self_attn', 'm1')).toHaveText('0.50');
  }

  await test.step('plus on a selection moves all of it', async () => {
    await cell(0, 'self_attn', 'm1').focus();
    await page.keyboard.press('Shift+ArrowDown');
    await expect(cell(0, 'self_attn', 'm1')).toHaveAttribute('aria-selected', 'true');
    await page.keyboard.press('+');
    for (const layer of [0, 1]) await expect(cell(layer, 'self_attn', 'm1')).toHaveText('0.55');
    await expect(cell(2, 'self_attn', 'm1')).toHaveText('0.50');
  });

  await test.step('the same from the menu, without the keyboard', async () => {
    /** A click on a cell selects it, and opens its sliders, which are not wanted here. */
    const choose = async (place: Locator) => {
      const editor = page.getByRole('dialog', { name: /^Weights of / });
      await place.click();
      await expect(editor.getByRole('slider', { name: /m2$/ })).toBeFocused();
      await page.keyboard.press('Escape');
      await expect(editor).toHaveCount(0);
    };
    await choose(cell(0, 'mlp', 'm2'));
    await studio.button('More for the selection').click();
    await page
      .getByRole('dialog', { name: 'More for the selection' })
      .getByRole('button', { name: 'Copy weights' })
      .click();
    await choose(cell(1, 'self_attn', 'm2'));
    await studio.button('More for the selection').click();
    await page
      .getByRole('dialog', { name: 'More for the selection' })
      .getByRole('button', { name: 'Paste weights' })
      .click();
    await expect(cell(1, 'self_attn', 'm2')).toHaveText('0.40');
  });

  await test.step('the fader moves what is not set by hand', async () => {
    await page.getByRole('spinbutton', { name: 'm1 weight value', exact: true }).fill('1');
    await expect(cell(1, 'mlp', 'm1')).toHaveText('0.50');
    await expect(studio.cell('model.norm', 'outside layers', 'm1')).toHaveText('1.00');
  });

  await expectUndone(studio, 5);
  await expect(cell(0, 'mlp', 'm2')).toHaveText('0.25');
});
