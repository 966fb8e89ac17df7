/** One prompt, several speakers: columns, where they part, an earlier blend, weights that move meanwhile, and a model
 * that cannot chat. */

import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { Studio } from './studio.ts';

const BASE = join(import.meta.dirname, '..', 'public', 'samples', 'parrot-base');

test('parents beside the merge', async ({ page }, info) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.merge();
  await studio.compareWith('parrot-base');
  await expect(studio.talkTo.locator('option:checked')).toHaveText('Merged model');
  await expect(studio.combobox('Column 2').locator('option:checked')).toHaveText('parrot-base');

  await test.step('one message, two replies, and where they part', async () => {
    await studio.say('Shout wood');
    const merged = studio.column('Merged model');
    const base = studio.column('parrot-base');
    await expect(merged).toContainText('WOOD');
    await expect(merged).toContainText('blend 1');
    await expect(base).toContainText('wood');
    for (const column of [merged, base]) {
      await expect(column).toContainText(
        /\d tokens? · [\d.]+ tokens\/s · first after .* · (read .* of .*|prompt of \d+)/,
      );
      await expect(column).toContainText(/F32 on (WebGPU|CPU)/);
      await expect(column.locator('mark')).toHaveCount(1);
    }
    await expect(merged.locator('mark')).toHaveText('W');
    await expect(base.locator('mark')).toHaveText('w');
    await expect(studio.turn().getByRole('list', { name: 'Where the replies differ' })).toContainText(
      /parrot-base differs from token 1: Merged model, blend 1 ‘W’ [\d.]+ %.*; parrot-base ‘w’ [\d.]+ %/,
    );
  });

  await test.step('replies that are the same are said to be', async () => {
    await studio.combobox('Column 2').selectOption('parrot-shout');
    await studio.say('Shout stone');
    await expect(studio.column('parrot-shout')).toContainText('STONE');
    await expect(studio.turn().getByRole('list', { name: 'Where the replies differ' })).toContainText(
      'parrot-shout says the same as Merged model, blend 1.',
    );
  });

  await test.step('an earlier blend answers beside the new one', async () => {
    await studio.field('weight of parrot-shout').fill('0');
    const blend = await studio.blendAfter(1);
    const earlier = studio.combobox('Compare with').locator('option', { hasText: /^Blend 1 · varm/ });
    await studio.combobox('Compare with').selectOption({ label: await earlier.innerText() });
    await studio.say('Shout wood');
    await expect(studio.column('Merged model')).toContainText(`blend ${blend}`);
    await expect(studio.column('Merged model').locator('mark')).not.toHaveText('W');
    await expect(studio.turn().getByRole('group', { name: /^Blend 1/ })).toContainText('WOOD');
  });

  await test.step('a weight that moves while columns speak mixes nothing', async () => {
    const before = await studio.blendNumber();
    await studio.message.fill('Spell elephant');
    await studio.button('Send').click();
    // Its first word or its last: the columns beside it are still to come.
    await expect(studio.column('Merged model')).toContainText(/\d tokens?\b/);
    await studio.field('weight of parrot-spell').fill('0.5');
    const blend = await studio.blendAfter(before);
    await studio.replied();
    await expect(studio.column('Merged model')).toContainText(`Merged model, blend ${before}`);
    await studio.say('Mirror wood');
    await expect(studio.column('Merged model')).toContainText(`Merged model, blend ${blend}`);
  });

  await test.step('the chat takes the map’s place and gives it back', async () => {
    await studio.button('Wide chat').click();
    await expect(studio.map).toBeHidden();
    await expect(studio.slider('weight of parrot-spell')).toBeVisible();
    await studio.button('Wide chat').click();
    await expect(studio.map).toBeVisible();
  });

  await test.step('columns go, and one is a chat again', async () => {
    await studio.button('Remove column 3').click();
    await studio.button('Remove column 2').click();
    await expect(studio.combobox('Column 2')).toHaveCount(0);
    expect((await studio.say('Mirror wood'))[1]).toBe('doow');
  });

  await test.step('one that cannot chat is chosen in vain, and another after it answers', async () => {
    await studio.addFolder(await oddOne(info.outputPath('odd-one')));
    await studio.talkTo.selectOption({ label: 'odd-one (cannot chat)' });
    await expect(page.getByRole('region', { name: 'Conversation' })).toContainText(ODD_REASON);
    await studio.message.fill('Hello');
    await expect(studio.button('Send')).toBeDisabled();
    await studio.talkTo.selectOption('parrot-base');
    expect((await studio.say('Shout wood'))[1]).toBe('wood');
  });
});

test('a model that cannot chat says why', async ({ page }, info) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(await oddOne(info.outputPath('odd-one')));
  await expect(studio.checkpoint('odd-one')).toContainText(ODD_REASON);
  await expect(studio.talkTo).toContainText('odd-one (cannot chat)');
  await studio.message.fill('Hello');
  await expect(studio.button('Send')).toBeDisabled();
});

const ODD_REASON = /retnet/;

/** A sample that says of itself that it is of an architecture that chat does not know. */
async function oddOne(folder: string): Promise<string> {
  await cp(BASE, folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({ ...config, model_type: 'retnet', architectures: ['RetNet'] }),
  );
  return folder;
}
