/**
 * Test: `npm test`. Installs, finds or installs a Chromium, builds, runs every suite, as many at a time as the machine has
 * cores, and sums them up. A failed stage does not stop the others. `npm test -- unit e2e` runs the named stages only.
 * Test files that failed beside other stages run once more when nothing else does, so that a machine which others use, too,
 * does not decide: what passes then is named as unsteady, with what it said first, and is a fault of the test all the same.
 * The last line reads `N passed, N failed`, with `, N skipped` where any were: vitest's and Playwright's tests, and each
 * stage that failed without naming a failed test counts as one failure.
 */

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtainChromium } from './chromium.mjs';
import { ensureInstalled, ROOT } from './install.mjs';
import { failureText, readPlaywright, readVitest } from './test-report.mjs';

/** No stage may hang for longer than this. */
const STAGE_LIMIT_MILLISECONDS = 60 * 60_000;

/** So many stages run at a time on a machine with that many cores: more would wait for one another's memory. */
const MOST_AT_A_TIME = 4;

/** More failed files than this are no accident: they are not run again. */
const MOST_AGAIN = 5;

/** @typedef {import('./test-report.mjs').Failure} Failure */
/** @typedef {import('./test-report.mjs').TestReport} TestReport */

/**
 * @typedef {object} Stage
 * @property {string} name what `npm test -- NAME` says
 * @property {string} [part] which part of it, where it has several that run by themselves
 * @property {string} title
 * @property {boolean} [browser] whether it needs Chromium
 * @property {boolean} [first] whether the others wait for it
 * @property {boolean} [built] whether it needs the build, which is then made before it
 * @property {readonly (readonly string[])[]} commands a script below node_modules or tools, and its arguments; test files
 *   to run instead of all can be added to the last
 * @property {(report: any, root: string) => TestReport} [read] reads the JSON report, for stages that run tests
 */

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
    read: readPlaywright,
  },
  { name: 'gpu', title: 'Kernels in WebGPU', browser: true, commands: [vitest('gpu')], read: readVitest },
  {
    name: 'e2e',
    part: 'cpu',
    title: 'The built page on the CPU, driven from outside',
    browser: true,
    built: true,
    commands: [BUILD, playwright('cpu')],
    read: readPlaywright,
  },
  { name: 'unit', title: 'Unit tests in Node', commands: [vitest('unit')], read: readVitest },
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
 * Runs one stage, or some test files of it.
 * @param {Stage} stage
 * @param {NodeJS.ProcessEnv} environment
 * @param {number | 'inherit'} output
 * @param {readonly string[]} [files]
 * @returns {Promise<TestReport>} with a failure where it did not end well, whatever its tests say
 */
async function runStage(stage, environment, output, files = []) {
  const commands = files.length === 0 ? stage.commands : [[...(stage.commands.at(-1) ?? []), ...files]];
  let well = true;
  for (const command of commands) well = well && (await runCommand(command, environment, output));
  /** @type {TestReport} */
  let report = { passed: 0, skipped: 0, failures: [] };
  if (stage.read !== undefined) {
    try {
      report = stage.read(JSON.parse(readFileSync(reportOf(idOf(stage)), 'utf8')), ROOT);
      rmSync(reportOf(idOf(stage)));
      if (report.passed + report.failures.length === 0) well = false;
    } catch {
      well = false;
    }
  }
  if (well || report.failures.length > 0) return report;
  return { ...report, failures: [{ file: '', name: stage.title, why: 'It did not end well; its output says more.' }] };
}

/** @param {number} start */
const secondsSince = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

/**
 * Runs the named stages, or all.
 * @param {readonly string[]} names
 * @returns {Promise<{passed: number, failed: number, skipped: number}>}
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

  /** @type {Map<Stage, {report: TestReport, unsteady: readonly Failure[], seconds: string}>} */
  const ends = new Map();
  /**
   * Runs a stage, or some files of it, and tells how it ended.
   * @param {Stage} stage
   * @param {readonly string[]} [files]
   */
  const run = async (stage, files) => {
    const start = performance.now();
    const id = idOf(stage);
    // Where stages run side by side, each one's output follows when it has ended.
    const log = join(reports, `${id}.log`);
    const output = stages.length > 1 ? openSync(log, 'w') : 'inherit';
    console.log(`\n== ${stage.title} (${id}) begins${files === undefined ? '' : ` again with ${files.join(' ')}`}`);
    const own = {
      ...environment,
      PLAYWRIGHT_JSON_OUTPUT_FILE: reportOf(id),
      FUSEWRIGHT_E2E_PORT: String(await freePort()),
    };
    const report = await runStage(stage, own, output, files);
    if (output !== 'inherit') {
      closeSync(output);
      console.log(`\n== ${stage.title} (${id})\n${readFileSync(log, 'utf8')}`);
    }
    const seconds = secondsSince(start);
    console.log(`== ${id}: ${report.failures.length > 0 ? 'FAILED' : 'ok'} in ${seconds}`);
    return { report, seconds };
  };
  const runWhole = async (/** @type {Stage} */ stage) => void ends.set(stage, { ...(await run(stage)), unsteady: [] });
  for (const stage of stages) if (stage.first) await runWhole(stage);
  const waiting = stages.filter((stage) => !stage.first);
  const work = async () => {
    for (let stage = waiting.shift(); stage !== undefined; stage = waiting.shift()) await runWhole(stage);
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), MOST_AT_A_TIME) }, work));

  for (const [stage, end] of stages.length > 1 ? ends : []) {
    const { failures, passed } = end.report;
    const files = [...new Set(failures.map(({ file }) => file))];
    // What is no test's own failure, such as a stage that was stopped, is not made good by running tests again.
    if (
      files.length === 0 ||
      files.length > MOST_AGAIN ||
      failures.some(({ name, file }) => name === '' || file === '')
    )
      continue;
    const still = (await run(stage, files)).report.failures;
    const names = new Set(still.map(({ file, name }) => `${file} ${name}`));
    const unsteady = failures.filter(({ file, name }) => !names.has(`${file} ${name}`));
    const report = { ...end.report, failures: still, passed: passed + failures.length - still.length };
    ends.set(stage, { ...end, report, unsteady });
  }

  console.log('\n== Summary');
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const stage of stages) {
    const end = ends.get(stage);
    if (end === undefined) continue;
    const { passed, failures, skipped } = end.report;
    const tests = stage.read === undefined ? '' : `, ${passed} passed, ${failures.length} failed`;
    console.log(`${(failures.length > 0 ? 'FAILED' : 'ok').padEnd(6)}  ${stage.title}, ${end.seconds}${tests}`);
    total.passed += passed;
    total.failed += failures.length;
    total.skipped += skipped;
  }
  const said = (/** @type {string} */ title, /** @type {readonly Failure[]} */ failures) => {
    if (failures.length > 0) console.log(`\n${title}\n${failures.map(failureText).join('\n')}`);
  };
  const all = [...ends.values()];
  said(
    'Unsteady: failed beside other stages, passed alone',
    all.flatMap(({ unsteady }) => unsteady),
  );
  said(
    'Failed',
    all.flatMap(({ report }) => report.failures),
  );
  console.log('');
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
