/** Coming back: after a reload or on a new visit the same recipe, takes, map and conversation, as far as the browser lets. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

const NAMES = ['base', 'm1', 'm2'];
const NARROW = { width: 390, height: 844 };

const left = (page: Page) => page.getByRole('region', { name: 'What you left' });

/** Puts folders into the browser's private file system, whose handles are real and may be read without a question. */
async function putFolders(page: Page, root: string) {
  for (const folder of NAMES) {
    for (const name of await readdir(join(root, folder))) {
      const base64 = (await readFile(join(root, folder, name))).toString('base64');
      await page.evaluate(
        async (given) => {
          const storage = await navigator.storage.getDirectory();
          const directory = await storage.getDirectoryHandle(given.folder, { create: true });
          const writer = await (await directory.getFileHandle(given.name, { create: true })).createWritable();
          await writer.write(Uint8Array.from(atob(given.base64), (c) => c.charCodeAt(0)));
          await writer.close();
        },
        { folder, name, base64 },
      );
    }
  }
}

/** Drops one of those folders on the page. A script cannot make a DataTransfer of handles: the event is real, its item stands in. */
async function dropFolder(page: Page, folder: string) {
  await page.evaluate(async (name) => {
    const handle = await (await navigator.storage.getDirectory()).getDirectoryHandle(name);
    const item = {
      kind: 'file',
      webkitGetAsEntry: () => null,
      getAsFile: () => null,
      getAsFileSystemHandle: async () => handle,
    };
    const event = new DragEvent('drop', { bubbles: true, cancelable: true });
    Object.defineProperty(event, 'dataTransfer', { value: { items: [item], types: ['Files'], files: [] } });
    document.body.dispatchEvent(event);
  }, folder);
}

test('samples come back by themselves, with recipe, undo, takes, map and conversation', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  const start = await studio.recipeText();
  await studio.writeRecipe(`# by hand\n${start}`);
  await studio.field('weight of parrot-shout').fill('0.5');
  await studio.expectRecipe(/weight: 0.5/);
  const text = await studio.recipeText();
  await studio.button('Keep take').click();
  await studio.merge();
  const [, reply = ''] = await studio.say('Shout wood');
  expect(reply).not.toBe('');

  await page.reload();
  await studio.expectRecipe(text);
  await expect(studio.map).toBeVisible();
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(4);
  await expect(
    page.getByRole('region', { name: 'Takes' }).getByRole('button', { name: 'Take 1', exact: true }),
  ).toBeVisible();
  await expect(studio.log).toContainText('Shout wood');
  await expect.poll(async () => (await studio.lastTurn())[1]).toBe(reply);
  await expect(studio.status).toContainText('Merge again to talk to the result.');

  await test.step('undo leads to where it led', async () => {
    await studio.button('Undo').click();
    await studio.expectRecipe(`# by hand\n${start}`);
    await studio.button('Undo').click();
    await studio.expectRecipe(start);
    await expect(studio.button('Undo')).toBeDisabled();
    await studio.button('Redo').click();
    await studio.button('Redo').click();
    await studio.expectRecipe(text);
  });

  await test.step('a new visit offers it, and opens nothing by itself', async () => {
    await page.goto('/');
    await expect(left(page)).toContainText(
      /parrot-shout.*on parrot-base, with 1 take, changed (just now|\d+ minutes? ago)/,
    );
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(0);
    await expectAccessible(page, 'what was left');
    await page.setViewportSize(NARROW);
    await expectNoSidewaysScroll(page);
    await page.setViewportSize({ width: 1280, height: 800 });
    await left(page).getByRole('button', { name: 'Go on' }).click();
    await studio.expectRecipe(text);
    await expect(studio.map).toBeVisible();
  });

  await test.step('starting afresh forgets it, and can be taken back until something else is opened', async () => {
    await page.goto('/');
    await left(page).getByRole('button', { name: 'Start afresh' }).click();
    await expect(left(page)).toContainText('Forgotten');
    await left(page).getByRole('button', { name: 'Bring it back' }).click();
    await studio.expectRecipe(text);
    await page.goto('/');
    await left(page).getByRole('button', { name: 'Start afresh' }).click();
    await expect(left(page)).toContainText('Forgotten');
    await page.goto('/');
    await expect(studio.status).toContainText(/WebGPU|CPU/);
    await expect(left(page)).toHaveCount(0);
  });
});

