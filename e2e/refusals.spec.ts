/** What cannot be opened or merged, and what the page says about it: one sentence that names the file, never a stack. */

import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { processorMs } from './processor-time.ts';
import { Studio } from './studio.ts';

const MODELS = join(import.meta.dirname, 'fixtures', 'models');

/** A safetensors header with its length before it. */
function header(tensors: Readonly<Record<string, unknown>>): Buffer {
  const text = Buffer.from(JSON.stringify(tensors));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

/** No part of the page may look like a programmer's error message. */
async function expectNoStack(page: Page) {
  const text = await page.locator('body').innerText();
  expect(text).not.toMatch(/\bat \S+ \(|\.[jt]s:\d+|(Type|Range|Syntax|Reference)Error|undefined|\[object /);
}

test('two models of different shapes', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  for (const name of ['stories260K-llama', 'llama2xs-500it']) {
    await studio.addFolder(join(MODELS, name));
    await expect(studio.checkpoint(name)).toBeVisible();
  }
  await expect(studio.status).toContainText('model.layers.0.mlp');
  await studio.button('Merge').click();
  await expect(studio.status).toContainText('not a sibling');
  await expect(studio.status).toContainText('model.layers.0.mlp');
  await expect(studio.button('Save')).toBeDisabled();
  const findings = page.getByRole('region', { name: 'Before merging' });
  await expect(findings).toContainText('Cannot merge');
  for (const tensor of ['gate_proj', 'up_proj', 'down_proj']) {
    await expect(findings.getByText(`model.layers.0.mlp.${tensor}.weight`, { exact: true })).toBeVisible();
  }
  await expectNoStack(page);
});

test('sixteen gigabytes that do not fit each other are refused from their headers', async ({ page, browser }, info) => {
  const root = info.outputPath('huge');
  for (const [name, rows] of [
    ['left', 2 ** 20],
    ['right', 2 ** 20 - 1],
  ] as const) {
    const bytes = rows * 2048 * 4;
    const head = header({ 'model.norm.weight': { dtype: 'F32', shape: [rows, 2048], data_offsets: [0, bytes] } });
    await mkdir(join(root, name), { recursive: true });
    // The weights are a hole in the file: nothing is written.
    const file = await open(join(root, name, 'model.safetensors'), 'w');
    await file.write(head);
    await file.truncate(head.length + bytes);
    await file.close();
  }
  const studio = new Studio(page);
  await studio.visit();
  const began = await processorMs(browser);
  for (const name of ['left', 'right']) {
    await studio.addFiles(join(root, name, 'model.safetensors'));
  }
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(2);
  await expect(studio.status).toContainText('model.norm.weight');
  await studio.button('Merge').click();
  await expect(studio.status).toContainText('not a sibling');
  // Reading them would take minutes.
  expect((await processorMs(browser)) - began).toBeLessThan(15_000);
  for (const name of ['left', 'right']) await (await open(join(root, name, 'model.safetensors'), 'w')).close();
});

test('files that are not what they should be', async ({ page }, info) => {
  const whole = await readFile(join(MODELS, 'stories260K-llama', 'model.safetensors'));
  const edge = (name: string) => readFile(join(MODELS, 'safetensors-edge', `${name}.safetensors`));
  const files: Readonly<Record<string, { bytes: Buffer; says: RegExp }>> = {
    'cut/cut.safetensors': { bytes: whole.subarray(0, whole.length / 2), says: /download|cut|short|end|again/i },
    'pointer/pointer.safetensors': {
      bytes: Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 1048576\n`),
      says: /Git LFS pointer/,
    },
    'gguf/model.gguf': { bytes: Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(60, 3)]), says: /GGUF/ },
    'disguised/disguised.safetensors': {
      bytes: Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(60, 3)]),
      says: /GGUF/,
    },
    'pickle/pytorch_model.bin': {
      bytes: Buffer.concat([Buffer.from([0x80, 0x02, 0x7d, 0x71]), Buffer.alloc(60)]),
      says: /pickle/,
    },
    'page/page.safetensors': { bytes: Buffer.from('<!DOCTYPE html><html>login</html>'), says: /web page/ },
    'broken/broken.safetensors': { bytes: await edge('test_invalid_header_not_json_0'), says: /header|JSON/i },
    'zeros/zeros.safetensors': { bytes: await edge('sixteen_zero_bytes'), says: /header|empty|short|tensors/i },
    'overlap/overlap.safetensors': { bytes: await edge('abuse3_2000_overlapping'), says: /overlap|share/i },
    'empty/empty.safetensors': { bytes: Buffer.alloc(0), says: /empty|short/i },
  };
  const root = info.outputPath('bad');
  const studio = new Studio(page);
  await studio.visit();
  for (const [path, { bytes, says }] of Object.entries(files)) {
    await test.step(path, async () => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), bytes);
      await studio.addFiles(join(root, path));
      const alert = page.getByRole('alert');
      await expect(alert).toHaveCount(1);
      await expect(alert).toContainText(path.split('/')[1] ?? path);
      await expect(alert).toContainText(says);
      expect((await alert.innerText()).length).toBeLessThan(300);
      await expectNoStack(page);
      await page.getByRole('button', { name: 'Dismiss' }).click();
      await expect(alert).toHaveCount(0);
    });
  }
  await test.step('a bad file does not stop the good one beside it', async () => {
    await studio.addFiles(join(root, 'cut/cut.safetensors'), join(MODELS, 'odd-alignment', 'model.safetensors'));
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(1);
    await expect(page.getByRole('alert')).toContainText('cut.safetensors');
  });
});

test('a recipe with a typing error', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.button('Save')).toBeEnabled();
  const good = await studio.recipeText();
  for (const [wrong, said] of [
    [good.replace('granularity', 'granularty'), /line \d+.*granularty.*Did you mean 'granularity'\?/s],
    [good.replace('merge_method: varm', 'merge_method: varn'), /line 1.*varn.*Did you mean 'varm'\?/s],
    [good.replace('granularity: tensor', 'granularity: tensors'), /line \d+.*tensors.*tensor/s],
    [`${good}models: [`, /line \d+/],
  ] as const) {
    expect(wrong).not.toBe(good);
    await studio.writeRecipe(wrong);
    const problems = page.locator('#recipe-problems');
    const line = wrong.split('\n').findIndex((text, i) => text !== good.split('\n')[i]) + 1;
    // The first line that is named; the problem of the recipe before this one is gone by then.
    await expect(problems).toHaveText(new RegExp(`^(?:(?!line \\d).)*line ${line}\\b`, 's'));
    await expect(problems).toContainText(said);
    await expect(studio.recipe).toHaveAttribute('aria-invalid', 'true');
    await expect(studio.status).toContainText(`line ${line},`);
    await expect(studio.button('Merge')).toBeDisabled();
    await expect(studio.method).toBeDisabled();
    await expectNoStack(page);
  }
  await studio.writeRecipe(good);
  await expect(studio.button('Merge')).toBeEnabled();
  await studio.writeRecipe(good.replace('model: m2', 'model: m3'));
  await expect(studio.status).toContainText('m3');
  await studio.button('Merge').click();
  await expect(studio.status).toContainText('m3');
});
