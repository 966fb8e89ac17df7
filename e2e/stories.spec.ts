/**
 * A model that this project did not make, talked to alone: continuation, long prompts, seeds; then merges of relatives of it.
 * Stopping is in `changing.spec.ts`.
 */

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

/** How relatives of it are made. */
const FAMILIES: readonly Omit<Relative, 'seed'>[] = [
  { kind: 'qwen2', dtype: 'F16', isTied: true, maxShardBytes: 150_000 },
  { kind: 'llama', dtype: 'BF16', isTied: false },
];

test('stories260K alone, then relatives of it', async ({ page }, info) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(STORIES);
  await expect(studio.checkpoint('stories260K-llama')).toBeVisible();
  await expect(studio.status).toContainText('Open a second checkpoint to merge; this one can be talked to.');
  await expect(studio.button('Merge')).toBeDisabled();
  await expect(studio.talkTo.locator('option:checked')).toHaveText('stories260K-llama');
  // Without a chat template there is no other way.
  await expect(page.getByRole('switch', { name: 'Continue the text instead of answering' })).toBeChecked();
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
    await studio.button('Reset to defaults').click();
    await expect(page.getByRole('spinbutton', { name: 'Temperature' })).toHaveValue('0');
  });

  // On the same page: a software adapter compiles for seconds what was not run there before.
  for (const family of FAMILIES) {
    const { kind, dtype, maxShardBytes } = family;
    const title = `relatives of it, merged: ${kind}, ${dtype}${maxShardBytes ? ', sharded' : ''}`;
    await test.step(title, async () => {
      const root = info.outputPath(kind);
      const names = ['base', 'm1', 'm2'].map((name) => `${kind}-${name}`);
      for (const [seed, name] of names.entries()) await writeRelative(join(root, name), { ...family, seed });
      await studio.addFolder(root);
      for (const name of names) await expect(studio.checkpoint(name)).toBeVisible();
      const [base, ...models] = names;
      await studio.writeRecipe(
        `merge_method: varm\nbase_model: ${base}\nmodels:\n${models.map((name) => `  - model: ${name}\n`).join('')}`,
      );
      await expect(studio.button('Merge')).toBeEnabled();
      await studio.merge();
      await studio.talkTo.selectOption({ label: 'Merged model' });
      await page.getByRole('spinbutton', { name: 'Max tokens' }).fill('12');
      // Longer than the 32 tokens from which another attention kernel runs.
      const prompt = `${STORY} but her mom said no. Lily was very sad and`;
      const [merged, figures] = await studio.say(prompt);
      expect(figures).toMatch(/Merged model, blend \d/);
      const saved = await unpack(await studio.save(), info.outputPath(`saved-${kind}`));
      const expected = await greedy(join(root, `${kind}-base`), saved.tensors, prompt, 12);
      expect(merged).toBe(prompt + expected.text);

      await studio.talkTo.selectOption(`${kind}-m2`);
      const [own] = await studio.say(prompt);
      const parent = join(root, `${kind}-m2`);
      expect(own).toBe(prompt + (await greedy(parent, readModel(parent), prompt, 12)).text);
      expect(own).not.toBe(merged);
    });
  }
});
