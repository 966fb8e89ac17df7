/** Curves over the layers, groups by name and presets: what a hand draws stands in the recipe, and in the bytes that are saved. */

import { join } from 'node:path';
import { expect, type Locator, test } from '@playwright/test';
import { linear, readModel } from '../src/cli/test/oracle.ts';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { expectNear, textOf, unpack } from './saved-model.ts';
import { openFamily } from './own-family.ts';
import { Studio } from './studio.ts';

const RECIPE = `# A recipe of my own.
merge_method: linear
models:
  - model: m1
    parameters:
      weight: 0.5 # half of it
  # The other half.
  - model: m2
    parameters:
      weight: 0.5
parameters:
  normalize: false
`;

/** The recipe with other lines for m1's weight. */
const withWeight = (...lines: string[]) =>
  RECIPE.replace(
    '      weight: 0.5 # half of it\n',
    ['      weight:', ...lines.map((line) => `        ${line}`), ''].join('\n'),
  );

let root: string;
test.beforeEach(async ({ page }, info) => {
  const { studio, root: folder } = await openFamily(page, info, RECIPE);
  root = folder;
  await expect(studio.field('weight of m1')).toHaveValue('0.5');
});

/** Opens the curves and picks one. */
async function pickCurve(studio: Studio, model: string, over: string): Promise<Locator> {
  await studio.page.getByText('Curves over layers', { exact: true }).click();
  await studio.combobox('For model').selectOption({ label: model });
  await studio.combobox('Over').selectOption({ label: over });
  return studio.page.getByRole('group', { name: `Curve of weight of ${model}, ${over}` });
}

const point = (plot: Locator, index: number) => plot.locator(`[data-point="${index}"]`);

/** What the picture says that each layer gets. */
const drawn = (plot: Locator) =>
  plot
    .locator('circle[data-layer]')
    .evaluateAll((dots) =>
      dots.map((dot) => [Number(dot.getAttribute('data-layer')), Number(dot.getAttribute('data-value'))]),
    );

/** Saves, and expects m1 to have these weights in the layers' tensors that a part of their names picks, 0.5 elsewhere. */
async function expectSaved(studio: Studio, folder: string, part: string, weights: readonly number[]) {
  const models = ['m1', 'm2'].map((name) => readModel(join(root, name)));
  await expect(studio.button('Save')).toBeEnabled();
  const saved = await unpack(await studio.save(), folder);
  expect(textOf(saved, 'fusewright.yml')).toBe(await studio.recipeText());
  const weightOf = (k: number, tensor: string) => {
    const layer = Number(/layers\.(\d+)\./.exec(tensor)?.[1] ?? 0);
    return k === 0 && tensor.includes(part) ? (weights[layer] ?? Number.NaN) : 0.5;
  };
  expectNear(saved, linear(models, weightOf, false));
}

test('a curve by keyboard: shape, points, values; text, picture and bytes agree', async ({ page }, info) => {
  const studio = new Studio(page);
  const plot = await pickCurve(studio, 'm1', 'mlp');
  await expect(plot.getByRole('slider')).toHaveCount(0);
  await page.getByRole('button', { name: 'ramp up', exact: true }).press('Enter');
  await studio.expectRecipe(withWeight('- filter: mlp', '  value: [0, 1]', '- value: 0.5 # half of it'));
  await expect(plot.getByRole('slider')).toHaveCount(2);
  await expect(point(plot, 0)).toHaveAttribute('aria-valuetext', 'layer 0 of 3: 0');

  await point(plot, 0).focus();
  await page.keyboard.press('+');
  await expect(plot.getByRole('slider', { name: 'Point 2 of 3' })).toBeFocused();
  // A point on the line changes nothing.
  await studio.expectRecipe(/value: \[0, (?:0\.5, )?1\]/);
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Shift+ArrowUp');
  await studio.expectRecipe(withWeight('- filter: mlp', '  value: [0, 0.63, 1]', '- value: 0.5 # half of it'));
  await expect(point(plot, 1)).toHaveAttribute('aria-valuetext', 'layer 1 of 3: 0.63');
  await page.keyboard.press('ArrowRight');
  await expect(point(plot, 2)).toBeFocused();
  await page.keyboard.press('PageDown');
  await expect(point(plot, 2)).toHaveAttribute('aria-valuenow', '0.9');
  await expect
    .poll(() => drawn(plot))
    .toEqual([
      [0, 0],
      [1, 0.63],
      [2, 0.9],
    ]);
  await expectSaved(studio, info.outputPath('saved'), '.mlp.', [0, 0.63, 0.9]);

  await page.keyboard.press('ArrowLeft');
  await point(plot, 1).focus();
  await page.keyboard.press('Delete');
  await studio.expectRecipe(withWeight('- filter: mlp', '  value: [0, 0.9]', '- value: 0.5 # half of it'));
  // The ends stay.
  await point(plot, 0).focus();
  await page.keyboard.press('Delete');
  await studio.expectRecipe(/value: \[0, 0\.9\]/);
  await studio.button('Remove the curve').click();
  await studio.expectRecipe(RECIPE);
});

