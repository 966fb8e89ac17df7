/** The end-to-end suite: the built page, served by the project's own server, in headless Chromium with WebGPU. */

import { defineConfig } from '@playwright/test';
import { CHROMIUM_FLAGS, findChromium } from './tools/chromium.mjs';

const port = Number(process.env['FUSEWRIGHT_E2E_PORT'] ?? 4183);
const executablePath = findChromium();
const report = process.env['PLAYWRIGHT_JSON_OUTPUT_FILE'];

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  testIgnore: 'fixtures/**',
  // One browser at a time: SwiftShader computes on the same cores.
  workers: 1,
  retries: 0,
  // A test is minutes long on a machine that does something else as well.
  timeout: 300_000,
  expect: { timeout: 15_000 },
  forbidOnly: process.env['CI'] !== undefined,
  reporter: report === undefined ? 'list' : [['list'], ['json', { outputFile: report }]],
  use: {
    baseURL: `http://localhost:${port}/`,
    // Pictures would be drawn by SwiftShader all the while; the DOM's snapshots show the same.
    trace: { mode: 'retain-on-failure', screenshots: false },
    launchOptions: { args: CHROMIUM_FLAGS, ...(executablePath === undefined ? {} : { executablePath }) },
    // Playwright's own Chromium in its new headless mode; its headless shell has no WebGPU.
    ...(executablePath === undefined ? { channel: 'chromium' } : {}),
  },
  webServer: {
    command: `node tools/serve.mjs --strict-port --port ${port}`,
    url: `http://127.0.0.1:${port}/`,
    reuseExistingServer: false,
    stdout: 'ignore',
  },
});