test('dropped folders come back where the browser remembers them', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  await studio.visit();
  await putFolders(page, root);
  for (const name of NAMES) {
    await dropFolder(page, name);
    await expect(studio.checkpoint(name)).toBeVisible();
  }
  await studio.field('weight of m1').fill('0.3');
  await studio.expectRecipe(/weight: 0.3/);
  const text = await studio.recipeText();
  await page.reload();
  await studio.expectRecipe(text);
  await expect(studio.map).toBeVisible();
  await expect.poll(() => studio.names()).toEqual(NAMES);

  await test.step('files that changed on disk are told of', async () => {
    await putFolders(page, root);
    await page.reload();
    await expect(studio.status).toContainText(/base\/.* changed on disk since\./);
    await studio.expectRecipe(text);
  });

  await test.step('a folder that is gone is waited for', async () => {
    await page.evaluate(async () => (await navigator.storage.getDirectory()).removeEntry('m2', { recursive: true }));
    await page.reload();
    const missing = page.getByRole('region', { name: 'Not open yet' });
    await expect(missing).toContainText('drop or add m2 again');
    await studio.expectRecipe(text);
    await expectAccessible(page, 'a folder that is gone');
    await studio.addFolder(join(root, 'm2'));
    await expect(missing).toHaveCount(0);
    await studio.expectRecipe(text);
    await expect(studio.button('Merge')).toBeEnabled();
  });
});

test('without handles the page says what to add, and the recipe comes back with it', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'qwen2', dtype: 'BF16' });
  const studio = new Studio(page);
  await studio.visit();
  for (const name of NAMES) {
    await studio.addFolder(join(root, name));
    await expect(studio.checkpoint(name)).toBeVisible();
  }
  await studio.field('weight of m1').fill('0.3');
  await studio.expectRecipe(/weight: 0.3/);
  const text = await studio.recipeText();
  await page.reload();
  await expect(left(page)).toContainText('Drop or add them again, and the recipe comes back: base, m1 and m2.');
  await expect(left(page).getByRole('button', { name: 'Go on' })).toHaveCount(0);
  await expectAccessible(page, 'what to add again');
  for (const name of NAMES.toReversed()) {
    await studio.addFolder(join(root, name));
    await expect(studio.checkpoint(name)).toBeVisible();
  }
  await studio.expectRecipe(text);
  await expect(page.getByRole('region', { name: 'Not open yet' })).toHaveCount(0);
  await expect(studio.map).toBeVisible();
});

test('two tabs keep work of their own, and a new one is offered what a closed one left', async ({ page, context }) => {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.field('weight of parrot-shout').fill('0.5');
  await studio.expectRecipe(/weight: 0.5/);
  const first = await studio.recipeText();

  const otherPage = await context.newPage();
  const other = new Studio(otherPage);
  await other.visit();
  await expect(left(otherPage)).toHaveCount(0);
  await other.openSamples();
  await other.field('weight of parrot-shout').fill('0.25');
  await other.expectRecipe(/weight: 0.25/);
  const second = await other.recipeText();

  await test.step('each comes back to its own', async () => {
    await page.reload();
    await studio.expectRecipe(first);
    await otherPage.reload();
    await other.expectRecipe(second);
  });

  await test.step('the last to close takes nothing from the other', async () => {
    // Nobody else is offered what a tab has that lives: the browser must have noticed that this one does not any more.
    const living = () =>
      page.evaluate(async () => {
        const { held = [] } = await navigator.locks.query();
        return held.filter(({ name }) => name?.startsWith('fusewright tab ')).length;
      });
    await expect.poll(living).toBe(2);
    // The page has its say when it goes.
    await otherPage.close({ runBeforeUnload: true });
    await expect.poll(() => context.pages().length).toBe(1);
    await expect.poll(living).toBe(1);
    const third = await context.newPage();
    await third.goto('/');
    await expect(left(third)).toContainText(/parrot-shout.*on parrot-base/);
    await left(third).getByRole('button', { name: 'Go on' }).click();
    await new Studio(third).expectRecipe(second);
    await page.reload();
    await studio.expectRecipe(first);
  });
});
