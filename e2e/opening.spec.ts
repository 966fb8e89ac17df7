/** The ways by which files come in: folders, loose files of one model at a time, files with names of their own, a drop. */

import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { readModel, varm } from '../src/cli/test/oracle.ts';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { expectNear, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

async function filesOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort().map((name) => join(folder, name));
}

/** Expects that Save writes the VaRM of the family in `root`, whatever the names on the page. */
async function expectMerged(studio: Studio, root: string, folder: string) {
  await expect(studio.button('Save')).toBeEnabled();
  const saved = await unpack(await studio.save(), folder);
  const [base, m1, m2] = ['base', 'm1', 'm2'].map((name) => readModel(join(root, name)));
  if (!base || !m1 || !m2) throw new Error('no family');
  expectNear(saved, varm(base, [m1, m2], { granularity: 'tensor', statistic: 'square' }));
}

/** Drops files with their folders on the page, as a file manager does. */
async function dropFolders(page: Page, root: string, folders: readonly string[]) {
  const given = await Promise.all(
    folders.map(async (folder) => ({
      folder,
      files: await Promise.all(
        (await readdir(join(root, folder))).map(async (name) => ({
          name,
          base64: (await readFile(join(root, folder, name))).toString('base64'),
        })),
      ),
    })),
  );
  await page.evaluate(async (dropped) => {
    // A script cannot make entries of a DataTransfer, but the browser's own file system has real ones to stand in:
    // the event is real, its items are these.
    const entryOf = (name: string, path: string, files: Map<string, File> | File): FileSystemEntry => {
      if (files instanceof File) {
        return {
          isFile: true,
          isDirectory: false,
          name,
          fullPath: path,
          file: (give: FileCallback) => give(files),
        } as never;
      }
      const inner = [...files].map(([own, file]) => entryOf(own, `${path}/${own}`, file));
      const batches = [inner, []];
      const createReader = () => ({ readEntries: (give: FileSystemEntriesCallback) => give(batches.shift() ?? []) });
      return { isFile: false, isDirectory: true, name, fullPath: path, createReader } as never;
    };
    const items = await Promise.all(
      dropped.map(async ({ folder, files }) => {
        const made = await Promise.all(
          files.map(async ({ name, base64 }) => {
            const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
            return [name, new File([bytes], name)] as const;
          }),
        );
        const entry = entryOf(folder, `/${folder}`, new Map(made));
        return { kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => null };
      }),
    );
    const event = new DragEvent('drop', { bubbles: true, cancelable: true });
    Object.defineProperty(event, 'dataTransfer', { value: { items, types: ['Files'], files: [] } });
    document.body.dispatchEvent(event);
  }, given);
}

test('folders, one after another', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32', maxShardBytes: 30_000 });
  const studio = new Studio(page);
  await studio.visit();
  for (const name of ['base', 'm1', 'm2']) {
    await studio.addFolder(join(root, name));
    await expect(studio.checkpoint(name)).toBeVisible();
  }
  await expect(studio.checkpoint('base').getByRole('radio', { name: 'Base' })).toBeChecked();
  await expect(studio.checkpoint('m1').getByRole('radio', { name: 'Base' })).not.toBeChecked();
  await expectMerged(studio, root, info.outputPath('saved'));
});

test('a folder of folders', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'qwen2', dtype: 'BF16' });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  expect(await studio.names()).toEqual(['base', 'm1', 'm2']);
  await expectMerged(studio, root, info.outputPath('saved'));
});

for (const maxShardBytes of [5e9, 30_000]) {
  const how = maxShardBytes === 5e9 ? '' : ', sharded';
  test(`loose files of the same names, one model at a time${how}`, async ({ page }, info) => {
    const root = info.outputPath('family');
    await writeFamily(root, { kind: 'llama', dtype: 'F16', maxShardBytes });
    const studio = new Studio(page);
    await studio.visit();
    let count = 0;
    for (const name of ['base', 'm1', 'm2']) {
      await studio.addFiles(...(await filesOf(join(root, name))));
      await expect(studio.checkpoints.getByRole('group')).toHaveCount(++count);
    }
    expect(new Set(await studio.names()).size).toBe(3);
    await expectMerged(studio, root, info.outputPath('saved'));
  });
}

