/** The page for everybody: axe finds nothing on any screen in either colour scheme, and a keyboard alone is enough. */

import { join } from 'node:path';
import { expect, type Locator, type Page, test } from '@playwright/test';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

const MODELS = join(import.meta.dirname, 'fixtures', 'models');
const NARROW = { width: 390, height: 844 };
const WIDE = { width: 1280, height: 720 };

test('axe, from the empty page to a chat in all its parts', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await expectAccessible(page, 'empty');
  await studio.openSamples();
  await expectAccessible(page, 'samples open');
  await studio.merge();
  await studio.say('Shout wood');
  await expectAccessible(page, 'merged, with a conversation');
  await studio.cell('layer 1', 'mlp', 'parrot-shout').click();
  await expect(page.getByRole('dialog')).toBeVisible();
  await expectAccessible(page, 'the editor of a cell');
  await page.keyboard.press('Escape');
  const text = await studio.recipeText();
  await studio.writeRecipe(`${text}nonsense: 1\n`);
  await expect(studio.recipe).toHaveAttribute('aria-invalid', 'true');
  await expectAccessible(page, 'an error in the recipe');
  await page.setViewportSize(NARROW);
  await expectNoSidewaysScroll(page);
  await expectAccessible(page, 'narrow');
  await page.setViewportSize(WIDE);
  await studio.writeRecipe(text);
  await expect(studio.recipe).toHaveAttribute('aria-invalid', 'false');

  await studio.compareWith('parrot-base');
  await studio.button('Regenerate').click();
  await studio.replied();
  await expectAccessible(page, 'two columns and where they part');
  await page.getByRole('switch', { name: 'Show probabilities' }).check();
  await studio.turn().getByRole('listbox').first().focus();
  await expect(studio.turn().getByRole('tooltip')).toBeVisible();
  await expectAccessible(page, 'probabilities');
  await page.getByRole('switch', { name: 'Show probabilities' }).uncheck();
  await page.getByText('Chat template', { exact: true }).click();
  await page.getByRole('textbox', { name: 'Chat template' }).fill('{% nonsense %}');
  await expect(page.getByRole('textbox', { name: 'Chat template' })).toHaveAttribute('aria-invalid', 'true');
  await page.getByText('Perplexity of a text').click();
  await page.getByRole('textbox', { name: 'Text to foresee' }).fill('Shout wood');
  await studio.button('Compute perplexity').click();
  await expect(page.getByRole('table', { name: 'Perplexity by model' })).toHaveAttribute('aria-busy', 'false', {
    timeout: 300_000,
  });
  await expectAccessible(page, 'a template that is wrong, and perplexity');
  await studio.button('Reset the template').click();
  await studio.turn().getByRole('button', { name: 'Edit what you wrote' }).click();
  await expect(page.getByRole('textbox', { name: 'Your text' })).toBeFocused();
  await expectAccessible(page, 'a message that is edited');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Conversations: / }).click();
  await expect(page.getByRole('dialog', { name: 'Conversations' })).toBeVisible();
  await expectAccessible(page, 'the list of conversations');
  await page.keyboard.press('Escape');
  await studio.button('Wide chat').click();
  await expect(studio.map).toBeHidden();
  await expectAccessible(page, 'a wide chat');
  await page.setViewportSize(NARROW);
  await expectNoSidewaysScroll(page);
  await expectAccessible(page, 'the chat, narrow');
});

test('axe, what belongs to methods and audits', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.save();
  await studio.audit.getByText(/^SHA-256 of/).click();
  await expectAccessible(page, 'saved, with its audit');
  await studio.button('Find a method').click();
  await expect(page.getByRole('dialog', { name: 'Find a method' })).toBeVisible();
  await expectAccessible(page, 'the finder of methods');
  await page.keyboard.press('Escape');
  await studio.button('Copy').click();
  await expect(page.getByRole('dialog', { name: 'Copy' })).toBeVisible();
  await expectAccessible(page, 'what to copy');
  await page.keyboard.press('Escape');
  await studio.method.selectOption('slerp');
  await expect(page.getByRole('group', { name: 'Models for SLERP' })).toBeVisible();
  await expectAccessible(page, 'the question which model');
  await studio.button('Use SLERP').click();
  await expect(page.getByText('SLERP has no weights to set by hand')).toBeVisible();
  await expectAccessible(page, 'a map that can only be read');
  await studio.button('Undo').click();
  // Away from the button and its hint.
  await page.mouse.move(0, 0);
  await studio.chooseMethod('della');
  await expect(studio.field('epsilon of parrot-shout')).toBeVisible();
  await expectAccessible(page, 'many parameters');
});

test('axe, when things are refused', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFiles(join(MODELS, 'safetensors-edge', 'sixteen_zero_bytes.safetensors'));
  await expect(page.getByRole('alert')).toBeVisible();
  await expectAccessible(page, 'a refused file on the empty page');
  for (const name of ['stories260K-llama', 'llama2xs-500it']) await studio.addFolder(join(MODELS, name));
  await expect(page.getByRole('region', { name: 'Before merging' })).toBeVisible();
  await expectAccessible(page, 'a refused merge');
  await page.setViewportSize(NARROW);
  await expectNoSidewaysScroll(page);
});

/** Presses Tab until something has the focus, as somebody without a mouse does. */
async function tabTo(page: Page, target: Locator) {
  for (let presses = 0; presses < 120; presses++) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`120 times Tab did not lead to ${target}`);
}

test('from opening to a reply and a saved file without a mouse', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await tabTo(page, studio.button('Open samples'));
  // What that button does by itself afterwards is told in `first-question.spec.ts`; here a person does it by hand.
  await studio.runCommand('samples without');
  await expect(studio.map).toBeVisible();

  await tabTo(page, studio.slider('weight of parrot-spell'));
  await page.keyboard.press('ArrowRight');
  await expect(studio.field('weight of parrot-spell')).toHaveValue('1.01');

  await tabTo(page, studio.button('Merge'));
  await expect(studio.button('Merge')).toBeEnabled();
  await page.keyboard.press('Enter');
  await studio.blendAfter(0);
  // The focus stays where it was, also while the button could not be pressed.
  await expect(studio.button('Merge')).toBeFocused();

  await tabTo(page, studio.message);
  await page.keyboard.type('Shout wood');
  await expect(studio.button('Send')).toBeEnabled();
  await page.keyboard.press('Enter');
  await studio.replied();
  expect((await studio.lastTurn())[1]).toBe('WOOD');
  await expect(studio.message).toBeFocused();

  await tabTo(page, studio.button('Save'));
  await expect(studio.button('Save')).toBeEnabled();
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  expect(download.suggestedFilename()).toBe('merged.zip');
});
