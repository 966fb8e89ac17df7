/** Long work made calm: what runs where, how far it is, what it holds, and the end told to who looks away. */

import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { writeLargeModel } from './large-model.ts';
import { Studio } from './studio.ts';

test('long work says what runs where, how far it is and what it holds, and can be left alone', async ({
  page,
  context,
}, info) => {
  await context.grantPermissions(['notifications']);
  // Headless Chromium has windows that are never out of sight.
  await page.addInitScript(() => {
    let isHidden = false;
    Object.defineProperty(document, 'visibilityState', { get: () => (isHidden ? 'hidden' : 'visible') });
    Object.assign(window, {
      lookAway(away: boolean) {
        isHidden = away;
        document.dispatchEvent(new Event('visibilitychange'));
      },
    });
  });
  const lookAway = (away: boolean) =>
    page.evaluate((yes) => (window as unknown as { lookAway(away: boolean): void }).lookAway(yes), away);

  const root = info.outputPath('family');
  // So many that the work goes on while it is looked at, also where it goes fast; it is stopped in the end.
  for (const name of ['base', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']) await writeLargeModel(join(root, name));
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  const bar = page.getByRole('region', { name: 'Progress' });

  await test.step('the sentence stands still while the figures run', async () => {
    await expect(studio.status).toHaveText('Measuring on the GPU, reading the files.');
    await expect(bar).toContainText(/\d [kM]?B\s*of 491 MB\s*[\d.]+ [kM]?B\/s/);
    // A time left comes after some seconds.
    await expect(bar).toContainText(/\d+ (?:s|min) left/);
    await expect(bar.getByRole('progressbar', { name: 'Done' })).toHaveAttribute(
      'aria-valuetext',
      /^[\d.]+ MB of 491 MB, [\d.]+ [kM]?B\/s, \d+ (?:s|min) left$/,
    );
    await expect(studio.status).toHaveText('Measuring on the GPU, reading the files.');
    await expect(bar).toContainText(/\d:\d\d/);
    await expect(bar.getByRole('meter', { name: 'Memory held' })).toBeVisible();
  });

  await test.step('a person may ask to be told', async () => {
    const tell = bar.getByRole('button', { name: 'Tell me when it is done' });
    await tell.click();
    await expect(tell).toHaveAttribute('aria-pressed', 'true');
    const { violations } = await new AxeBuilder({ page }).include('section[aria-label="Progress"]').analyze();
    expect(violations).toEqual([]);
  });

  await test.step('the title tells while the page is out of sight', async () => {
    await lookAway(true);
    await expect(page).toHaveTitle(/^\d+% Measuring · Fusewright$/);
    await lookAway(false);
    await expect(page).toHaveTitle('Fusewright');
  });

  await test.step('it can be stopped, and the bar is quiet again', async () => {
    await studio.button('Cancel').click();
    await expect(studio.status).toContainText('Stopped. Nothing was changed.');
    await expect(bar.getByRole('meter')).toHaveCount(0);
    await expect(studio.button('Tell me when it is done')).toHaveCount(0);
  });
});
