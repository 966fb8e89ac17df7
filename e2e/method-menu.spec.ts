/** Twenty methods and more: finding one, changing to one that takes other models, and what stays of what was set. */

import { expect, test } from '@playwright/test';
import { textOf, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

let studio: Studio;
test.beforeEach(async ({ page }) => {
  studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
});

test('the menu is grouped, and each method says what it does', async ({ page }) => {
  const groups = await studio.method
    .locator('optgroup')
    .evaluateAll((all) => all.map((group) => group.getAttribute('label')));
  expect(groups).toEqual(['Evidence', 'Weighted sums', 'Task vectors', 'On the sphere', 'Selective', 'Stacking']);
  await studio.chooseMethod('ties');
  await expect(page.getByRole('region', { name: 'How to blend' })).toContainText('sign');
});

test('a method is found by the keyboard alone', async ({ page }) => {
  await studio.button('Find a method').focus();
  await page.keyboard.press('Enter');
  const finder = page.getByRole('dialog', { name: 'Find a method' });
  const search = finder.getByRole('combobox', { name: 'Search' });
  await expect(search).toBeFocused();
  await expect(finder.getByRole('option', { selected: true })).toContainText('VaRM');
  await page.keyboard.type('dare');
  await expect(finder.getByRole('option')).toHaveCount(2);
  await page.keyboard.press('ArrowDown');
  await expect(finder.getByRole('option', { selected: true })).toContainText('TIES');
  await page.keyboard.press('Enter');
  await expect(finder).toHaveCount(0);
  await expect(studio.method).toHaveValue('dare_ties');
  await studio.expectRecipe(/merge_method: dare_ties/);

  await test.step('nothing found, and nothing changed', async () => {
    await studio.button('Find a method').click();
    await expect(search).toBeFocused();
    await page.keyboard.type('quantum');
    await expect(finder.getByRole('status')).toContainText('No method has “quantum”');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    await expect(finder).toHaveCount(0);
    await expect(studio.method).toHaveValue('dare_ties');
  });
});

test('a method that takes one model asks which', async ({ page }) => {
  const before = await studio.recipeText();
  await studio.method.selectOption({ label: 'SLERP' });
  const question = page.getByRole('group', { name: 'Models for SLERP' });
  await expect(question).toContainText('SLERP takes one model beside the base, parrot-base.');
  // Nothing has happened yet.
  await studio.expectRecipe(before);
  await question.getByRole('button', { name: 'Keep Variation ratio (VaRM)' }).click();
  await expect(studio.method).toHaveValue('varm');

  await studio.method.selectOption({ label: 'SLERP' });
  await question.getByRole('radio', { name: 'parrot-spell' }).check();
  await question.getByRole('button', { name: 'Use SLERP' }).click();
  await studio.expectRecipe(/merge_method: slerp\nbase_model: parrot-base\nmodels:\n {2}- model: parrot-spell\n/);
  await expect(studio.map).toBeVisible();
  await expect(page.getByText('SLERP has no weights to set by hand; they follow from t.')).toBeVisible();

  await test.step('another model takes its place', async () => {
    await studio.checkpoint('parrot-shout').getByRole('checkbox', { name: 'In the blend' }).check();
    await expect(studio.checkpoint('parrot-spell').getByRole('checkbox', { name: 'In the blend' })).not.toBeChecked();
  });

  await test.step('and one step back brings all of it again', async () => {
    await studio.button('Undo').click();
    await studio.button('Undo').click();
    await studio.expectRecipe(before);
  });

  await test.step('exactly two', async () => {
    await studio.method.selectOption({ label: 'NuSLERP' });
    const two = page.getByRole('group', { name: 'Models for NuSLERP' });
    await expect(two.getByRole('checkbox', { checked: true })).toHaveCount(2);
    await expect(two.getByRole('checkbox', { name: 'parrot-spell' })).toBeDisabled();
    await two.getByRole('checkbox', { name: 'parrot-mirror' }).uncheck();
    await expect(two.getByRole('button', { name: 'Use NuSLERP' })).toBeDisabled();
    await two.getByRole('checkbox', { name: 'parrot-spell' }).check();
    await two.getByRole('button', { name: 'Use NuSLERP' }).click();
    await studio.expectRecipe(/parrot-shout[^]*parrot-spell/);
    await expect(studio.checkpoint('parrot-mirror')).toContainText(
      'NuSLERP takes exactly two models; take one out first.',
    );
  });
});

test('weights survive a change of method; what the new one lacks goes in the same step', async ({ page }) => {
  await studio.chooseMethod('della');
  await studio.field('weight of parrot-shout').fill('0.4');
  await studio.field('density of parrot-shout').fill('0.5');
  await studio.field('epsilon of parrot-shout').fill('0.1');
  await studio.field('seed').fill('123456789');
  await studio.expectRecipe(/seed: 123456789/);
  await expect(studio.slider('seed')).toHaveCount(0);
  await studio.button('Draw another seed').click();
  await studio.expectRecipeWithout(/seed: 123456789$/m);
  const before = await studio.recipeText();

  await studio.chooseMethod('ties');
  await expect(studio.field('weight of parrot-shout')).toHaveValue('0.4');
  await expect(studio.field('density of parrot-shout')).toHaveValue('0.5');
  await studio.expectRecipeWithout(/epsilon|seed/);
  await expect(page.getByText('int8_mask')).toHaveCount(0);
  await studio.button('Undo').click();
  await studio.expectRecipe(before);
});

test('a recipe of slices is shown and merged, and edited as text', async ({ page }, info) => {
  const half = (model: string, from: number, to: number) =>
    `  - sources:\n      - model: ${model}\n        layer_range: [${from}, ${to}]\n`;
  await studio.writeRecipe(
    `merge_method: passthrough\nslices:\n${half('parrot-shout', 0, 3)}${half('parrot-spell', 1, 4)}dtype: bfloat16\n`,
  );
  await expect(studio.method).toHaveValue('passthrough');
  await expect(studio.button('Save')).toBeEnabled();
  await expect(studio.checkpoints).toContainText('says in its text which layers come from which checkpoint');
  await expect(page.getByRole('region', { name: 'How to blend' })).toContainText('set in its text below');
  await expect(studio.checkpoint('parrot-shout').getByRole('checkbox')).toBeDisabled();
  await studio.merge();
  const download = await studio.save();
  const saved = await unpack(download, info.outputPath('saved'));
  expect(JSON.parse(textOf(saved, 'config.json'))).toMatchObject({ num_hidden_layers: 6 });
  expect([...saved.tensors.keys()].some((name) => name.startsWith('model.layers.5.'))).toBe(true);
});

test('a recipe goes to mergekit by the clipboard, or says why it cannot', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const item = page.getByRole('dialog', { name: 'Copy' }).getByRole('button', { name: 'Copy as mergekit command' });
  await studio.button('Copy').click();
  await expect(item).toBeDisabled();
  await expect(item).toHaveAccessibleDescription(/mergekit has no method varm/);
  await page.keyboard.press('Escape');
  await studio.chooseMethod('ties');
  await studio.field('density of parrot-shout').fill('0.5');
  await studio.expectRecipe(/density: 0.5/);
  await studio.button('Copy').click();
  await expect(item).toBeEnabled();
  await item.click();
  await expect(studio.status).toContainText('The mergekit command, with its recipe, is on the clipboard.');
  const script = await page.evaluate(() => navigator.clipboard.readText());
  expect(script).toMatch(/^cat > recipe\.yml <<'END_OF_RECIPE'\nmerge_method: ties\n/m);
  expect(script).toMatch(/density: 0\.5/);
  expect(script).toMatch(/^mergekit-yaml recipe\.yml \.\/merged$/m);
});

test('a recipe of several parts is merged in one go', async ({ page }, info) => {
  await studio.writeRecipe(
    'name: first\nmerge_method: linear\nmodels:\n  - model: parrot-shout\n    parameters: {weight: 1}\n  - model: parrot-spell\n    parameters: {weight: 1}\n---\nmerge_method: slerp\nbase_model: parrot-base\nmodels:\n  - model: first\nparameters: {t: 0.5}\n',
  );
  await expect(studio.method).toHaveValue('slerp');
  await expect(studio.button('Save')).toBeEnabled();
  await expect(page.getByRole('region', { name: 'How to blend' })).toContainText('has several parts');
  await studio.merge();
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  await expect(studio.audit.getByRole('heading')).toHaveText('Audit passed');
  expect(saved.tensors.size).toBe(38);
});
