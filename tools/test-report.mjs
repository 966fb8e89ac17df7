/**
 * Test report: what vitest's and Playwright's JSON reports say, in one shape: how many tests there were, and for each
 * failed one where it stands, its name and why it failed. Not how tests are run: `test.mjs` does that.
 */

import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/**
 * @typedef {object} Failure
 * @property {string} file from the project's root, `/` between folders
 * @property {string} name the test's, with those of the groups around it; a file that could not be run has none
 * @property {string} why what it said, in full
 */

/**
 * @typedef {object} TestReport
 * @property {number} passed
 * @property {number} skipped
 * @property {readonly Failure[]} failures
 */

const WHY_LINES = 14;
const LINE_CHARACTERS = 240;

/**
 * @param {string} root
 * @param {string} path
 */
const fromRoot = (root, path) => relative(root, path).replaceAll('\\', '/');

/**
 * Reads the report of vitest's `json` reporter.
 * @param {any} report
 * @param {string} root the project's, which its paths are told from
 * @returns {TestReport}
 */
export function readVitest(report, root) {
  /** @type {Failure[]} */
  const failures = [];
  for (const { name: path, status, message, assertionResults } of report.testResults) {
    const file = fromRoot(root, path);
    const failed = assertionResults.filter((/** @type {any} */ test) => test.status === 'failed');
    for (const { fullName, failureMessages } of failed) {
      failures.push({ file, name: fullName, why: failureMessages.join('\n') });
    }
    // A file that cannot be loaded, or whose set-up fails, names no test.
    if (status === 'failed' && failed.length === 0) failures.push({ file, name: '', why: message });
  }
  return { passed: report.numPassedTests, skipped: report.numPendingTests + report.numTodoTests, failures };
}

/**
 * Reads the report of Playwright's `json` reporter.
 * @param {any} report
 * @param {string} root
 * @returns {TestReport}
 */
export function readPlaywright(report, root) {
  /** @type {Failure[]} */
  const failures = [];
  const { rootDir } = report.config;
  const fileOf = (/** @type {string} */ file) => fromRoot(root, `${rootDir}/${file}`);
  const read = (/** @type {any} */ suite, /** @type {readonly string[]} */ groups) => {
    for (const inner of suite.suites ?? []) read(inner, [...groups, inner.title]);
    for (const spec of suite.specs ?? []) {
      for (const { status, results } of spec.tests) {
        if (status !== 'unexpected') continue;
        const said = results.flatMap((/** @type {any} */ result) =>
          result.errors.map((/** @type {any} */ e) => e.message),
        );
        failures.push({ file: fileOf(spec.file), name: [...groups, spec.title].join(' '), why: said.join('\n') });
      }
    }
  };
  for (const file of report.suites) read(file, []);
  // Whatever was said outside of any test: a file that cannot be loaded, a server that did not start.
  for (const { message, location } of report.errors) {
    failures.push({ file: location ? fromRoot(root, location.file) : '', name: '', why: message });
  }
  const { expected, flaky, skipped } = report.stats;
  return { passed: expected + flaky, skipped, failures };
}

/**
 * A failure as a person reads it: where and what, then the beginning of why, without colours.
 * @param {Failure} failure
 * @returns {string}
 */
export function failureText({ file, name, why }) {
  const lines = stripVTControlCharacters(why)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at .*node_modules/.test(line))
    .slice(0, WHY_LINES)
    .map((line) => `      ${line.slice(0, LINE_CHARACTERS)}`);
  return [`  ${[file, name].filter((part) => part !== '').join(' > ')}`, ...lines].join('\n');
}