test('a curve by mouse: one drag is one step back', async ({ page }, info) => {
  const studio = new Studio(page);
  const plot = await pickCurve(studio, 'm1', 'all tensors');
  await expect(plot.getByRole('slider')).toHaveCount(2);
  await plot.scrollIntoViewIfNeeded();
  const middleOf = async (index: number) => {
    const box = await point(plot, index).boundingBox();
    if (!box) throw new Error('no such point');
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };

  const last = await middleOf(1);
  await page.mouse.move(last.x, last.y);
  await page.mouse.down();
  await page.mouse.move(last.x, last.y - 20, { steps: 4 });
  await page.mouse.move(last.x, last.y - 30, { steps: 4 });
  await page.mouse.up();
  await expect(point(plot, 1)).toBeFocused();
  const dragged = await studio.recipeText();
  const [, end] = /weight: \[0\.5, ([\d.]+)\] # half of it/.exec(dragged) ?? [];
  expect(Number(end)).toBeGreaterThan(0.6);

  // A click into the picture puts a point there, and holds it while the button is down.
  const first = await middleOf(0);
  await page.mouse.move((first.x + last.x) / 2, first.y + 20);
  await page.mouse.down();
  await page.mouse.move((first.x + last.x) / 2, first.y + 30, { steps: 3 });
  await page.mouse.up();
  await expect(plot.getByRole('slider')).toHaveCount(3);
  const [, middle] = /weight: \[0\.5, ([\d.]+), [\d.]+\] # half of it/.exec(await studio.recipeText()) ?? [];
  expect(Number(middle)).toBeLessThan(0.5);
  const values = [0.5, Number(middle), Number(end)];
  await expect.poll(() => drawn(plot)).toEqual([...values.entries()]);
  await expectSaved(studio, info.outputPath('saved'), 'layers.', values);

  await studio.button('Undo').click();
  await studio.expectRecipe(dragged);
  await studio.button('Undo').click();
  await studio.expectRecipe(RECIPE);
});

test('a gradient written by hand is drawn, and what hides it is said', async ({ page }) => {
  const studio = new Studio(page);
  const text = withWeight(
    '- filter: layers.1.mlp # by hand',
    '  value: 0.2',
    '- filter: mlp',
    '  value: [1, 0.25, 0.5, 0.75, 0.125] # as I like it',
    '- value: 0.5',
  );
  await studio.writeRecipe(text);
  const plot = await pickCurve(studio, 'm1', 'mlp');
  await expect(plot.getByRole('slider')).toHaveCount(5);
  await expect(point(plot, 1)).toHaveAttribute('aria-valuetext', 'between layers 0 and 1 of 3: 0.25');
  await expect
    .poll(() => drawn(plot))
    .toEqual([
      [0, 1],
      [1, 0.2],
      [2, 0.125],
    ]);
  await expect(page.getByRole('note', { name: 'About the curve' })).toContainText(
    'The first match in the list decides: 3 of its 9 tensors go by what stands above, “layers.1.mlp” in layer 1.',
  );
  await studio.expectRecipe(text);
  await expect(studio.button('Undo')).toBeEnabled();

  await test.step('other models and all of them have curves of their own', async () => {
    await studio.combobox('For model').selectOption({ label: 'all models' });
    await studio.combobox('Over').selectOption({ label: 'all tensors' });
    await page.getByRole('button', { name: 'valley', exact: true }).click();
    await studio.expectRecipe(/\nparameters:\n {2}normalize: false\n {2}weight: \[1, 0, 1\]\n$/);
    await expect(page.getByRole('note', { name: 'About the curve' })).toContainText(
      'm1 and m2 have a weight of their own, which decides there.',
    );
  });
});

