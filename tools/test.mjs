/**
 * Test: `npm test`. Installs, finds or installs a Chromium, runs every suite in order, and sums them up. A failed stage
 * does not stop the next ones. `npm test -- unit e2e` runs the named stages only. The last line reads `N passed, N
 * failed`, with `, N skipped` where any were: vitest's and Playwright's tests, and each stage that failed without
 * naming a failed test counts as one failure.
 */

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtainChromium } from './chromium.mjs';
import { ensureInstalled, ROOT } from './install.mjs';

/** No stage may hang for longer than this. */
const STAGE_LIMIT_MILLISECONDS = 30 * 60_000;

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/**
 * @typedef {object} Stage
 * @property {string} name what `npm test -- NAME` says
 * @property {string} title
 * @property {boolean} [browser] whether it needs Chromium
 * @property {boolean} [beside] whether it runs beside the stage after it, where that is asked for too; its output follows
 * @property {readonly (readonly string[])[]} commands a script below node_modules or tools, and its arguments
 * @property {(report: string) => Counts} [count] reads the JSON report, for stages that run tests
 */

/** @param {string} path */
const readReport = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** @type {(path: string) => Counts} */
function countVitest(path) {
  const report = readReport(path);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** @type {(path: string) => Counts} */
function countPlaywright(path) {
  const { stats } = readReport(path);
  return { passed: stats.expected + stats.flaky, failed: stats.unexpected, skipped: stats.skipped };
}

const reports = mkdtempSync(join(tmpdir(), 'fusewright-test-'));

/** @param {string} name */
const reportOf = (name) => join(reports, `${name}.json`);

/** @param {string} project */
const vitest = (project) => [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--project',
  project,
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${reportOf(project)}`,
];

/** @type {readonly Stage[]} */
const STAGES = [
  { name: 'format', title: 'Format', commands: [['node_modules/@biomejs/biome/bin/biome', 'format', '.']] },
  {
    name: 'lint',
    title: 'Lint, with the direction of imports',
    commands: [['node_modules/oxlint/bin/oxlint', '--deny-warnings', '--report-unused-disable-directives']],
  },
  { name: 'types', title: 'Types', commands: [['node_modules/typescript/bin/tsc', '-p', '.', '--noEmit']] },
  // The stage after it waits for a software GPU most of the time.
  { name: 'unit', title: 'Unit tests in Node', beside: true, commands: [vitest('unit')], count: countVitest },
  { name: 'gpu', title: 'Kernels in WebGPU', browser: true, commands: [vitest('gpu')], count: countVitest },
  { name: 'build', title: 'Build of the page and the command line', commands: [['tools/build.mjs', 'page', 'cli']] },
  {
    name: 'e2e',
    title: 'The built page, driven from outside',
    browser: true,
    commands: [
      ['tools/build.mjs', 'page', 'cli'],
      ['node_modules/@playwright/test/cli.js', 'test'],
    ],
    count: countPlaywright,
  },
];

/** @returns {Promise<number>} a port that was free a moment ago */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const bound = probe.address();
      probe.close(() => {
        if (bound === null || typeof bound === 'string') reject(new Error('No port is free.'));
        else resolve(bound.port);
      });
    });
  });
}

/**
 * Runs one command in the project's root.
 * @param {readonly string[]} command
 * @param {NodeJS.ProcessEnv} environment
 * @param {number | 'inherit'} output where its output goes: an open file, or where ours goes
 * @returns {Promise<boolean>} whether it ended well
 */
function runCommand(command, environment, output) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...command], {
      cwd: ROOT,
      env: environment,
      stdio: ['ignore', output, output],
      timeout: STAGE_LIMIT_MILLISECONDS,
    });
    child.on('error', (error) => {
      console.error(error.message);
      resolve(false);
    });
    child.on('close', (code, signal) => {
      if (signal !== null) console.error(`Stopped by ${signal}.`);
      resolve(code === 0);
    });
  });
}

/**
 * Runs one stage.
 * @param {Stage} stage
 * @param {NodeJS.ProcessEnv} environment
 * @param {number | 'inherit'} output
 * @returns {Promise<Counts>}
 */
async function runStage(stage, environment, output) {
  let well = true;
  for (const command of stage.commands) well = well && (await runCommand(command, environment, output));
  let counts = { passed: 0, failed: 0, skipped: 0 };
  if (stage.count !== undefined) {
    try {
      counts = stage.count(reportOf(stage.name));
      if (counts.passed + counts.failed === 0) well = false;
    } catch {
      well = false;
    }
  }
  return well || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** @param {number} start */
const secondsSince = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

/**
 * Runs the named stages, or all.
 * @param {readonly string[]} names
 * @returns {Promise<Counts>}
 */
async function main(names) {
  const unknown = names.find((name) => !STAGES.some((stage) => stage.name === name));
  if (unknown !== undefined) {
    throw new Error(`There is no stage "${unknown}": say ${STAGES.map((stage) => stage.name).join(', ')}.`);
  }
  const stages = STAGES.filter((stage) => names.length === 0 || names.includes(stage.name));

  ensureInstalled();
  /** @type {NodeJS.ProcessEnv} */
  const environment = { ...process.env, PLAYWRIGHT_JSON_OUTPUT_FILE: reportOf('e2e') };
  if (stages.some((stage) => stage.browser)) {
    environment['CHROMIUM_PATH'] = await obtainChromium();
    environment['FUSEWRIGHT_E2E_PORT'] = String(await freePort());
    console.log(`Chromium: ${environment['CHROMIUM_PATH']}`);
  }

  const total = { passed: 0, failed: 0, skipped: 0 };
  /** @type {string[]} */
  const lines = [];
  /**
   * Runs a stage and tells how it ended.
   * @param {Stage} stage
   * @param {boolean} isBeside whether its output has to wait until it has ended
   * @returns {Promise<() => void>} tells, where that has to wait for others
   */
  const run = async (stage, isBeside) => {
    const start = performance.now();
    const log = join(reports, `${stage.name}.log`);
    const output = isBeside ? openSync(log, 'w') : 'inherit';
    if (!isBeside) console.log(`\n== ${stage.title} (${stage.name})`);
    const counts = await runStage(stage, environment, output);
    const seconds = secondsSince(start);
    return () => {
      if (output !== 'inherit') {
        closeSync(output);
        console.log(`\n== ${stage.title} (${stage.name})\n${readFileSync(log, 'utf8')}`);
      }
      const verdict = counts.failed > 0 ? 'FAILED' : 'ok';
      const tests = stage.count === undefined ? '' : `, ${counts.passed} passed, ${counts.failed} failed`;
      console.log(`== ${stage.name}: ${verdict} in ${seconds}${tests}`);
      lines.push(`${verdict.padEnd(6)}  ${stage.title}, ${seconds}${tests}`);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    };
  };
  /** @type {Promise<() => void> | null} */
  let beside = null;
  for (const [index, stage] of stages.entries()) {
    if (stage.beside && index + 1 < stages.length) {
      beside = run(stage, true);
      continue;
    }
    const tell = await run(stage, false);
    (await beside)?.();
    beside = null;
    tell();
  }
  console.log(`\n== Summary\n${lines.join('\n')}\n`);
  return total;
}

try {
  const { passed, failed, skipped } = await main(process.argv.slice(2));
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  if (failed > 0) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}
