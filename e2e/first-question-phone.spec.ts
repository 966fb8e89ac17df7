/** The first question on a phone: what is said first stays in sight. What is said is `first-question.spec.ts`. */

import { expect, test } from '@playwright/test';
import { expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

/** Four models are loaded one after another. */
const REPLIES_MS = 300_000;

test('on a phone the merged answer stays in sight while its parents answer', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const studio = new Studio(page);
  await studio.visit();
  await studio.button('Open samples').click();
  const parents = { 'parrot-mirror': 'pilut', 'parrot-shout': 'TULIP', 'parrot-spell': 't-u-l-i-p' };
  for (const [name, text] of Object.entries(parents)) {
    await expect(studio.column(name).getByText(text, { exact: true })).toBeVisible({ timeout: REPLIES_MS });
  }
  await studio.replied();
  await expect(studio.column('Merged model').getByText('P-I-L-U-T', { exact: true })).toBeInViewport();
  for (const name of Object.keys(parents)) await expect(studio.column(name)).toBeInViewport({ ratio: 0.9 });
  await expectNoSidewaysScroll(page);
});
