/** Thirty seconds to wonder: one click on the samples, and a merged model answers what none of its parents can. */

import { expect, test } from '@playwright/test';
import { expectAccessible } from './accessible.ts';
import { Studio } from './studio.ts';

/** SwiftShader compiles the kernels of four models' chats. */
const REPLIES_MS = 300_000;

test.use({ viewport: { width: 1280, height: 800 } });

test('one click on the samples: merged, asked and answered, the parents beside it', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.button('Open samples').click();

  await test.step('the map is there, and a message can be written at once', async () => {
    await expect(studio.map).toBeVisible();
    await studio.message.fill('Shout w');
    await expect(studio.message).toHaveValue('Shout w');
  });

  await test.step('the merge says all three at once', async () => {
    await expect(studio.column('Merged model').getByText('P-I-L-U-T', { exact: true })).toBeVisible({
      timeout: REPLIES_MS,
    });
    // The status line may tell of other things at this very moment.
    expect(await studio.blendAfter(0)).toBe(1);
    await expect(studio.map).toBeInViewport({ ratio: 0.5 });
    await expect(studio.turn().getByText('Mirror, spell and shout tulip', { exact: true })).toBeInViewport();
  });

  await test.step('and each parent its own trick alone', async () => {
    const said = { 'parrot-mirror': 'pilut', 'parrot-shout': 'TULIP', 'parrot-spell': 't-u-l-i-p' };
    for (const [name, text] of Object.entries(said)) {
      await expect(studio.column(name).getByText(text, { exact: true })).toBeVisible({ timeout: REPLIES_MS });
    }
    await expect(page.getByText(/^Each parent does its one trick\./)).toBeVisible();
    await expect(studio.log).toHaveAttribute('aria-busy', 'false');
    // What was being written is still there.
    await expect(studio.message).toHaveValue('Shout w');
  });

  await test.step('the tour is offered, beside a page that can be used', async () => {
    await expect(studio.button('Show me around (4 steps)')).toBeVisible();
    await expectAccessible(page, 'the first question answered');
  });

  await test.step('four steps by keyboard, each about what it stands beside', async () => {
    await studio.button('Show me around (4 steps)').focus();
    await page.keyboard.press('Enter');
    for (const title of ['The models', 'The weights map', 'The chat', 'Keep it']) {
      const step = page.getByRole('dialog', { name: title });
      await expect(step).toBeInViewport({ ratio: 1 });
      await expect(step.getByRole('button', { name: /^(Next|Done)$/ })).toBeFocused();
      if (title === 'The weights map') {
        await expectAccessible(page, 'a step of the tour');
        await page.keyboard.press('ArrowLeft');
        const before = page.getByRole('dialog', { name: 'The models' });
        await expect(before.getByRole('button', { name: 'Next' })).toBeFocused();
        await page.keyboard.press('ArrowRight');
        await expect(step.getByRole('button', { name: 'Next' })).toBeFocused();
      }
      // Next, and Done after the last.
      await page.keyboard.press('Enter');
      await expect(step).toBeHidden();
    }
    await expect(studio.button('Show me around (4 steps)')).toBeHidden();
  });
});
