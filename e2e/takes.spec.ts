/** Takes: recipes kept under a name, switched between as A and B, heard side by side, and undone exactly. */

import { expect, type Locator, test } from '@playwright/test';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

const NARROW = { width: 390, height: 844 };

/** The takes as a person drives them. */
class Takes {
  readonly region: Locator;

  constructor(readonly studio: Studio) {
    this.region = studio.page.getByRole('region', { name: 'Takes' });
  }

  take(name: string): Locator {
    return this.region.getByRole('button', { name: new RegExp(`^${name}( changed)?$`) });
  }

  /** Opens what can be done with a take, and does it. */
  async act(name: string, what: string): Promise<void> {
    await this.region.getByRole('button', { name: `More for ${name}` }).click();
    await this.studio.page.getByRole('dialog', { name }).getByRole('button', { name: what, exact: true }).click();
  }

  side(letter: 'A' | 'B'): Locator {
    return this.region.getByRole('combobox', { name: `${letter}: take` });
  }
}

test('takes are kept, chosen, renamed, deleted and brought back', async ({ page }) => {
  const studio = new Studio(page);
  const takes = new Takes(studio);
  await studio.visit();
  await studio.openSamples();
  const first = await studio.recipeText();
  await studio.button('Keep take').click();
  await expect(takes.take('Take 1')).toHaveAttribute('aria-pressed', 'true');
  // The same recipe twice would be one take under two names.
  await expect(studio.button('Keep take')).toBeDisabled();
  await studio.field('weight of parrot-shout').fill('0.25');
  await studio.expectRecipe(/weight: 0.25/);
  const second = await studio.recipeText();
  await expect(takes.take('Take 1')).toHaveText('Take 1 changed');
  await page.keyboard.press('ControlOrMeta+Shift+K');
  await expect(takes.take('Take 2')).toHaveAttribute('aria-pressed', 'true');
  await expectAccessible(page, 'two takes');

  await test.step('a take is chosen in one step that can be undone', async () => {
    await takes.take('Take 1').click();
    await studio.expectRecipe(first);
    await studio.button('Undo').click();
    await studio.expectRecipe(second);
  });

  await test.step('what differs is said in words', async () => {
    await takes.region.getByRole('button', { name: 'More for Take 1' }).click();
    const dialog = page.getByRole('dialog', { name: 'Take 1' });
    await expect(dialog).toContainText('From the recipe to this take: weight of parrot-shout 0.25 → unset.');
    await expectAccessible(page, 'what can be done with a take');
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
  });

  await test.step('a name in place', async () => {
    await takes.act('Take 2', 'Rename');
    await page.getByRole('textbox', { name: 'Name of the take' }).fill('Less shouting');
    await page.keyboard.press('Enter');
    await expect(takes.take('Less shouting')).toBeVisible();
  });

  await test.step('deleted, and back', async () => {
    await takes.act('Less shouting', 'Delete');
    await expect(takes.take('Less shouting')).toHaveCount(0);
    await expect(takes.region).toContainText('Less shouting was deleted.');
    await takes.region.getByRole('button', { name: 'Bring it back' }).click();
    await expect(takes.take('Less shouting')).toHaveAttribute('aria-pressed', 'true');
  });

  await test.step('a reload keeps them, and what is loaded', async () => {
    await takes.take('Take 1').click();
    await page.reload();
    await studio.expectRecipe(first);
    await expect(takes.take('Take 1')).toHaveAttribute('aria-pressed', 'true');
    await takes.take('Less shouting').click();
    await studio.expectRecipe(second);
  });

  await page.setViewportSize(NARROW);
  await expectNoSidewaysScroll(page);
});

test('A and B: the live blend follows, and undo is exact', async ({ page }) => {
  const studio = new Studio(page);
  const takes = new Takes(studio);
  await studio.visit();
  await studio.openSamples();
  await studio.field('weight of parrot-shout').fill('0');
  await studio.expectRecipe(/weight: 0$/m);
  const quiet = await studio.recipeText();
  await studio.merge();
  await studio.button('Keep take').click();
  await studio.field('weight of parrot-shout').fill('2');
  await studio.expectRecipe(/weight: 2$/m);
  const loud = await studio.recipeText();
  let blend = await studio.blendAfter(1);
  await expect(takes.region).toContainText('B is on. From A to B: weight of parrot-shout 0 → 2.');

  await test.step('the key switches, back and forth, and the blend with it', async () => {
    await studio.cell('layer 1', 'mlp', 'parrot-shout').focus();
    for (const text of [quiet, loud, quiet]) {
      await page.keyboard.press('x');
      await studio.expectRecipe(text);
      blend = await studio.blendAfter(blend);
    }
    await expect(takes.region).toContainText('A is on.');
  });

  await test.step('in a field the key is a letter', async () => {
    await studio.message.fill('');
    await studio.message.press('x');
    await expect(studio.message).toHaveValue('x');
    await studio.expectRecipe(quiet);
    await studio.message.fill('');
  });

  await test.step('however often, undo leads to before it', async () => {
    for (let i = 0; i < 6; i++) await studio.button('Switch A and B').click();
    await studio.expectRecipe(quiet);
    await studio.button('Undo').click();
    await studio.expectRecipe(loud);
  });

  await test.step('both answer in the chat, side by side', async () => {
    await studio.button('Keep take').click();
    await takes.side('B').selectOption('Take 2');
    await studio.button('Compare in chat').click();
    await expect(studio.talkTo.locator('option:checked')).toHaveText('Take 1');
    await expect(studio.combobox('Column 2').locator('option:checked')).toHaveText('Take 2');
    await studio.say('Shout wood');
    await expect(studio.column('Take 2')).toContainText('WOOD');
    await expect(studio.column('Take 1')).not.toContainText('WOOD');
    await expectAccessible(page, 'two takes in the chat');
  });
});
