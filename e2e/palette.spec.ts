/** Findability: the command palette over everything that can be done, the help, and keys that give way to typing. */

import { expect, type Page, test } from '@playwright/test';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

const NARROW = { width: 390, height: 844 };

function palette(page: Page) {
  const dialog = page.getByRole('dialog', { name: 'Command palette' });
  const active = dialog.locator('[aria-selected="true"]');
  return { dialog, field: dialog.getByRole('combobox', { name: 'Find a command' }), active };
}

async function openPalette(page: Page) {
  await page.keyboard.press('ControlOrMeta+k');
  await expect(palette(page).field).toBeFocused();
}

test('the palette finds and runs commands, methods, views and help', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  const { dialog, field, active } = palette(page);

  await test.step('before anything is open: what cannot be used says why, and Enter does nothing', async () => {
    await studio.button('Command palette').click();
    await expect(field).toBeFocused();
    await field.fill('merge');
    await expect(active).toContainText('Open a base model and its fine-tunes to merge them.');
    await expect(active).toHaveAttribute('aria-disabled', 'true');
    await page.keyboard.press('Enter');
    await expect(dialog).toBeVisible();
    await expectAccessible(page, 'the palette');
    await field.fill('nothing is called so');
    await expect(dialog.getByRole('status')).toContainText('Nothing is called');
    await expectAccessible(page, 'the palette without a find');
    await page.keyboard.press('Escape');
    await expect(dialog).toBeHidden();
    await expect(studio.button('Command palette')).toBeFocused();
  });

  await test.step('words in any order run a command', async () => {
    await openPalette(page);
    await page.keyboard.type('without samples');
    await expect(active).toContainText('Open samples without merging');
    await page.keyboard.press('Enter');
    await expect(dialog).toBeHidden();
    await expect(studio.map).toBeVisible();
  });

  await test.step('the arrow keys move, and what has the focus is told', async () => {
    await openPalette(page);
    const first = await active.innerText();
    await page.keyboard.press('ArrowDown');
    await expect(active).not.toHaveText(first, { useInnerText: true });
    const id = (await active.getAttribute('id')) ?? 'none';
    await expect(field).toHaveAttribute('aria-activedescendant', id);
    await page.keyboard.press('ArrowUp');
    await expect(active).toHaveText(first, { useInnerText: true });
    await page.keyboard.press('ArrowUp');
    await expect(active).toContainText('Method: ');
    // The same keys close it.
    await page.keyboard.press('ControlOrMeta+k');
    await expect(dialog).toBeHidden();
  });

  await test.step('a method, and back', async () => {
    await openPalette(page);
    await page.keyboard.type('method slerp');
    await expect(active).toContainText('Method: SLERP');
    await page.keyboard.press('Enter');
    await expect(studio.method).toHaveValue('slerp');
    await openPalette(page);
    await page.keyboard.type('undo');
    await expect(active).toContainText('Undo');
    await page.keyboard.press('Enter');
    await expect(studio.method).toHaveValue('varm');
  });

  await test.step('a view', async () => {
    await openPalette(page);
    await page.keyboard.type('show models');
    await expect(active).toContainText('Show the models');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('tab', { name: 'Models' })).toHaveAttribute('aria-selected', 'true');
  });

  await test.step('a topic of the help', async () => {
    await openPalette(page);
    await page.keyboard.type('help numbers');
    await expect(active).toContainText('numbers');
    await page.keyboard.press('Enter');
    const help = page.getByRole('dialog', { name: 'Help' });
    await expect(help.getByRole('heading', { name: 'What the numbers mean' })).toBeInViewport();
    await expect(help.getByText('Perplexity', { exact: true })).toBeInViewport();
  });
});

test('the help says what the declarations and the commands say', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  const help = page.getByRole('dialog', { name: 'Help' });
  // The question mark, typed as a person types it.
  await page.keyboard.press('Shift+?');
  await expect(help).toBeVisible();
  for (const topic of ['Getting started', 'Keyboard shortcuts', 'The recipe', 'Merge methods', 'Where your files go']) {
    await expect(help.getByRole('heading', { name: topic, exact: true })).toHaveCount(1);
  }
  await expect(help.getByText('Variation ratio (VaRM)', { exact: true })).toHaveCount(1);
  await expect(help.getByText(/The part of a model that shares one weight\. \(default tensor\)/)).toHaveCount(1);
  await expect(help.getByText('Ctrl+Enter', { exact: true })).toHaveCount(1);
  await help.getByRole('button', { name: 'Merge methods' }).click();
  await expect(help.getByRole('heading', { name: 'Merge methods' })).toBeInViewport();
  await expectAccessible(page, 'the help');
  await page.setViewportSize(NARROW);
  await expectNoSidewaysScroll(page);
  await expectAccessible(page, 'the help, narrow');
  await page.keyboard.press('Escape');
  await expect(help).toBeHidden();
  await studio.button('Command palette').click();
  await expect(palette(page).dialog).toBeInViewport({ ratio: 1 });
  await expectNoSidewaysScroll(page);
  await page.keyboard.press('Escape');
  await studio.button('Help').click();
  await help.getByRole('button', { name: 'Close the help' }).click();
  await expect(help).toBeHidden();
  await expect(studio.button('Help')).toBeFocused();
});

test('single keys give way where something is typed', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  const help = page.getByRole('dialog', { name: 'Help' });
  await studio.message.click();
  await page.keyboard.type('Why? [X] B');
  await expect(studio.message).toHaveValue('Why? [X] B');
  await expect(help).toBeHidden();
  await studio.recipe.click();
  await page.keyboard.press('End');
  await page.keyboard.type(' # why?');
  await studio.expectRecipe(/# why\?/);
  await expect(help).toBeHidden();
  // On a button they are shortcuts again.
  await studio.button('Merge').focus();
  await page.keyboard.press('Shift+?');
  await expect(help).toBeVisible();
  // What is over the page takes its keys: the shortcut of Undo does not reach the recipe.
  await page.keyboard.press('ControlOrMeta+z');
  await studio.expectRecipe(/# why\?/);
});
