/**
 * Test: `npm test`. Installs, finds or installs a Chromium, builds, runs every suite, as many at a time as the machine has
 * cores, and sums them up. A failed stage does not stop the others. `npm test -- unit e2e` runs the named stages only. The
 * last line reads `N passed, N failed`, with `, N skipped` where any were: vitest's and Playwright's tests, and each stage
 * that failed without naming a failed test counts as one failure.
 */

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtainChromium } from './chromium.mjs';
import { ensureInstalled, ROOT } from './install.mjs';

/** No stage may hang for longer than this. */
const STAGE_LIMIT_MILLISECONDS = 60 * 60_000;

/** So many stages run at a time on a machine with that many cores: more would wait for one another's memory. */
const MOST_AT_A_TIME = 4;

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/**
 * @typedef {object} Stage
 * @property {string} name what `npm test -- NAME` says
 * @property {string} [part] which part of it, where it has several that run by themselves
 * @property {string} title
 * @property {boolean} [browser] whether it needs Chromium
 * @property {boolean} [first] whether the others wait for it
 * @property {boolean} [built] whether it needs the build, which is then made before it
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

/** @param {string} id */
const reportOf = (id) => join(reports, `${id}.json`);

/** @param {Stage} stage */
const idOf = ({ name, part }) => (part === undefined ? name : `${name}-${part}`);

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

/**
 * A project of Playwright's, which looks after what it leaves in a folder of its own.
 * @param {string} project
 */
const playwright = (project) => [
  'node_modules/@playwright/test/cli.js',
  'test',
  `--project=${project}`,
  `--output=test-results/${project}`,
];

const BUILD = ['tools/build.mjs', 'page', 'cli'];

/**
 * Begun in this order. What is played on a software GPU takes longest and comes first, so that no core is left without work
 * at the end.
 * @type {readonly Stage[]}
 */
const STAGES = [
  // At the same time as nothing else: tests of the command line look after the build, too.
  { name: 'build', title: 'Build of the page and the command line', first: true, commands: [BUILD] },
  { name: 'format', title: 'Format', commands: [['node_modules/@biomejs/biome/bin/biome', 'format', '.']] },
  {
    name: 'lint',
    title: 'Lint, with the direction of imports',
    commands: [['node_modules/oxlint/bin/oxlint', '--deny-warnings', '--report-unused-disable-directives']],
  },
  { name: 'types', title: 'Types', commands: [['node_modules/typescript/bin/tsc', '-p', '.', '--noEmit']] },
  {
    name: 'e2e',
    part: 'webgpu',
    title: 'The built page on WebGPU, driven from outside',
    browser: true,
    built: true,
    // Up to date by then, unless the build has failed: then nothing older is looked at.
    commands: [BUILD, playwright('webgpu')],
    count: countPlaywright,
  },
  { name: 'gpu', title: 'Kernels in WebGPU', browser: true, commands: [vitest('gpu')], count: countVitest },
  {
    name: 'e2e',
    part: 'cpu',
    title: 'The built page on the CPU, driven from outside',
    browser: true,
    built: true,
    commands: [BUILD, playwright('cpu')],
    count: countPlaywright,
  },
  { name: 'unit', title: 'Unit tests in Node', commands: [vitest('unit')], count: countVitest },
];

/**
 * A port that was free a moment ago, below those that systems give to whoever asks for any: it is taken later.
 * @returns {Promise<number>}
 */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const isFree = await new Promise((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
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
      counts = stage.count(reportOf(idOf(stage)));
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
    throw new Error(
      `There is no stage "${unknown}": say ${[...new Set(STAGES.map((stage) => stage.name))].join(', ')}.`,
    );
  }
  const isAsked = (/** @type {Stage} */ stage) => names.length === 0 || names.includes(stage.name);
  const isNeeded = STAGES.some((stage) => isAsked(stage) && stage.built);
  const stages = STAGES.filter((stage) => isAsked(stage) || (stage.first && isNeeded));

  ensureInstalled();
  /** @type {NodeJS.ProcessEnv} */
  const environment = { ...process.env };
  if (stages.some((stage) => stage.browser)) {
    environment['CHROMIUM_PATH'] = await obtainChromium();
    console.log(`Chromium: ${environment['CHROMIUM_PATH']}`);
  }

  const total = { passed: 0, failed: 0, skipped: 0 };
  /** @type {Map<Stage, string>} */
  const lines = new Map();
  /**
   * Runs a stage and tells how it ended.
   * @param {Stage} stage
   */
  const run = async (stage) => {
    const start = performance.now();
    const id = idOf(stage);
    // Where stages run side by side, each one's output follows when it has ended.
    const log = join(reports, `${id}.log`);
    const output = stages.length > 1 ? openSync(log, 'w') : 'inherit';
    console.log(`\n== ${stage.title} (${id}) begins`);
    const own = {
      ...environment,
      PLAYWRIGHT_JSON_OUTPUT_FILE: reportOf(id),
      FUSEWRIGHT_E2E_PORT: String(await freePort()),
    };
    const counts = await runStage(stage, own, output);
    if (output !== 'inherit') {
      closeSync(output);
      console.log(`\n== ${stage.title} (${id})\n${readFileSync(log, 'utf8')}`);
    }
    const verdict = counts.failed > 0 ? 'FAILED' : 'ok';
    const tests = stage.count === undefined ? '' : `, ${counts.passed} passed, ${counts.failed} failed`;
    const seconds = secondsSince(start);
    console.log(`== ${id}: ${verdict} in ${seconds}${tests}`);
    lines.set(stage, `${verdict.padEnd(6)}  ${stage.title}, ${seconds}${tests}`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  };
  for (const stage of stages) if (stage.first) await run(stage);
  const waiting = stages.filter((stage) => !stage.first);
  const work = async () => {
    for (let stage = waiting.shift(); stage !== undefined; stage = waiting.shift()) await run(stage);
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), MOST_AT_A_TIME) }, work));
  console.log(`\n== Summary\n${stages.map((stage) => lines.get(stage)).join('\n')}\n`);
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
