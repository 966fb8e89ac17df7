/** A conversation that is edited, branched, answered again, copied, exported, kept and taken in again. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { Studio } from './studio.ts';

const SHOUT = join(import.meta.dirname, '..', 'public', 'samples', 'parrot-shout');

test('a conversation and its branches', async ({ page, context }, info) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const studio = new Studio(page);
  const turns = studio.log.locator(':scope > *');
  await studio.visit();
  await studio.addFolder(SHOUT);
  await studio.combobox('Earlier turns').selectOption('none');
  expect((await studio.say('Shout wood'))[1]).toBe('WOOD');
  expect((await studio.say('Shout rose'))[1]).toBe('ROSE');

  await test.step('an edit is a branch beside what was there', async () => {
    await turns.first().hover();
    await turns.first().getByRole('button', { name: 'Edit what you wrote' }).click();
    const editor = page.getByRole('textbox', { name: 'Your text' });
    await expect(editor).toBeFocused();
    await editor.fill('Shout stone');
    await editor.press('Enter');
    await expect(turns).toHaveCount(1);
    await studio.replied();
    expect((await studio.lastTurn()).slice(0, 2)).toEqual(['Shout stone', 'STONE']);
    await expect(studio.turn()).toContainText('2/2');
    await studio.press('Previous version');
    await expect(turns).toHaveCount(2);
    await expect.poll(async () => (await studio.lastTurn()).slice(0, 2)).toEqual(['Shout rose', 'ROSE']);
    await turns.first().getByRole('button', { name: 'Next version' }).click();
    await expect(turns).toHaveCount(1);
  });

  await test.step('an edit that is left changes nothing', async () => {
    await studio.press('Edit what you wrote');
    await page.getByRole('textbox', { name: 'Your text' }).fill('Shout nothing');
    await page.keyboard.press('Escape');
    await expect(page.getByRole('textbox', { name: 'Your text' })).toHaveCount(0);
    expect((await studio.lastTurn())[0]).toBe('Shout stone');
  });

  await test.step('another reply is a branch, too', async () => {
    await studio.press('Another reply here');
    await studio.replied();
    await expect(studio.turn()).toContainText(/2\/2.*2\/2/s);
    await studio.press('Edit the reply');
    await page.getByRole('textbox', { name: 'The reply' }).fill('**Granite**');
    await studio.turn().getByRole('button', { name: 'Submit edit' }).click();
    await expect(studio.turn()).toContainText('3/3');
    await expect(studio.turn().locator('strong')).toHaveText('Granite');
    await expect(studio.turn()).toContainText('written by you');
  });

  await test.step('a reply is copied as it stands', async () => {
    await studio.press('Copy the reply');
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('**Granite**');
  });

  const menu = page.getByRole('button', { name: /^Conversations: / });
  const json = info.outputPath('conversation.json');
  await test.step('it is exported: all of it as JSON, what is shown as Markdown', async () => {
    await menu.click();
    const download = async (name: string) => {
      const [file] = await Promise.all([page.waitForEvent('download'), studio.button(name).click()]);
      return file;
    };
    await (await download('Export as JSON')).saveAs(json);
    const file = JSON.parse(await readFile(json, 'utf8'));
    expect(file).toMatchObject({ kind: 'fusewright-conversation' });
    const text = JSON.stringify(file);
    for (const word of ['Shout wood', 'WOOD', 'Shout rose', 'ROSE', 'Shout stone', 'STONE', '**Granite**']) {
      expect(text).toContain(word);
    }
    const path = info.outputPath('conversation.md');
    await (await download('Export as Markdown')).saveAs(path);
    const markdown = await readFile(path, 'utf8');
    expect(markdown).toContain('Shout stone');
    expect(markdown).toContain('**Granite**');
    expect(markdown).not.toContain('Shout rose');
    await page.keyboard.press('Escape');
  });

  await test.step('a new one begins, and both are listed', async () => {
    await studio.button('New chat').click();
    await expect(studio.log).toBeEmpty();
    expect((await studio.say('Shout apple'))[1]).toBe('APPLE');
    await menu.click();
    const list = page.getByRole('dialog', { name: 'Conversations' });
    await expect(list.getByRole('listitem')).toHaveCount(2);
    await list.getByRole('button', { name: 'Delete Shout apple' }).click();
    await expect(list.getByRole('listitem')).toHaveCount(1);
    await page.keyboard.press('Escape');
    await expect.poll(async () => (await studio.lastTurn())[0]).toBe('Shout stone');
  });

  await test.step('what follows from a message goes with it', async () => {
    await studio.press('Delete from here on');
    await expect(turns).toHaveCount(2);
    await expect.poll(async () => (await studio.lastTurn())[1]).toBe('ROSE');
  });

  await test.step('a file brings it back', async () => {
    await menu.click();
    await page.getByLabel('Import a conversation').setInputFiles(json);
    await expect(studio.turn().locator('strong')).toHaveText('Granite');
    await menu.click();
    await page.getByLabel('Import a conversation').setInputFiles({
      name: 'not-one.json',
      mimeType: 'application/json',
      buffer: Buffer.from('{"kind":"something else"}'),
    });
    await expect(studio.status).toContainText('not-one.json');
  });
});
