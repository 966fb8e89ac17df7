/**
 * Changing one's mind: a reply that is stopped, other weights while one is running, many changes at once, checkpoints that
 * go and come back.
 */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { linear, readModel } from '../src/cli/test/oracle.ts';
import { greedy } from './greedy.ts';
import { expectNear, unpack } from './saved-model.ts';
import { STORIES, writeRelative } from './stories-relative.ts';
import { Studio } from './studio.ts';

/** SwiftShader compiles dozens of kernels before the first words. */
const FIRST_WORDS_MS = 300_000;

test('while it talks', async ({ page }, info) => {
  const root = info.outputPath('family');
  const names = ['base', 'm1', 'm2'];
  for (const [seed, name] of names.entries()) {
    await writeRelative(join(root, name), { kind: 'llama', dtype: 'F32', isTied: true, seed, isEndless: true });
  }
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await studio.method.selectOption({ label: 'Linear' });
  await studio.merge();
  const maxTokens = page.getByRole('spinbutton', { name: 'Max tokens' });
  /** Begins a reply that would go on for a long time, and waits until some of it is there. */
  const begin = async (prompt: string) => {
    await maxTokens.fill('8000');
    await studio.message.fill(prompt);
    await studio.button('Send').click();
    const turn = studio.turn();
    await expect(turn.getByRole('paragraph').first()).toHaveText(new RegExp(`${prompt}.{10}`, 's'), {
      timeout: FIRST_WORDS_MS,
    });
    return turn;
  };

  await test.step('Stop keeps what there is', async () => {
    const turn = await begin('Tom had a red car');
    await expect(studio.button('Send')).toBeDisabled();
    // Escape closes what is open, and leaves the reply alone.
    const menu = page.getByRole('dialog', { name: 'Conversations' });
    await page.locator('[aria-haspopup="dialog"][aria-label^="Conversations"]').click();
    await expect(menu).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(menu).toBeHidden();
    await expect(studio.button('Stop')).toBeEnabled();
    await expect(turn).not.toContainText('stopped');
    await studio.button('Stop').click();
    await expect(turn).toContainText('stopped');
    await expect(turn.getByRole('paragraph').first()).toHaveText(/Tom had a red car.{10}/s);
    await expect(studio.button('Stop')).toBeDisabled();
  });

  await test.step('a change of weights ends the running reply and makes the next blend', async () => {
    const turn = await begin('Once upon a time');
    const before = await studio.blendNumber();
    await studio.field('weight of m1').fill('0.2');
    const blend = await studio.blendAfter(before);
    await expect(turn).toContainText('stopped');
    await maxTokens.fill('10');
    expect((await studio.say('Tim'))[1]).toContain(`blend ${blend}`);
  });

  await test.step('after thirty changes in a row the newest counts', async () => {
    await studio.slider('weight of m2').focus();
    for (let i = 0; i < 30; i++) await page.keyboard.press(i % 3 === 2 ? 'ArrowRight' : 'ArrowLeft');
    await expect(studio.field('weight of m2')).toHaveValue('0.9');
    const models = [readModel(join(root, 'm1')), readModel(join(root, 'm2'))];
    const expected = linear(models, (k) => [0.2, 0.9][k] ?? Number.NaN, true);
    const saved = await unpack(await studio.save(), info.outputPath('saved'));
    expectNear(saved, expected);
    await page.getByRole('button', { name: 'Merge' }).click();
    const [text] = await studio.say('The little dog');
    expect(text).toBe(`The little dog${(await greedy(STORIES, saved.tensors, 'The little dog', 10)).text}`);
  });

  await test.step('a checkpoint goes while it talks', async () => {
    await studio.talkTo.selectOption('m2');
    await begin('Once upon a time');
    await studio.checkpoint('m2').getByRole('button', { name: 'Remove' }).click();
    await expect(studio.checkpoint('m2')).toHaveCount(0);
    await expect(studio.log).toHaveAttribute('aria-busy', 'false');
    await studio.expectRecipeWithout(/m2/);
  });

  await test.step('and comes back', async () => {
    await studio.addFolder(join(root, 'm2'));
    await expect(studio.checkpoint('m2')).toBeVisible();
    await studio.expectRecipe(/m2/);
    await maxTokens.fill('10');
    await studio.talkTo.selectOption('m2');
    const [text] = await studio.say('The little dog');
    const m2 = readModel(join(root, 'm2'));
    expect(text).toBe(`The little dog${(await greedy(STORIES, m2, 'The little dog', 10)).text}`);
  });

  await test.step('all of them go: the page is as it was at first, and opens them again', async () => {
    for (const name of ['m1', 'm2', 'base']) {
      await studio.checkpoint(name).getByRole('button', { name: 'Remove' }).click();
      await expect(studio.checkpoint(name)).toHaveCount(0);
    }
    await expect(studio.button('Open samples')).toBeVisible();
    await studio.addFolder(root);
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
    await expect(studio.checkpoint('base').getByRole('radio', { name: 'Base' })).toBeChecked();
    await studio.merge();
  });
});