test('groups by name: faders, order, other words, and what finds nothing', async ({ page }, info) => {
  const studio = new Studio(page);
  await page.getByText('Groups by name', { exact: true }).click();
  const field = page.getByLabel('New group');
  const add = async (filter: string) => {
    await field.fill(filter);
    await studio.button('Add group').click();
  };
  await field.fill('mpl');
  await expect(page.getByText('No tensor has “mpl” in its name; did you mean mlp?')).toBeVisible();
  await add('mlp');
  const group = (filter: string) => page.getByRole('listitem', { name: filter, exact: true });
  await expect(group('mlp')).toContainText('9 tensors');
  // Nothing stands in the recipe before a fader is moved.
  await studio.expectRecipe(RECIPE);
  await group('mlp').getByRole('spinbutton', { name: 'weight of m1 in mlp value' }).fill('0.75');
  await studio.expectRecipe(withWeight('- filter: mlp', '  value: 0.75', '- value: 0.5 # half of it'));
  await expectSaved(studio, info.outputPath('saved'), '.mlp.', [0.75, 0.75, 0.75]);

  await add('up_proj');
  await group('up_proj').getByRole('slider', { name: 'weight of m1 in up_proj', exact: true }).fill('0.25');
  await studio.expectRecipe(/- filter: up_proj\n\s+value: 0\.25\n\s+- filter: mlp/);
  const before = await studio.recipeText();
  await studio.button('Move up_proj down').click();
  await studio.expectRecipe(/- filter: mlp\n\s+value: 0\.75\n\s+- filter: up_proj/);
  await expect(group('up_proj')).toContainText('all 3 of its tensors go by what stands above, “mlp”');
  await studio.button('Move up_proj up').click();
  await studio.expectRecipe(before);

  await studio.button('Rename up_proj').click();
  await page.getByRole('textbox', { name: 'New words for up_proj' }).fill('gate_proj');
  await page.keyboard.press('Enter');
  await studio.expectRecipe(before.replace('up_proj', 'gate_proj'));
  await studio.button('Remove gate_proj').click();
  await studio.button('Remove mlp').click();
  await studio.expectRecipe(RECIPE);
  await studio.button('Undo').click();
  await studio.button('Undo').click();
  await studio.button('Undo').click();
  await studio.expectRecipe(before);
});

test('presets say when to use them, set everything in one step, and go back in one', async ({ page }) => {
  const studio = new Studio(page);
  await studio.chooseMethod('ties');
  const before = await studio.recipeText();
  await studio.button('Presets').click();
  const menu = page.getByRole('dialog', { name: 'Presets of TIES' });
  await expect(menu.getByText('Use it where a fifth is too little of what the models learned.')).toBeVisible();
  await menu.getByRole('button', { name: 'Keep half', exact: true }).click();
  await expect(menu).toHaveCount(0);
  await expect(studio.field('density of m1')).toHaveValue('0.5');
  await expect(studio.field('density of m2')).toHaveValue('0.5');
  await expect(studio.field('weight of m1')).toHaveValue('1');
  await expect(page.getByRole('switch', { name: 'normalize' })).toBeChecked();
  await studio.expectRecipe(/# half of it/);
  await studio.button('Presets').click();
  await expect(menu.getByRole('button', { name: 'Keep half, in use' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(studio.button('Presets')).toBeFocused();
  await studio.button('Undo').click();
  await studio.expectRecipe(before);

  await test.step('help where the control is', async () => {
    await studio.button('About density').click();
    const help = page.getByRole('dialog', { name: 'About density' });
    await expect(help).toContainText('The share of this model’s changes that stays; 1 keeps all of them.');
    await expect(help).toContainText('0 to 1 on the slider; a recipe may go above.');
    await page.keyboard.press('Escape');
    await expect(help).toHaveCount(0);
    await studio.button('About TIES').click();
    await expect(page.getByRole('dialog', { name: 'About TIES' })).toContainText('base + models.');
    await page.keyboard.press('Escape');
  });
});

test('for everybody: axe, and a phone', async ({ page }) => {
  const studio = new Studio(page);
  const plot = await pickCurve(studio, 'm1', 'mlp');
  await page.getByRole('button', { name: 'hill', exact: true }).click();
  await expect(plot.getByRole('slider')).toHaveCount(3);
  await page.getByText('Groups by name', { exact: true }).click();
  await page.getByLabel('New group').fill('q_proj');
  await studio.button('Add group').click();
  await expectAccessible(page, 'curves and groups');
  await studio.button('Presets').click();
  await expectAccessible(page, 'presets');
  await page.keyboard.press('Escape');
  await studio.button('About normalize').click();
  await expectAccessible(page, 'help of a parameter');
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 390, height: 844 });
  await plot.scrollIntoViewIfNeeded();
  await expectNoSidewaysScroll(page);
});
