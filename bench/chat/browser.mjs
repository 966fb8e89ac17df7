/**
 * Browser: the bench's page in Chromium, with the processor time of its main thread, where all of it runs: our engine,
 * transformers.js and onnxruntime alike. Shaders run elsewhere (on the GPU, or in the GPU process) and are not in it.
 */

import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';
import { CHROMIUM_FLAGS, obtainChromium } from '../../tools/chromium.mjs';
import { ROOT } from '../../tools/install.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/**
 * What the page offers, called by name: see `page.ts`.
 * @typedef {object} BenchPage
 * @property {<T>(name: string, ...args: unknown[]) => Promise<T>} call
 * @property {() => Promise<number>} cpuMs processor time of the page's main thread so far
 * @property {string} version the browser's
 */

/**
 * @template T
 * @param {{ realGpu: boolean }} options `realGpu`: let the browser choose the adapter
 * @param {(page: BenchPage) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withBenchPage({ realGpu }, use) {
  const { chromium } = await import('playwright');
  const executablePath = await obtainChromium();
  const server = await createServer({
    root: ROOT,
    configFile: false,
    logLevel: 'error',
    cacheDir: `${ROOT}/node_modules/.vite/bench`,
    optimizeDeps: {
      entries: [`${HERE}page.ts`],
      exclude: ['onnxruntime-web', '@huggingface/transformers'],
      include: ['onnxruntime-common'],
    },
    server: { port: 0, hmr: false, watch: null, fs: { strict: false } },
  });
  try {
    await server.listen();
    const [address] = server.resolvedUrls?.local ?? [];
    const flags = realGpu
      ? CHROMIUM_FLAGS.filter((flag) => !flag.includes('swiftshader')).concat('--ignore-gpu-blocklist')
      : CHROMIUM_FLAGS;
    const browser = await chromium.launch({
      executablePath,
      args: flags,
      ...(executablePath === undefined ? { channel: 'chromium' } : {}),
    });
    try {
      const page = await browser.newPage();
      page.on('pageerror', (error) => process.stderr.write(`page: ${error.message}\n`));
      page.on('console', (message) => {
        if (message.type() === 'error') process.stderr.write(`page: ${message.text()}\n`);
      });
      await page.goto(`${address}bench/chat/index.html`);
      await page.waitForFunction(() => 'bench' in globalThis, undefined, { timeout: 120_000 });
      const session = await page.context().newCDPSession(page);
      await session.send('Performance.enable', { timeDomain: 'threadTicks' });
      return await use({
        version: browser.version(),
        call: (name, ...args) =>
          page.evaluate(
            ([method, own]) => {
              const { bench } = /** @type {{ bench: Record<string, (...own: unknown[]) => Promise<never>> }} */ (
                /** @type {unknown} */ (globalThis)
              );
              const step = bench[method];
              if (!step) throw new Error(`the page has no ${method}`);
              return step(...own);
            },
            /** @type {[string, unknown[]]} */ ([name, args]),
          ),
        async cpuMs() {
          const { metrics } = await session.send('Performance.getMetrics');
          return (metrics.find((metric) => metric.name === 'ThreadTime')?.value ?? Number.NaN) * 1000;
        },
      });
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
}
