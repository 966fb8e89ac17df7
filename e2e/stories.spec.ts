/** A model that this project did not make, talked to alone: continuation, long prompts, stop, seeds. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { expect, test } from '@playwright/test';
import { forward } from '../src/chat/test/forward.ts';
import { readModel } from '../src/cli/test/oracle.ts';
import { Studio } from './studio.ts';

const STORIES = join(import.meta.dirname, 'fixtures', 'models', 'stories260K-llama');

/** As the fixtures' README has it, recorded from the model's own C program. */
const STORY =
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it,';

async function json(name: string) {
  return JSON.parse(await readFile(join(STORIES, name), 'utf8'));
}

/** What the model continues greedily, computed here in float64 without the product's graph, runtime or tokenizer code. */
async function continuation(prompt: string, tokens: number): Promise<{ text: string; promptTokens: number }> {
  const config = await json('config.json');
  const tokenizer = new Tokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));
  const tensors = new Map(
    [...readModel(STORIES)].map(([name, { shape, values }]) => [name, { shape, data: Float32Array.from(values) }]),
  );
  const given = tokenizer.encode(prompt).ids;
  const ids = [...given];
  for (let i = 0; i < tokens; i++) {
    const logits = forward(config, tensors, ids).at(-1) ?? new Float64Array();
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  const decode = (some: number[]) => tokenizer.decode(some, { skip_special_tokens: true });
  return { text: decode(ids).slice(decode(given).length), promptTokens: given.length };
}

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
    const expected = await continuation(prompt, 12);
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
  });
});
