/**
 * Page: the same merges in Chromium, through the built page and its controls, into the browser's private file system,
 * beside a copy through the same browser calls; and how long weights take to follow a slider. Needs Playwright and a
 * Chromium.
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from '../../tools/build.mjs';
import { CHROMIUM_FLAGS, obtainChromium } from '../../tools/chromium.mjs';
import { recipeText, sourcesOf } from './merges.mjs';
import { canTell, heldBytes, watch } from './process-memory.mjs';

/** @typedef {import('./merges.mjs').Merge} Merge */
/** @typedef {import('playwright').Page} BrowserPage */

const PORT = 4197;
const SERVE = fileURLToPath(new URL('../../tools/serve.mjs', import.meta.url));
/** Part of the command line of all of a browser's processes. */
const BROWSER = 'chrom';
const CHECK_LIMIT_MS = 120_000;
const SAVE_LIMIT_MS = 30 * 60_000;
/** A page that is to save and does nothing for so long has refused. */
const IDLE_LIMIT_MS = 5000;
const CHANGE_LIMIT_MS = 60_000;
/** What the page reads and writes at a time in the copy. */
const CHUNK_BYTES = 8 * 2 ** 20;

/**
 * Opens the built page in Chromium, hands it to `use`, and closes everything.
 * @template T
 * @param {(page: BrowserPage) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withPage(use) {
  await ensureBuilt('page', { quiet: true });
  const { chromium } = await import('playwright');
  const executablePath = await obtainChromium();
  const server = spawn(process.execPath, [SERVE, '--strict-port', '--port', `${PORT}`], { stdio: 'ignore' });
  try {
    await answers(`http://localhost:${PORT}/`);
    const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
    try {
      const page = await browser.newPage();
      // Headless browsers show no dialog: the private file system stands in for the picked folder.
      await page.addInitScript(() => {
        Object.assign(window, {
          showDirectoryPicker: async () =>
            (await navigator.storage.getDirectory()).getDirectoryHandle('picked', { create: true }),
        });
      });
      await page.goto(`http://localhost:${PORT}/`);
      await statusSays(page, /WebGPU|CPU/, CHECK_LIMIT_MS);
      return await use(page);
    } finally {
      await browser.close();
    }
  } finally {
    server.kill();
  }
}

/** @param {string} address */
async function answers(address) {
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(address).then(
        () => true,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The page is not served at ${address}; is the port taken?`);
}

/**
 * Waits for the status line; throws with what it says where it says something else for too long.
 * @param {BrowserPage} page
 * @param {RegExp} wanted
 * @param {number} limitMs
 */
async function statusSays(page, wanted, limitMs) {
  const status = page.getByRole('status');
  const start = performance.now();
  for (;;) {
    const text = await status.innerText();
    if (wanted.test(text)) return text;
    if (performance.now() - start > limitMs) throw new Error(`The page says: ${text}`);
    await page.waitForTimeout(20);
  }
}

/** Whether a whole model lies in the picked folder. @param {BrowserPage} page */
function isSaved(page) {
  return page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const picked = await root.getDirectoryHandle('picked', { create: true });
    const config = await picked.getFileHandle('config.json').catch(() => null);
    return config !== null && (await config.getFile()).size > 0;
  });
}

/** Deletes what was saved. @param {BrowserPage} page */
async function clearSaved(page) {
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    for await (const name of root.keys()) await root.removeEntry(name, { recursive: true }).catch(() => undefined);
  });
}

/**
 * Saves every merge from the page.
 * @param {{ folder: string, merges: readonly Merge[], say: (line: string) => void }} options `folder`: a size's folder
 * @returns {Promise<{ rows: import('./report.mjs').PageRow[], idleBytes: number | null, place: string }>}
 */
export async function measurePage({ folder, merges, say }) {
  return withPage(async (page) => {
    const place = (await page.getByRole('status').innerText()).trim();
    const idleBytes = canTell ? await heldBytes(BROWSER) : null;
    await page.getByLabel('Add a folder').setInputFiles(folder);
    await page
      .getByRole('region', { name: 'Checkpoints' })
      .getByRole('group')
      .nth(3)
      .waitFor({ timeout: CHECK_LIMIT_MS });
    /** @type {import('./report.mjs').PageRow[]} */
    const rows = [];
    for (const merge of merges) {
      const copySeconds = await copyInPage(page, folder, sourcesOf(merge));
      await clearSaved(page);
      let saveSeconds = null;
      let failure = null;
      const stop = canTell ? watch(BROWSER) : null;
      try {
        saveSeconds = await saveOnce(
          page,
          recipeText(merge, (name) => name),
        );
      } catch (error) {
        failure = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      }
      const most = stop === null ? null : await stop();
      const peakBytes = most === null || idleBytes === null ? null : most - idleBytes;
      rows.push({ method: merge.name, saveSeconds, failure, copySeconds, peakBytes });
      say(`page ${merge.name}: ${saveSeconds?.toFixed(1) ?? failure} s, copy ${copySeconds.toFixed(1)} s`);
      await clearSaved(page);
    }
    return { rows, idleBytes, place };
  });
}

/**
 * @param {BrowserPage} page
 * @param {string} recipe
 */
async function saveOnce(page, recipe) {
  await page.getByRole('textbox', { name: 'Recipe' }).fill(recipe);
  const save = page.getByRole('button', { name: 'Save', exact: true });
  await page.waitForTimeout(500);
  await statusSays(page, /^(?!.*(Checking|Measuring|Opening))/s, CHECK_LIMIT_MS);
  if (!(await save.isEnabled())) throw new Error(`The page says: ${await page.getByRole('status').innerText()}`);
  await page.getByRole('combobox', { name: 'Save as', exact: true }).selectOption('folder');
  const start = performance.now();
  await save.click();
  // The status line may still tell of the merge before; the file that is put in place last does not.
  for (let lastBusy = start; !(await isSaved(page)); await page.waitForTimeout(20)) {
    const text = await page.getByRole('status').innerText();
    const now = performance.now();
    if (/Saving|Merging|Measuring/.test(text)) lastBusy = now;
    if (now - lastBusy > IDLE_LIMIT_MS || now - start > SAVE_LIMIT_MS) throw new Error(`The page says: ${text}`);
  }
  const elapsed = (performance.now() - start) / 1000;
  await statusSays(page, /Saved/, CHECK_LIMIT_MS);
  return elapsed;
}

/**
 * Reads the sources and writes the bytes of one of them in the page, computing nothing.
 * @param {BrowserPage} page
 * @param {string} folder
 * @param {readonly string[]} models
 */
async function copyInPage(page, folder, models) {
  await page.evaluate(() => {
    const input = document.createElement('input');
    Object.assign(input, { type: 'file', multiple: true, id: 'bench-copy', hidden: true });
    document.body.append(input);
  });
  await page.locator('#bench-copy').setInputFiles(models.map((name) => join(folder, name, 'model.safetensors')));
  return page.evaluate(async (chunkBytes) => {
    const input = document.querySelector('#bench-copy');
    if (!(input instanceof HTMLInputElement)) throw new Error('no input');
    const files = [...(input.files ?? [])];
    const start = performance.now();
    const root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle('copy', { create: true });
    const writer = await (await directory.getFileHandle('model.safetensors', { create: true })).createWritable();
    let writing = Promise.resolve();
    for (let at = 0; at < (files[0]?.size ?? 0); at += chunkBytes) {
      const [chunk] = await Promise.all(files.map((file) => file.slice(at, at + chunkBytes).arrayBuffer()));
      await writing;
      if (chunk !== undefined) writing = writer.write(chunk);
    }
    await writing;
    await writer.close();
    const elapsed = (performance.now() - start) / 1000;
    input.remove();
    return elapsed;
  }, CHUNK_BYTES);
}

/**
 * How long the shipped samples' live merge takes to follow a slider, key press by key press.
 * @param {{ methods: readonly string[], changes: number }} options
 */
export async function measureRetune({ methods, changes }) {
  return withPage(async (page) => {
    await page.getByRole('button', { name: 'Open samples', exact: true }).click();
    await page.getByRole('grid', { name: 'Weights map' }).waitFor({ timeout: CHECK_LIMIT_MS });
    /** @type {{ method: string, wallMs: number[], toldMs: number[] }[]} */
    const rows = [];
    for (const method of methods) {
      await page.getByRole('combobox', { name: 'Method' }).selectOption(method);
      await page.waitForTimeout(500);
      const merge = page.getByRole('button', { name: 'Merge', exact: true });
      if (rows.length === 0) await merge.click();
      await statusSays(page, /\(blend \d+,/, CHANGE_LIMIT_MS);
      await page.waitForTimeout(1500);
      const slider = page.getByRole('slider', { name: /^weight of / }).first();
      await slider.focus();
      const wallMs = [];
      const toldMs = [];
      for (let change = 0; change < changes + 2; change++) {
        await page.evaluate(watchForBlend);
        await page.keyboard.press(change % 2 === 0 ? 'ArrowLeft' : 'ArrowRight');
        const { elapsed, text } = await page.evaluate(
          () =>
            /** @type {{ benchBlend: Promise<{ elapsed: number, text: string }> }} */ (/** @type {unknown} */ (window))
              .benchBlend,
        );
        const [, figure, unit] = / in ([\d.]+) (ms|s)/.exec(text) ?? [];
        // The first two warm the caches of the browser and of the page.
        if (change >= 2 && figure !== undefined) {
          wallMs.push(elapsed);
          toldMs.push(Number(figure) * (unit === 's' ? 1000 : 1));
        }
      }
      rows.push({ method, wallMs, toldMs });
    }
    return rows;
  });
}

/** In the page: from the next key press to the next blend that the status line tells of. */
function watchForBlend() {
  const status = document.querySelector('[role="status"]');
  const blend = () => /\(blend (\d+),/.exec(status?.textContent ?? '')?.[1];
  const before = blend();
  const answer = new Promise((resolve, reject) => {
    let start = 0;
    window.addEventListener('keydown', () => (start = performance.now()), { once: true, capture: true });
    const observer = new MutationObserver(() => {
      const now = blend();
      if (start === 0 || now === undefined || now === before) return;
      observer.disconnect();
      resolve({ elapsed: performance.now() - start, text: status?.textContent ?? '' });
    });
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    setTimeout(() => reject(new Error(`no new blend: ${status?.textContent}`)), 30_000);
  });
  Object.assign(window, { benchBlend: answer });
}
