/** Every change is heard at once: while that is on, the last message is answered anew by every new blend. */

import { expect, test } from '@playwright/test';
import { Studio } from './studio.ts';

test('the last message is answered again after a change, in place', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.merge();
  await studio.say('Shout wood');
  await page.getByRole('switch', { name: 'Answer again after each change' }).check();
  const solo = page.getByRole('button', { name: 'Solo parrot-shout', exact: true });
  for (const isAlone of [true, false, true]) {
    const before = await studio.blendNumber();
    await solo.click();
    await expect(solo).toHaveAttribute('aria-pressed', String(isAlone));
    const blend = await studio.blendAfter(before);
    await expect(studio.turn()).toContainText(`blend ${blend}`, { timeout: 300_000 });
    await studio.replied();
  }
  await expect(studio.turn()).toContainText('WOOD');
  // What was asked for, and one answer of its own: three did not pile up.
  await expect(studio.turn()).toContainText('2/2');
});