test('loose files of the same names, all at once', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  await studio.visit();
  const files = await Promise.all(['base', 'm1', 'm2'].map((name) => filesOf(join(root, name))));
  await studio.addFiles(...files.flat());
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  await expectMerged(studio, root, info.outputPath('saved'));
});

test('one model after another, without waiting for the page', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const files = await Promise.all(['base', 'm1', 'm2'].map((name) => filesOf(join(root, name))));
  const studio = new Studio(page);
  await page.goto('/');
  // All in one task of the page, which no person and no script can outdo.
  await page.getByLabel('Add checkpoints').evaluate(
    (input: HTMLInputElement, models) => {
      for (const model of models) {
        const transfer = new DataTransfer();
        for (const { name, base64 } of model) {
          transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
        }
        input.files = transfer.files;
        input.dispatchEvent(new Event('change', { bubbles: true }));
      }
    },
    await Promise.all(
      files.map((paths) =>
        Promise.all(
          paths.map(async (path) => ({ name: basename(path), base64: (await readFile(path)).toString('base64') })),
        ),
      ),
    ),
  );
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  expect(await studio.names()).toEqual(['model', 'model (2)', 'model (3)']);
  await expectMerged(studio, root, info.outputPath('saved'));
});

test('files picked through a button that has gone meanwhile', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  await studio.visit();
  // As while a dialog is open: the welcome page's input is held, and the page moves on.
  const held = await page.getByLabel('Add a folder').elementHandle();
  await studio.addFolder(join(root, 'base'));
  await expect(studio.checkpoint('base')).toBeVisible();
  await held?.setInputFiles(join(root, 'm1'));
  await expect(studio.checkpoint('m1')).toBeVisible();
});

test('files picked one by one: weights, then config', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32', models: 0 });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFiles(join(root, 'base', 'model.safetensors'));
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(1);
  await expect(studio.checkpoints).toContainText('no config');
  await studio.addFiles(join(root, 'base', 'config.json'));
  await expect(studio.checkpoints).toContainText('llama');
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(1);
});

test('shards picked one by one, in any order', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32', maxShardBytes: 60_000 });
  const studio = new Studio(page);
  await studio.visit();
  const alert = page.getByRole('alert');
  for (const name of ['base', 'm1', 'm2']) {
    const files = await filesOf(join(root, name));
    expect(files.length).toBeGreaterThan(4);
    for (const file of name === 'm1' ? files.toReversed() : files) {
      await studio.addFiles(file);
      // What is missing is said in one sentence, and unsaid once it has come.
      await expect(studio.page.getByText(/^Opening/)).toHaveCount(0);
      expect(await alert.count()).toBeLessThan(2);
    }
    await expect(alert).toHaveCount(0);
  }
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  await expectMerged(studio, root, info.outputPath('saved'));
});

test('single files with names of their own', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const flat = info.outputPath('flat');
  await mkdir(flat);
  const names = { base: 'my-base', m1: 'poet', m2: 'coder' };
  for (const [folder, name] of Object.entries(names)) {
    await cp(join(root, folder, 'model.safetensors'), join(flat, `${name}.safetensors`));
  }
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFiles(...['my-base', 'poet', 'coder'].map((name) => join(flat, `${name}.safetensors`)));
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  for (const name of Object.values(names)) await expect(studio.checkpoint(name)).toBeVisible();
  await expect(studio.checkpoint('my-base').getByRole('radio', { name: 'Base' })).toBeChecked();
  await studio.checkpoint('poet').getByRole('radio', { name: 'Base' }).check();
  await studio.expectRecipe(/base_model: poet/);
  await studio.checkpoint('my-base').getByRole('radio', { name: 'Base' }).check();
  await studio.expectRecipe(/base_model: my-base/);
  await expectMerged(studio, root, info.outputPath('saved'));
});

test('folders dropped on the page', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
  const studio = new Studio(page);
  await studio.visit();
  await dropFolders(page, root, ['base', 'm1', 'm2']);
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  expect(await studio.names()).toEqual(['base', 'm1', 'm2']);
  await expectMerged(studio, root, info.outputPath('saved'));
});
