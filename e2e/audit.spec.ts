/** What a save says about itself: hashes that hold, and a broken merge that nobody can take for a sound one. */

import { createHash } from 'node:crypto';
import { expect, test } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { openFamily } from './own-family.ts';
import { textOf, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

test.use({ permissions: ['clipboard-read', 'clipboard-write'] });

test('a sound merge passes, and its hashes are those of the files', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'qwen2', dtype: 'BF16', maxShardBytes: 20_000 });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.audit).toHaveCount(0);
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  await expect(studio.status).toContainText('on the CPU');
  await expect(studio.audit.getByRole('heading')).toHaveText('Audit passed');
  await expect(studio.audit).toContainText('no NaN or infinity');
  const { files, totals } = JSON.parse(textOf(saved, 'fusewright-audit.json'));
  expect(files.length).toBe(saved.files.size - 1);
  expect(files.length).toBeGreaterThan(3);
  const shards: string[] = [];
  for (const { name, bytes, sha256 } of files) {
    const content = saved.files.get(name) ?? new Uint8Array();
    expect(content.length).toBe(bytes);
    expect(createHash('sha256').update(content).digest('hex'), name).toBe(sha256);
    if (name.endsWith('.safetensors')) shards.push(sha256);
    if (name !== 'README.md') expect(textOf(saved, 'README.md')).toContain(sha256);
  }
  expect(totals.tensors).toBe(saved.tensors.size);

  await test.step('shown, and copied', async () => {
    await studio.audit.getByText(/^SHA-256 of \d+ files$/).click();
    const list = studio.audit.getByRole('list', { name: 'Files' });
    await expect(list.getByRole('listitem')).toHaveCount(files.length);
    const [first] = files;
    await studio.audit.getByRole('button', { name: `Copy the SHA-256 of ${first.name}` }).click();
    await expect(studio.status).toContainText('is on the clipboard');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shards[0]);
    await studio.audit.getByRole('button', { name: 'Copy all' }).click();
    await expect
      .poll(() => page.evaluate(() => navigator.clipboard.readText()))
      .toBe(files.map((file: { name: string; sha256: string }) => `${file.sha256}  ${file.name}\n`).join(''));
    await studio.audit.getByText('Norms of the merged tensors').click();
    await expect(studio.audit.getByRole('row', { name: /^this merge [\d.]+$/ })).toBeVisible();
  });
});

test('weights that overflow float16 fail the audit, loudly', async ({ page }, info) => {
  const { studio } = await openFamily(
    page,
    info,
    'merge_method: linear\nbase_model: base\nmodels:\n  - model: m1\n    parameters: {weight: [{filter: norm, value: 1.0e+7}, {value: 1}]}\nparameters: {normalize: false}\n',
    'F16',
  );
  await expect(studio.method).toHaveValue('linear');
  await expect(studio.button('Save')).toBeEnabled();
  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  await expect(studio.audit.getByRole('heading')).toHaveText('Audit failed');
  const findings = studio.audit.getByRole('list', { name: 'What the audit found' });
  await expect(findings.getByRole('listitem').first()).toContainText(
    /Failure\. The result holds 140 NaN or infinite values, in model\.\S+ \(20\)/,
  );
  await expect(studio.status).toContainText('Its audit FAILED.');
  expect(textOf(saved, 'README.md')).toContain('**Failed.**');
  expect(JSON.parse(textOf(saved, 'fusewright-audit.json'))).toMatchObject({
    verdict: 'failed',
    totals: { nonFinite: 140, norm: null },
  });
});

test('weights that add up to far too much are told of', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.map).toBeVisible();
  await studio.method.selectOption({ label: 'Linear' });
  await studio.field('weight of m1').fill('9');
  await page.getByRole('switch', { name: 'normalize' }).click();
  await studio.expectRecipe(/normalize: false/);
  await studio.save();
  await expect(studio.audit.getByRole('heading')).toHaveText('Audit passed with warnings');
  await expect(studio.audit).toContainText('The model’s norm is');

  await test.step('and it is said that they were those of an older recipe', async () => {
    await expect(studio.audit).not.toContainText('The recipe has changed since.');
    await studio.field('weight of m1').fill('1');
    await expect(studio.audit).toContainText('The recipe has changed since.');
  });
});
