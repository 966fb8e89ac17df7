/** ONNX: what the page saves, loaded by plain transformers.js in the same browser, says what the merged model says. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as Transformers from '@huggingface/transformers';
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { unzip } from '../src/bytes/zip-reader-double.ts';
import { greedy } from './greedy.ts';
import { answerFolderDialog, pickedFiles } from './picked-folder.ts';
import { unpack } from './saved-model.ts';
import { STORIES, writeRelative } from './stories-relative.ts';
import { Studio } from './studio.ts';

/** Where nobody answers but this test. */
const SITE = 'https://exported.test';
const MODULES = join(import.meta.dirname, '..', 'node_modules');
const PROMPT = 'Once upon a time, there was a';
const TOKENS = 16;

/** Modules by the names that transformers.js imports them by, as a page without a bundler would. */
const IMPORTS: Readonly<Record<string, string>> = {
  '@huggingface/transformers': '@huggingface/transformers/dist/transformers.web.min.js',
  'onnxruntime-web/webgpu': 'onnxruntime-web/dist/ort.webgpu.bundle.min.mjs',
  'onnxruntime-common': 'onnxruntime-common/dist/esm/index.js',
};

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
  json: 'application/json',
};

/** Serves a page with transformers.js and a folder of files, from memory and from node_modules. */
async function serveExported(context: BrowserContext, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const imports = Object.fromEntries(Object.entries(IMPORTS).map(([name, path]) => [name, `/modules/${path}`]));
  const html = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`;
  await context.route(`${SITE}/**`, async (route) => {
    const path = decodeURIComponent(new URL(route.request().url()).pathname);
    const contentType = TYPES[path.split('.').pop() ?? ''] ?? 'application/octet-stream';
    const file = files.get(path.replace('/models/exported/', ''));
    if (path === '/') await route.fulfill({ body: html, contentType: 'text/html' });
    else if (path.startsWith('/modules/'))
      await route.fulfill({ body: await readFile(join(MODULES, path.slice('/modules/'.length))), contentType });
    else if (file) await route.fulfill({ body: Buffer.from(file), contentType });
    else await route.fulfill({ status: 404 });
  });
}

/** The greedy continuation by plain transformers.js on the CPU. */
async function continuation(page: Page, dtype: string): Promise<string> {
  return page.evaluate(
    async ([prompt, count, wanted]) => {
      const name = '@huggingface/transformers';
      const { AutoModelForCausalLM, AutoTokenizer, env } = (await import(name)) as typeof Transformers;
      env.allowLocalModels = true;
      env.allowRemoteModels = false;
      env.useBrowserCache = false;
      env.useWasmCache = false;
      const { wasm } = env.backends.onnx;
      if (!wasm) throw new Error('no WebAssembly');
      const file = '/modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify';
      wasm.wasmPaths = { wasm: `${file}.wasm`, mjs: `${file}.mjs` };
      wasm.numThreads = 1;
      const tokenizer = await AutoTokenizer.from_pretrained('exported');
      const model = await AutoModelForCausalLM.from_pretrained('exported', {
        dtype: wanted as 'fp32',
        device: 'wasm',
      });
      const inputs = tokenizer(prompt);
      const options = { ...inputs, max_new_tokens: count, do_sample: false };
      const output = (await model.generate(options as unknown as Parameters<typeof model.generate>[0])) as unknown as {
        tolist(): bigint[][];
      };
      const [ids = []] = output.tolist();
      await model.dispose();
      return tokenizer.decode(ids.map(Number), { skip_special_tokens: true });
    },
    [PROMPT, TOKENS, dtype] as const,
  );
}

test('a merge as ONNX, in a zip and in a folder', async ({ page, context }, info) => {
  await answerFolderDialog(page);
  const root = info.outputPath('models');
  await writeRelative(join(root, 'one'), { kind: 'llama', dtype: 'F32', isTied: true, seed: 1 });
  await writeRelative(join(root, 'two'), { kind: 'llama', dtype: 'F32', isTied: true, seed: 2 });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await studio.method.selectOption({ label: 'Linear' });
  await expect(studio.button('Save')).toBeEnabled();

  const expected = await test.step('safetensors, for what the merge says', async () => {
    await studio.combobox('Save as').selectOption('zip');
    const saved = await unpack(await studio.save(), info.outputPath('safetensors'));
    return greedy(STORIES, saved.tensors, PROMPT, TOKENS);
  });

  const files = await test.step('ONNX in two dtypes, as a zip', async () => {
    await studio.combobox('Format').selectOption('onnx');
    await expect(page.getByRole('checkbox', { name: /^q8/ })).toBeChecked();
    await page.getByRole('checkbox', { name: /^fp32/ }).check();
    const download = await studio.save();
    const entries = unzip(new Uint8Array(await readFile(await download.path())));
    const zipped = new Map([...entries].map(([name, bytes]) => [name.replace(/^merged\//, ''), bytes]));
    expect([...zipped.keys()].sort()).toEqual([
      'README.md',
      'config.json',
      'fusewright-audit.json',
      'fusewright.yml',
      'generation_config.json',
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'onnx/model_quantized.onnx',
      'onnx/model_quantized.onnx_data',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    await expect(studio.audit).toContainText('passed');
    return zipped;
  });

  await test.step('the same bytes in a folder', async () => {
    await studio.combobox('Save as').selectOption('folder');
    await studio.button('Save').click();
    await expect(studio.status).toContainText('Saved in the chosen folder: 12 files');
    const picked = await pickedFiles(page);
    expect([...picked.keys()].sort()).toEqual([...files.keys()].sort());
    for (const [name, bytes] of files) {
      if (name.startsWith('onnx/')) expect(Buffer.compare(picked.get(name) ?? Buffer.alloc(0), bytes), name).toBe(0);
    }
  });

  await test.step('plain transformers.js says what the merge says', async () => {
    await serveExported(context, files);
    const other = await context.newPage();
    await other.goto(`${SITE}/`);
    expect(await continuation(other, 'fp32')).toBe(PROMPT + expected.text);
    // 8 bits may come to another word somewhere, and not to another story.
    const q8 = await continuation(other, 'q8');
    expect(q8.startsWith(PROMPT)).toBe(true);
    expect(q8.length).toBeGreaterThan(PROMPT.length + TOKENS);
    await other.close();
  });

  await test.step('a dtype cannot be left out altogether', async () => {
    await page.getByRole('checkbox', { name: /^fp32/ }).uncheck();
    await page.getByRole('checkbox', { name: /^q8/ }).click();
    await expect(page.getByRole('checkbox', { name: /^q8/ })).toBeChecked();
  });
});
