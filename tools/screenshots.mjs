/**
 * Screenshots: `npm run screenshots` drives the built page with its own samples in headless Chromium and writes the
 * pictures of README.md and docs/guide.md to `docs/screenshots/`, so that they show the page as it is. Sizes are fixed
 * and replies are the likeliest ones, the same every time; figures of time are this machine's. A picture that has grown
 * too large for a README is an error.
 */

import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { ensureBuilt } from './build.mjs';
import { CHROMIUM_FLAGS, CPU_CHROMIUM_FLAGS, obtainChromium } from './chromium.mjs';
import { ROOT } from './install.mjs';
import { serve } from './serve.mjs';

/** @typedef {import('playwright').Page} Page */

const FOLDER = join(ROOT, 'docs', 'screenshots');
const PORT = 4393;

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

const MOST_BYTES_EACH = 250_000;
const MOST_BYTES = 2_000_000;

/** Merging, asking four models and reading the answers, on a busy machine. */
const ANSWERED_WITHIN_MS = 240_000;

/** @param {Page} page */
const button = (page, /** @type {string} */ name) => page.getByRole('button', { name, exact: true }).first();

/**
 * Opens the page and waits until the engine says where it runs.
 * @param {Page} page
 * @param {string} address
 */
async function visit(page, address) {
  await page.goto(address);
  await page
    .getByRole('status')
    .filter({ hasText: /WebGPU|CPU/ })
    .first()
    .waitFor();
}

/**
 * Opens the samples as a newcomer does, and waits until the merge and its parents have answered.
 * @param {Page} page
 */
async function openAndAsk(page) {
  await button(page, 'Open samples').click();
  const figures = page.getByRole('log', { name: 'Chat' }).getByText(/tokens\/s/);
  await figures.nth(3).waitFor({ timeout: ANSWERED_WITHIN_MS });
  await page.locator('[role=log][aria-busy=false]').waitFor({ timeout: ANSWERED_WITHIN_MS });
  await button(page, 'No tour').click();
}

/**
 * Takes one picture of what is in sight, once nothing moves and nobody points at anything.
 * @param {Page} page
 * @param {string} name
 */
async function take(page, name) {
  await page.mouse.move(0, 0);
  // Column by column the page scrolls; as a whole it stays.
  if (page.viewportSize()?.width === DESKTOP.width) await page.evaluate(() => window.scrollTo(0, 0));
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: 'disabled', caret: 'hide' });
  console.log(`docs/screenshots/${name}.png`);
}

/**
 * Brings a part to the top of the column that it stands in.
 * @param {import('playwright').Locator} part
 */
async function bringUp(part) {
  await part.evaluate((element) => {
    const column = [...document.querySelectorAll('main *')].findLast(
      (other) => other.contains(element) && /auto|scroll/.test(getComputedStyle(other).overflowY),
    );
    if (!column) return;
    column.scrollTop += element.getBoundingClientRect().top - column.getBoundingClientRect().top - 12;
  });
}

/**
 * A page of its own in a fresh context.
 * @param {import('playwright').Browser} browser
 * @param {string} address
 * @param {{ viewport?: { width: number, height: number }, colorScheme?: 'light' | 'dark' }} [options]
 */
async function open(browser, address, { viewport = DESKTOP, colorScheme = 'light' } = {}) {
  const context = await browser.newContext({
    viewport,
    colorScheme,
    serviceWorkers: 'block',
    reducedMotion: 'reduce',
    locale: 'en-GB',
  });
  const page = await context.newPage();
  await visit(page, address);
  return page;
}

/**
 * The pictures that need the samples opened, in one visit.
 * @param {Page} page
 */
async function studioPictures(page) {
  await openAndAsk(page);
  await take(page, 'first-answer');

  await page.getByRole('tab', { name: 'Models' }).click();
  await page.getByRole('heading', { name: 'Findings' }).waitFor();
  await take(page, 'models');

  await page.getByRole('tab', { name: 'Mixer' }).click();
  await bringUp(page.getByRole('heading', { name: 'Recipe', exact: true }));
  await page.getByRole('textbox', { name: 'Recipe' }).click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('  te', { delay: 40 });
  await page.getByRole('listbox').first().waitFor();
  await bringUp(page.getByRole('heading', { name: 'Recipe', exact: true }));
  await take(page, 'recipe');
  await page.keyboard.press('Escape');
  for (let i = 0; i < 4; i++) await page.keyboard.press('Backspace');

  await page.keyboard.press('Control+K');
  await page.getByRole('dialog').first().waitFor();
  await page.keyboard.type('take', { delay: 40 });
  await take(page, 'palette');
  await page.keyboard.press('Escape');

  await page.getByRole('combobox', { name: 'Save as' }).selectOption('zip');
  const download = page.waitForEvent('download', { timeout: ANSWERED_WITHIN_MS });
  await button(page, 'Save').click();
  await download;
  await page.getByRole('region', { name: /^Audit/ }).waitFor();
  await bringUp(page.getByRole('heading', { name: 'Keep it' }));
  await take(page, 'saving');

  await button(page, 'Wide chat').click();
  await take(page, 'chat');
}

await ensureBuilt('page', { quiet: true });
const executablePath = await obtainChromium();
const { address } = await serve({ port: PORT });
rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER, { recursive: true });

// The first screen as most people see it, with WebGPU. The rest on the CPU: an adapter that is played in software answers
// ten times as slowly, and its figures are nobody's.
const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
try {
  await take(await open(browser, address), 'welcome');
} finally {
  await browser.close();
}
const cpu = await chromium.launch({ executablePath, args: CPU_CHROMIUM_FLAGS });
try {
  await studioPictures(await open(cpu, address));
  const dark = await open(cpu, address, { colorScheme: 'dark' });
  await openAndAsk(dark);
  await take(dark, 'mixer-dark');
  const phone = await open(cpu, address, { viewport: PHONE });
  await openAndAsk(phone);
  await phone.getByRole('grid', { name: 'Weights map' }).evaluate((map) => map.scrollIntoView({ block: 'center' }));
  await take(phone, 'phone');
} finally {
  await cpu.close();
}

const sizes = readdirSync(FOLDER).map((name) => ({ name, bytes: statSync(join(FOLDER, name)).size }));
const all = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
const large = sizes.filter(({ bytes }) => bytes > MOST_BYTES_EACH);
if (large.length > 0 || all > MOST_BYTES) {
  const names = large.map(({ name, bytes }) => `${name} (${Math.round(bytes / 1000)} kB)`).join(', ');
  throw new Error(`The pictures are too large, ${Math.round(all / 1000)} kB together. ${names}`);
}
console.log(`${sizes.length} pictures, ${Math.round(all / 1000)} kB.`);
// The server would keep the process.
process.exit(0);
