/** Stopping: measuring, merging and saving end at once when they are told to, and leave a page that works. */

import { randomFillSync } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Download, expect, test } from '@playwright/test';
import { unzip } from '../src/bytes/zip-reader-double.ts';
import { answerFolderDialog, pickedFiles, privateFiles } from './picked-folder.ts';
import { processorMs } from './processor-time.ts';
import { Studio } from './studio.ts';

const LAYERS = 72;
const SHAPE = [1024, 1024];
const TENSOR_BYTES = 1024 * 1024 * 2;
/** What the browser may still compute from the press on: two cores for a second. All of the work takes many times this. */
const MOST_AFTER_MS = 2000;

/** Writes a BF16 model of about 150 MB: enough work to be stopped in the middle of it. */
async function writeLarge(folder: string, seed: number) {
  const names = Array.from({ length: LAYERS }, (_, layer) => `model.layers.${layer}.mlp.down_proj.weight`);
  const entries = names.map((name, i) => [
    name,
    { dtype: 'BF16', shape: SHAPE, data_offsets: [i * TENSOR_BYTES, (i + 1) * TENSOR_BYTES] },
  ]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  // Numbers of either sign between 0.5 and 2, other ones in every model.
  const values = randomFillSync(new Uint16Array(TENSOR_BYTES / 2)).map((bits) => 0x3f00 | (bits & 0x80ff));
  values[0] = seed;
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, 'model.safetensors'), 'w');
  await file.write(Buffer.concat([length, text]));
  for (let layer = 0; layer < LAYERS; layer++) await file.write(Buffer.from(values.buffer));
  await file.close();
  await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'llama', torch_dtype: 'bfloat16' }));
}

test('Cancel stops each kind of work', async ({ page, browser }, info) => {
  const root = info.outputPath('large');
  for (const [seed, name] of ['base', 'm1', 'm2'].entries()) await writeLarge(join(root, name), seed);
  const downloads: Download[] = [];
  page.on('download', (download) => downloads.push(download));
  await answerFolderDialog(page);
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);

  /** Presses Cancel while the status line tells of `work`, and expects it to be over soon. */
  const cancel = async (work: RegExp) => {
    await expect(studio.status).toContainText(work);
    const cancelButton = studio.button('Cancel');
    await expect(cancelButton).toBeEnabled();
    const began = await processorMs(browser);
    // Looked for in the page itself: an assertion here looks only every now and then.
    const took = await cancelButton.evaluate((button: HTMLButtonElement) => {
      const status = document.querySelector('[role=status]');
      const pressedMs = performance.now();
      button.click();
      return new Promise<number>((resolve) => {
        const look = () => {
          if (status?.textContent?.includes('Stopped.')) resolve(performance.now() - pressedMs);
          else requestAnimationFrame(look);
        };
        look();
      });
    });
    const computed = (await processorMs(browser)) - began;
    info.annotations.push({ type: `${work}`, description: `${took} ms by the clock, ${computed} ms computed` });
    expect(computed).toBeLessThan(MOST_AFTER_MS);
    await expect(studio.status).toContainText('Stopped. Nothing was changed.');
    await expect(studio.button('Cancel')).toHaveCount(0);
  };

  await test.step('measuring, which began by itself', () => cancel(/^Measuring/));
  await test.step('merging', async () => {
    await studio.button('Merge').click();
    await cancel(/^Merging/);
    await expect(studio.button('Merge')).toBeEnabled();
  });
  await test.step('saving as a zip', async () => {
    await studio.combobox('Save as').selectOption('zip');
    await studio.button('Save').click();
    await cancel(/^Saving/);
    expect(downloads).toEqual([]);
    await expect.poll(() => privateFiles(page)).toEqual([]);
  });
  await test.step('saving in a folder', async () => {
    await studio.combobox('Save as').selectOption('folder');
    await studio.button('Save').click();
    await cancel(/^Saving/);
    // No file bears the name of a finished one.
    expect([...(await pickedFiles(page)).keys()]).toEqual([]);
    await studio.combobox('Save as').selectOption('zip');
  });
  await test.step('the page works as before', async () => {
    await studio.writeRecipe('merge_method: linear\nmodels:\n  - model: m1\n  - model: m2\n');
    await studio.merge();
    const path = await (await studio.save()).path();
    const files = unzip(new Uint8Array(await readFile(path)));
    expect(files.get('merged/model.safetensors')?.length).toBeGreaterThan(LAYERS * TENSOR_BYTES);
    expect(downloads).toHaveLength(1);
  });
});
