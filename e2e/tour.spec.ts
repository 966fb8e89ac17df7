/** The tour: offered once, and taken whenever one likes. Its steps by keyboard are in `first-question.spec.ts`. */

import { expect, test } from '@playwright/test';
import { expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

test.use({ viewport: { width: 1280, height: 800 } });

test('the tour is offered once, ends with Escape, and can be taken again', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.button('Show me around (4 steps)').click();
  await expect(page.getByRole('dialog', { name: 'The models' }).getByRole('button', { name: 'Next' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.setViewportSize({ width: 390, height: 844 });
  await studio.runCommand('around');
  for (const title of ['The models', 'The weights map', 'The chat', 'Keep it']) {
    const step = page.getByRole('dialog', { name: title });
    await expect(step).toBeInViewport({ ratio: 1 });
    await expectNoSidewaysScroll(page);
    await expect(step.getByRole('button', { name: /^(Next|Done)$/ })).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(step).toBeHidden();
  }
  await page.reload();
  const offer = studio.button('Show me around (4 steps)');
  await expect(studio.map).toBeVisible();
  await expect(offer).toHaveCount(0);

  await test.step('opened anew on another visit, the samples bring no second offer', async () => {
    await page.goto('/');
    const left = page.getByRole('region', { name: 'What you left' });
    await left.getByRole('button', { name: 'Start afresh' }).click();
    await expect(left).toContainText('Forgotten');
    await studio.openSamples();
    await expect(offer).toHaveCount(0);
  });
});
