/** A model that this project did not make, talked to alone: continuation, long prompts, stop, seeds. */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { readModel } from '../src/cli/test/oracle.ts';
import { greedy } from './greedy.ts';
import { unpack } from './saved-model.ts';
import { type Relative, STORIES, writeRelative } from './stories-relative.ts';
import { Studio } from './studio.ts';

/** As the fixtures' README has it, recorded from the model's own C program. */
const STORY =
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it,';

test('stories260K alone', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(STORIES);
  await expect(studio.checkpoint('stories260K-llama')).toBeVisible();
  await expect(studio.status).toContainText('Open a second checkpoint to merge; this one can be talked to.');
  await expect(studio.button('Merge')).toBeDisabled();
  await expect(studio.talkTo.locator('option:checked')).toHaveText('stories260K-llama');
  // Without a chat template there is no other way.
  await expect(page.getByRole('switch', { name: 'Continuation' })).toBeChecked();
  await expect(page.getByRole('spinbutton', { name: 'Temperature' })).toHaveValue('0');

  await test.step('writes its known story, as far as it is let', async () => {
    await page.getByRole('spinbutton', { name: 'Max tokens' }).fill('60');
    const [text, figures] = await studio.say('Once upon a time');
    expect(text?.slice(0, STORY.length)).toBe(STORY);
    expect(figures).toContain('60 tokens');
    expect(figures).toContain('cut at max tokens');
  });

  await test.step('goes on rightly from more than 32 tokens', async () => {
    const prompt = `${STORY} but her mom said no. Lily was very sad and`;
    const expected = await greedy(STORIES, readModel(STORIES), prompt, 12);
    expect(expected.promptTokens).toBeGreaterThan(32);
    await page.getByRole('spinbutton', { name: 'Max tokens' }).fill('12');
    const [text] = await studio.say(prompt);
    expect(text).toBe(prompt + expected.text);
  });

  await test.step('Stop keeps what there is', async () => {
    await page.getByRole('spinbutton', { name: 'Max tokens' }).fill('400');
    await studio.message.fill('Tom had a red car');
    await studio.button('Send').click();
    const turn = studio.log.locator(':scope > *').last();
    await expect(turn.getByRole('paragraph').first()).toHaveText(/Tom had a red car.{10}/s, { timeout: 60_000 });
    await expect(studio.button('Send')).toBeDisabled();
    // Escape closes what is open, and leaves the reply alone.
    const menu = page.getByRole('dialog', { name: 'Conversations' });
    await page.locator('[aria-haspopup="dialog"][aria-label^="Conversations"]').click();
    await expect(menu).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(menu).toBeHidden();
    await expect(studio.button('Stop')).toBeEnabled();
    await expect(turn).not.toContainText('stopped');
    const began = Date.now();
    await studio.button('Stop').click();
    await expect(turn).toContainText('stopped');
    expect(Date.now() - began).toBeLessThan(5000);
    await expect(studio.button('Stop')).toBeDisabled();
  });

  await test.step('the same seed draws the same text, another seed another', async () => {
    await page.getByRole('spinbutton', { name: 'Max tokens' }).fill('16');
    await page.getByRole('spinbutton', { name: 'Temperature' }).fill('1.5');
    const seed = page.getByRole('spinbutton', { name: 'Seed' });
    const texts: (string | undefined)[] = [];
    for (const value of ['7', '8', '7']) {
      await seed.fill(value);
      texts.push((await studio.say('The dog'))[0]);
    }
    expect(texts[2]).toBe(texts[0]);
    expect(texts[1]).not.toBe(texts[0]);
    await studio.button('Regenerate').click();
    await studio.replied();
    expect((await studio.lastTurn())[0]).toBe(texts[0]);
  });

  await test.step('and the conversation can be cleared', async () => {
    await studio.button('Clear chat').click();
    await expect(studio.log).toBeEmpty();
  });
});

const families: readonly Omit<Relative, 'seed'>[] = [
  { kind: 'qwen2', dtype: 'F16', isTied: true, maxShardBytes: 150_000 },
  { kind: 'llama', dtype: 'BF16', isTied: false },
];
for (const family of families) {
  const { kind, dtype, maxShardBytes } = family;
  test(`relatives of it, merged: ${kind}, ${dtype}${maxShardBytes ? ', sharded' : ''}`, async ({ page }, info) => {
    const root = info.outputPath('family');
    for (const [seed, name] of ['base', 'm1', 'm2'].entries())
      await writeRelative(join(root, name), { ...family, seed });
    const studio = new Studio(page);
    await studio.visit();
    await studio.addFolder(root);
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
    await studio.merge();
    await page.getByRole('spinbutton', { name: 'Max tokens' }).fill('12');
    // Longer than the 32 tokens from which another attention kernel runs.
    const prompt = `${STORY} but her mom said no. Lily was very sad and`;
    const [merged, figures] = await studio.say(prompt);
    expect(figures).toContain('Merged model, blend 1');
    const saved = await unpack(await studio.save(), info.outputPath('saved'));
    const expected = await greedy(join(root, 'base'), saved.tensors, prompt, 12);
    expect(merged).toBe(prompt + expected.text);

    await studio.talkTo.selectOption('m2');
    const [own] = await studio.say(prompt);
    const parent = join(root, 'm2');
    expect(own).toBe(prompt + (await greedy(parent, readModel(parent), prompt, 12)).text);
    expect(own).not.toBe(merged);
  });
}
