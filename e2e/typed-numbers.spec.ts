/** Numbers typed on a slider go to its field: Enter applies them, Escape takes them back and closes nothing. */

import { expect, test } from '@playwright/test';
import { HALF_OF_M1, openFamily } from './own-family.ts';

test('a number is typed on the slider of a cell, and on a fader', async ({ page }, info) => {
  const { studio } = await openFamily(page, info, HALF_OF_M1);
  const cell = studio.cell('layer 1', 'mlp', 'm1');
  await cell.focus();
  await page.keyboard.press('Enter');
  const editor = page.getByRole('dialog', { name: 'Weights of layer 1 mlp' });
  const slider = studio.slider('layer 1 mlp m1');
  const field = studio.field('layer 1 mlp m1');
  await expect(slider).toBeFocused();
  await page.keyboard.type('0.75');
  await expect(field).toBeFocused();
  await expect(field).toHaveValue('0.75');
  await studio.expectRecipe(HALF_OF_M1);
  await page.keyboard.press('Escape');
  await expect(slider).toBeFocused();
  await expect(field).toHaveValue('0.5');
  await expect(editor).toBeVisible();
  await studio.expectRecipe(HALF_OF_M1);

  await page.keyboard.type('.8');
  await page.keyboard.press('Enter');
  await expect(slider).toBeFocused();
  await expect(field).toHaveValue('0.8');
  await studio.expectRecipe(/filter: model\.layers\.1\.mlp\.\n\s+value: 0\.8/);
  // What is typed in the field itself holds at once, and Escape takes it back, too.
  await field.fill('1.5');
  await studio.expectRecipe(/value: 1\.5/);
  await page.keyboard.press('Escape');
  await studio.expectRecipe(/filter: model\.layers\.1\.mlp\.\n\s+value: 0\.8/);
  await expect(editor).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(editor).toBeHidden();
  await expect(cell).toBeFocused();

  await studio.slider('m1 weight').focus();
  await page.keyboard.type('0.25');
  await page.keyboard.press('Tab');
  await expect(studio.slider('m1 weight')).toHaveValue('0.25');
  await expect(studio.cell('layer 0', 'mlp', 'm1')).toHaveText('0.25');
});
