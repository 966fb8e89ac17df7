/** The first screen: how much script it needs, that it can be used with nothing more, and that nothing on it jumps. */

import { gzipSync } from 'node:zlib';
import { type APIRequestContext, expect, type Page, type Route, test } from '@playwright/test';
import { Studio } from './studio.ts';

const MOST_SCRIPT_BYTES = 250 * 1024;
const MOST_SHIFT = 0.02;

// The service worker fetches everything for later visits, after the first one; it is none of this screen's business.
test.use({ serviceWorkers: 'block' });

/** The scripts that index.html cannot be drawn without: those it names, and what these import before they run. */
async function firstScripts(request: APIRequestContext): Promise<Map<string, Buffer>> {
  const html = await (await request.get('/')).text();
  const found = new Map<string, Buffer>();
  const queue = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)].map(([, path]) => path ?? '');
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (found.has(path)) continue;
    const body = await (await request.get(`/${path}`)).body();
    found.set(path, body);
    // Static imports alone: `import("./x.js")` comes later.
    for (const [, own] of body.toString('utf8').matchAll(/(?:\bfrom|\bimport)\s*["']\.\/([\w.-]+\.js)["']/g)) {
      queue.push(`assets/${own}`);
    }
  }
  return found;
}

/** Counts the shifts of the layout from the page's first moment on. */
async function watchShifts(page: Page): Promise<() => Promise<number>> {
  await page.addInitScript(() => {
    const counter = window as unknown as { shifted: number };
    counter.shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as { value: number; hadRecentInput: boolean }[]) {
        if (!entry.hadRecentInput) counter.shifted += entry.value;
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  return () => page.evaluate(() => (window as unknown as { shifted: number }).shifted);
}

test('at most 250 KiB of script, and it can be used before anything else has come', async ({ page, request }) => {
  const first = await firstScripts(request);
  expect(first.size).toBeGreaterThan(0);
  const bytes = [...first.values()].reduce((sum, body) => sum + gzipSync(body).length, 0);
  test.info().annotations.push({ type: 'script', description: `${bytes} bytes in ${first.size} files` });
  expect(bytes).toBeLessThanOrEqual(MOST_SCRIPT_BYTES);

  // Everything else is held until the button was pressed.
  const held: Route[] = [];
  let isHolding = true;
  await page.route(/\.(js|mjs|wasm)(\?|$)/, async (route) => {
    const path = new URL(route.request().url()).pathname.slice(1);
    if (isHolding && !first.has(path)) held.push(route);
    else await route.continue();
  });
  const studio = new Studio(page);
  await page.goto('/');
  await expect(page.getByRole('heading', { name: /^Blend language models/ })).toBeVisible();
  await expect(studio.button('Open samples')).toBeEnabled();
  const index = page.waitForRequest(/samples\/index\.json$/);
  await studio.button('Open samples').click();
  await index;
  await expect(studio.status).toContainText('samples');

  // The engine was asked for after that, and no model library yet.
  const names = () => held.map((route) => new URL(route.request().url()).pathname);
  await expect.poll(names).toContainEqual(expect.stringMatching(/engine\.worker/));
  expect(names().filter((name) => /ort[.-]|wasm/.test(name))).toEqual([]);

  isHolding = false;
  for (const route of held) await route.continue();
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(4);
});

test('nothing jumps: not on the empty page, and not while the samples open', async ({ page }) => {
  const shifted = await watchShifts(page);
  const studio = new Studio(page);
  await studio.visit();
  expect(await shifted()).toBeLessThan(MOST_SHIFT);
  await studio.openSamples();
  await expect(studio.status).toContainText(/^Ready to merge/);
  expect(await shifted()).toBeLessThan(MOST_SHIFT);
});

test('nothing jumps on a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const shifted = await watchShifts(page);
  const studio = new Studio(page);
  await studio.visit();
  expect(await shifted()).toBeLessThan(MOST_SHIFT);
});
