/** Locks: what is locked keeps its weight under presets, faders, groups, curves and reset, and the page says so. */

import { expect, test } from '@playwright/test';
import { openFamily } from './own-family.ts';

const RECIPE = `# Two weights by hand.
merge_method: task_arithmetic
base_model: base
models:
  - model: m1
    parameters:
      weight: 0.5 # half
  - model: m2
    parameters:
      weight: 0.25
`;

test('a locked cell and a locked strip keep their weights under every gesture that changes many', async ({
  page,
}, info) => {
  const { studio } = await openFamily(page, info, RECIPE);
  const locked = studio.cell('layer 1', 'mlp', 'm1');
  const free = studio.cell('layer 1', 'self_attn', 'm1');
  const strip = studio.cell('layer 0', 'mlp', 'm2');
  const readout = page.locator('p[aria-live]').filter({ hasText: /locked cell/ });
  await expect(locked).toHaveText('0.50');
  await locked.focus();
  await page.keyboard.press('l');
  await page.getByRole('button', { name: 'Lock m2', exact: true }).click();
  await expect(studio.slider('m2 weight')).toBeDisabled();
  await expect(studio.slider('weight of m2')).toBeDisabled();

  await studio.field('m1 weight').fill('0.9');
  await expect(free).toHaveText('0.90');
  await expect(locked).toHaveText('0.50');
  await expect(readout).toHaveText('1 locked cell kept its weight.');
  await studio.button('Undo').click();
  await studio.expectRecipe(RECIPE);

  await studio.button('Presets').click();
  await page.getByRole('button', { name: 'Add everything', exact: true }).click();
  await expect(free).toHaveText('1.00');
  await expect(locked).toHaveText('0.50');
  await expect(strip).toHaveText('0.25');
  await expect(readout).toHaveText(/^\d+ locked cells kept their weights\.$/);
  await studio.expectRecipe(/# Two weights by hand\./);
  await studio.button('Undo').click();
  await studio.expectRecipe(RECIPE);

  await page.getByText('Groups by name').click();
  await page.getByLabel('New group').fill('mlp');
  await studio.button('Add group').click();
  await studio.field('weight of m1 in mlp').fill('0.1');
  await expect(studio.cell('layer 0', 'mlp', 'm1')).toHaveText('0.10');
  await expect(locked).toHaveText('0.50');
  await expect(studio.slider('weight of m2 in mlp')).toBeDisabled();

  await page.getByText('Curves over layers').click();
  await page.getByRole('group', { name: 'Shapes' }).getByRole('button', { name: 'ramp up' }).click();
  await expect(studio.cell('layer 0', 'self_attn', 'm1')).toHaveText('0.00');
  await expect(locked).toHaveText('0.50');
  await studio.button('Reset weights').click();
  await expect(studio.cell('layer 0', 'mlp', 'm1')).toHaveText('0.00');
  await expect(locked).toHaveText('0.50');
  await expect(readout).toHaveText('1 locked cell was left alone.');
});
