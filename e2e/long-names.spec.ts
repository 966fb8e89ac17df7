/** Names as hubs give them, and windows that end soon: nothing is cut off that a person needs. */

import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

const STEM = 'Somebody-Llama-3.1-8B-Instruct-abliterated-extended-context-131072';
const NAMES = {
  base: `${STEM}-base`,
  m1: `${STEM}-finetune-mathematics-dpo-2024-11-30`,
  m2: `${STEM}-finetune-conversation-dpo-2024-11-30`,
};

test.use({ viewport: { width: 1280, height: 720 } });

test('models with long names, and lists that open near the end of the window', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  for (const [short, long] of Object.entries(NAMES)) await rename(join(root, short), join(root, long));
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.map).toBeVisible();

  await test.step('a card stays in its column, with its whole name and its button', async () => {
    for (const name of Object.values(NAMES)) {
      const card = studio.checkpoint(name);
      const text = card.getByText(name, { exact: true });
      await expect(text).toBeVisible();
      expect(await text.evaluate((element) => element.scrollWidth - element.clientWidth)).toBeLessThanOrEqual(0);
      await card.getByRole('button', { name: 'Remove' }).scrollIntoViewIfNeeded();
      await expect(card.getByRole('button', { name: 'Remove' })).toBeInViewport({ ratio: 1 });
      const column = await studio.checkpoints.boundingBox();
      const box = await card.boundingBox();
      if (!column || !box) throw new Error('the list of checkpoints is not on the page');
      expect(box.x + box.width).toBeLessThanOrEqual(column.x + column.width + 1);
    }
  });

  await test.step('a strip is named by what its model alone has', async () => {
    const strips = page.getByRole('list', { name: 'Channel strips' });
    await expect(strips.getByText('mathematics', { exact: true })).toBeVisible();
    await expect(strips.getByText('conversation', { exact: true })).toBeVisible();
  });

  await test.step('what opens below a button ends within the window', async () => {
    for (const [button, dialog] of [
      ['Presets', /^Presets of /],
      ['Find a method', /^Find a method$/],
    ] as const) {
      await studio.button(button).click();
      await expect(page.getByRole('dialog', { name: dialog })).toBeInViewport({ ratio: 1 });
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog', { name: dialog })).toBeHidden();
    }
  });

  await expectAccessible(page, 'long names');
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
});
