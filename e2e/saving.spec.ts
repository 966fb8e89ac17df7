/** Saving: into a folder or a zip, under the name that was given, in another dtype, and in nothing when it was called off. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { linear, type OracleModel, readModel } from '../src/cli/test/oracle.ts';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { answerFolderDialog, pickedFiles } from './picked-folder.ts';
import { expectNear, type SavedModel, textOf, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

async function openFamily(studio: Studio, root: string): Promise<{ m1: OracleModel; m2: OracleModel }> {
  await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
  await studio.visit();
  await studio.addFolder(root);
  await studio.method.selectOption({ label: 'Linear' });
  await expect(studio.button('Save')).toBeEnabled();
  return { m1: readModel(join(root, 'm1')), m2: readModel(join(root, 'm2')) };
}

test('in a folder, and beside what lies in it', async ({ page }, info) => {
  await answerFolderDialog(page);
  const studio = new Studio(page);
  const { m1, m2 } = await openFamily(studio, info.outputPath('family'));
  await page.getByRole('textbox', { name: 'Name' }).fill('first');
  await expect(studio.combobox('Save as')).toHaveValue('folder');
  await studio.button('Save').click();
  await expect(studio.status).toContainText('Saved in the chosen folder: 5 files');
  const names = ['README.md', 'config.json', 'fusewright-audit.json', 'fusewright.yml', 'model.safetensors'];
  const first = await pickedFiles(page);
  expect([...first.keys()].sort()).toEqual(names);

  await page.getByRole('textbox', { name: 'Name' }).fill('second');
  await studio.button('Save').click();
  await expect(studio.status).toContainText('Saved in the chosen folder, in second: 5 files');
  const both = await pickedFiles(page);
  expect(both.size).toBe(10);
  for (const name of names) {
    expect(both.get(name)).toEqual(first.get(name));
    // The card names the merge, and the audit has the card's hash.
    if (!['README.md', 'fusewright-audit.json'].includes(name))
      expect(both.get(`second/${name}`)).toEqual(first.get(name));
  }
  const folder = info.outputPath('saved');
  await mkdir(folder);
  await writeFile(join(folder, 'model.safetensors'), first.get('model.safetensors') ?? '');
  const saved: SavedModel = { files: first, tensors: readModel(folder) };
  expectNear(
    saved,
    linear([m1, m2], () => 1, true),
  );
});

for (const [choice, dtype] of [
  ['float32', 'F32'],
  ['float16', 'F16'],
] as const) {
  test(`as ${choice}, under a name of its own`, async ({ page }, info) => {
    const studio = new Studio(page);
    const { m1, m2 } = await openFamily(studio, info.outputPath('family'));
    await studio.combobox('Stored as').selectOption(choice);
    await studio.combobox('Save as').selectOption('zip');
    const name = page.getByRole('textbox', { name: 'Name' });
    await name.fill('a/b');
    await expect(studio.button('Save')).toBeDisabled();
    await expect(name).toHaveAttribute('aria-invalid', 'true');
    await name.fill('my merge 1.0');
    const download = await studio.save();
    expect(download.suggestedFilename()).toBe('my merge 1.0.zip');
    const saved = await unpack(download, info.outputPath('saved'));
    expect(new Set([...saved.tensors.values()].map((tensor) => tensor.dtype))).toEqual(new Set([dtype]));
    expect(JSON.parse(textOf(saved, 'config.json'))).toMatchObject({ torch_dtype: choice });
    expectNear(
      saved,
      linear([m1, m2], () => 1, true),
    );
  });
}

test('a folder dialog that is closed saves nothing', async ({ page }, info) => {
  await page.addInitScript(() => {
    Object.assign(window, {
      showDirectoryPicker: async () => {
        // A person needs longer than a browser that shows no dialog.
        await new Promise((resolve) => setTimeout(resolve, 600));
        throw new DOMException('The user aborted a request.', 'AbortError');
      },
    });
  });
  const downloads: string[] = [];
  page.on('download', (download) => downloads.push(download.suggestedFilename()));
  const studio = new Studio(page);
  await openFamily(studio, info.outputPath('family'));
  await studio.button('Save').click();
  await expect(studio.status).toContainText('No folder was chosen; nothing was saved.');
  expect(downloads).toEqual([]);
  await expect(studio.button('Save')).toBeEnabled();
});
