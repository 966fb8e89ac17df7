/**
 * With no network: after one visit the page opens, merges, talks and saves with the network gone; nothing but the
 * build's own files is kept; and a newer version is offered, not forced. The only spec that lets the worker in.
 */

import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { HEADERS } from '../tools/serve.mjs';
import { Studio } from './studio.ts';

test.use({ serviceWorkers: 'allow' });

/** The worker starts when the page is idle, and then fetches 34 MB from this machine. */
const KEPT_WITHIN_MS = 300_000;

const works = (page: Page) => page.getByRole('banner').getByText('Works offline.');

test('after one visit everything works with no network, samples and chat included', async ({
  page,
  context,
  baseURL,
}) => {
  const studio = new Studio(page);
  await studio.visit();
  await expect(works(page)).toBeVisible({ timeout: KEPT_WITHIN_MS });

  await test.step('what is kept are the files of the build, and no others', async () => {
    const kept = await page.evaluate(async () => {
      const names = await caches.keys();
      const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
      return requests.flat().map(({ url }) => url);
    });
    const origin = new URL(baseURL ?? '').origin;
    expect(kept.filter((url) => !url.startsWith(`${origin}/`))).toEqual([]);
    const paths = kept.map((url) => new URL(url).pathname);
    expect(paths).toContain('/index.html');
    expect(paths.filter((path) => path.endsWith('.wasm'))).toHaveLength(1);
    expect(paths.filter((path) => path.startsWith('/samples/') && path.endsWith('.safetensors'))).toHaveLength(4);
    // Each is a file of dist/; reading one that is not throws.
    await Promise.all(paths.map((path) => readFile(join('dist', decodeURIComponent(path)))));
  });

  await context.setOffline(true);
  await page.reload();
  await expect(studio.status).toContainText(/WebGPU|CPU/);
  await expect(works(page)).toBeVisible();
  await studio.openSamples();
  await studio.merge();
  expect((await studio.say('Shout wood'))[1]).toBe('WOOD');
  await studio.save();
});

test('models that are opened are kept nowhere', async ({ page }) => {
  const studio = new Studio(page);
  await studio.visit();
  await expect(works(page)).toBeVisible({ timeout: KEPT_WITHIN_MS });
  const count = () =>
    page.evaluate(async () => {
      const names = await caches.keys();
      return (await Promise.all(names.map(async (name) => (await caches.open(name)).keys()))).flat().length;
    });
  const before = await count();
  await studio.addFolder(join(import.meta.dirname, 'fixtures', 'models', 'stories260K-llama'));
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(1);
  expect(await count()).toBe(before);
});

test('a newer version waits until it is asked for', async ({ page }, info) => {
  const folder = info.outputPath('site');
  await cp('dist', folder, { recursive: true });
  const site = await serve(folder);
  try {
    const studio = new Studio(page);
    // Under a path of its own, as on a static host that serves several sites.
    await page.goto(`${site.address}/studio/`);
    await expect(studio.status).toContainText(/WebGPU|CPU/);
    await expect(works(page)).toBeVisible({ timeout: KEPT_WITHIN_MS });

    // The next version: another title, and therefore another list of files in its worker.
    const page1 = await readFile(join(folder, 'index.html'), 'utf8');
    await writeFile(join(folder, 'index.html'), page1.replace('<title>Fusewright', '<title>Fusewright next'));
    const worker = await readFile(join(folder, 'service-worker.js'), 'utf8');
    const changed = worker.replace(
      /("?revision"?:\s*[`"'][0-9a-f]{31})[0-9a-f]([`"'],\s*"?url"?:\s*[`"']index\.html)/,
      '$1x$2',
    );
    expect(changed).not.toBe(worker);
    await writeFile(join(folder, 'service-worker.js'), changed);

    await page.reload();
    const note = page.getByRole('banner').getByText('A new version is ready.');
    await expect(note).toBeVisible({ timeout: KEPT_WITHIN_MS });
    expect(await page.title()).toBe('Fusewright');
    await page.getByRole('banner').getByRole('button', { name: 'Reload' }).click();
    await expect(page).toHaveTitle('Fusewright next');
    await expect(works(page)).toBeVisible({ timeout: KEPT_WITHIN_MS });
    await expect(note).toHaveCount(0);
  } finally {
    await site.close();
    await rm(folder, { recursive: true });
  }
});

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
};

/** Serves a folder under `/studio/`, with the headers that every deployment should send. */
async function serve(folder: string): Promise<{ address: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    readFile(join(folder, decodeURIComponent(path.replace(/^\/studio\//, '')))).then(
      (bytes) => {
        response.writeHead(200, { ...HEADERS, 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' });
        response.end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the server has no port');
  return {
    address: `http://localhost:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
