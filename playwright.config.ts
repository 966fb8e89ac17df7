/** The end-to-end suite: the built page, served by the project's own server, in headless Chromium with WebGPU. */

import { defineConfig } from '@playwright/test';
import { CHROMIUM_FLAGS, CPU_CHROMIUM_FLAGS, findChromium } from './tools/chromium.mjs';

const port = Number(process.env['FUSEWRIGHT_E2E_PORT'] ?? 4183);
const executablePath = findChromium();
const report = process.env['PLAYWRIGHT_JSON_OUTPUT_FILE'];

const launched = (args: string[]) => ({ args, ...(executablePath === undefined ? {} : { executablePath }) });

/**
 * What is held on a graphics adapter, as most people have one: merging, changing, talking, saving. The rest is about the
 * page, and runs on the CPU, which is several times faster than an adapter that is played in software on it.
 */
const ON_WEBGPU =
  /(cancel|changing|first-question|long-work|main-thread|recipe-and-map|samples|saving|stories)\.spec\.ts$/;

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  testIgnore: 'fixtures/**',
  // One browser at a time: SwiftShader computes on the same cores.
  workers: 1,
  retries: 0,
  // A hang ends; a busy machine does not fail what it only slows.
  timeout: 900_000,
  expect: { timeout: 60_000 },
  // A page on which nothing works is not looked at a hundred times.
  maxFailures: 12,
  forbidOnly: process.env['CI'] !== undefined,
  reporter: report === undefined ? 'list' : [['list'], ['json', { outputFile: report }]],
  use: {
    baseURL: `http://localhost:${port}/`,
    // Every context would fetch the whole build once more; offline.spec.ts is where the worker is let in.
    serviceWorkers: 'block',
    // Recording takes a tenth of the time, and part of it on the page's own thread: `--trace on` where a test has failed.
    trace: 'off',
    launchOptions: launched(CHROMIUM_FLAGS),
    // Playwright's own Chromium in its new headless mode; its headless shell has no WebGPU.
    ...(executablePath === undefined ? { channel: 'chromium' } : {}),
  },
  projects: [
    { name: 'webgpu', testMatch: ON_WEBGPU },
    { name: 'cpu', testIgnore: [ON_WEBGPU, 'fixtures/**'], use: { launchOptions: launched(CPU_CHROMIUM_FLAGS) } },
  ],
  webServer: {
    command: `node tools/serve.mjs --strict-port --port ${port}`,
    url: `http://127.0.0.1:${port}/`,
    reuseExistingServer: false,
    timeout: 300_000,
    stdout: 'ignore',
  },
});
