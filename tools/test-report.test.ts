/** Reports as the runners of this lockfile write them, of tests that pass, fail, are skipped and cannot be loaded. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureText, readPlaywright, readVitest } from './test-report.mjs';

const project = resolve(import.meta.dirname, '..');
let root: string;

/** Tests of one runner: `from` is the package that they import. */
const tests = (from: string) => ({
  'good.test.mjs': `import { expect, test } from '${from}';
    test('holds', () => {});
    test.skip('waits', () => {});
    test.describe?.('a group', () => test('is wrong', () => { expect({ a: 1 }).toEqual({ a: 2 }); }));`,
  'broken.test.mjs': 'import "./nowhere.mjs";',
});

beforeAll(() => {
  // Among the packages, where both runners find themselves; never a part of the project's own tests.
  // By its true path, which is what they write: the packages may lie elsewhere behind a link.
  root = realpathSync(mkdtempSync(join(project, 'node_modules', '.test-report-')));
  for (const [folder, from] of [
    ['vitest', 'vitest'],
    ['playwright', '@playwright/test'],
  ] as const) {
    mkdirSync(join(root, folder));
    for (const [name, text] of Object.entries(tests(from))) writeFileSync(join(root, folder, name), text);
  }
  writeFileSync(
    join(root, 'vitest', 'vitest.config.mjs'),
    `export default { test: { include: ['*.test.mjs'], exclude: [] } };`,
  );
  writeFileSync(join(root, 'playwright', 'playwright.config.mjs'), `export default { testMatch: '*.test.mjs' };`);
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

function reportOf(folder: string, script: string, args: readonly string[]) {
  const path = join(root, `${folder}.json`);
  const { VITEST: _, ...env } = process.env;
  const ended = spawnSync(process.execPath, [join(project, script), ...args, '--reporter=json'], {
    cwd: join(root, folder),
    env: { ...env, PLAYWRIGHT_JSON_OUTPUT_FILE: path, FORCE_COLOR: '1' },
    encoding: 'utf8',
  });
  expect(ended.status, ended.stderr).toBe(1);
  return JSON.parse(readFileSync(path, 'utf8'));
}

describe('a report', () => {
  it('of vitest names every failed test, and a file that cannot be loaded', () => {
    const path = join(root, 'vitest.json');
    const report = readVitest(
      reportOf('vitest', 'node_modules/vitest/vitest.mjs', ['run', `--outputFile.json=${path}`]),
      join(root, 'vitest'),
    );
    expect(report).toMatchObject({ passed: 1, skipped: 1 });
    expect(report.failures.map(({ file, name }) => [file, name]).sort()).toEqual([
      ['broken.test.mjs', ''],
      ['good.test.mjs', 'a group is wrong'],
    ]);
    for (const failure of report.failures) {
      expect(failureText(failure)).toMatch(/expected \{ a: 1 \} to deeply equal|nowhere\.mjs/);
    }
  });

  it('of Playwright does, too', () => {
    const own = join(root, 'playwright');
    const script = 'node_modules/@playwright/test/cli.js';
    const broken = readPlaywright(reportOf('playwright', script, ['test']), own);
    expect(broken).toMatchObject({ passed: 0, failures: [{ name: '' }] });
    expect(failureText(broken.failures[0] ?? { file: '', name: '', why: '' })).toContain('nowhere.mjs');
    const report = readPlaywright(reportOf('playwright', script, ['test', 'good.test.mjs']), own);
    expect(report).toMatchObject({
      passed: 1,
      skipped: 1,
      failures: [{ file: 'good.test.mjs', name: 'a group is wrong' }],
    });
  });
});

describe('a failure as text', () => {
  it('is its place and the beginning of its reason, without colours and without the runner', () => {
    const why = '\u001b[31mexpected 1 to be 2\u001b[39m\n\n    at own.ts:3:4\n    at /x/node_modules/vitest/run.js:1\n';
    expect(failureText({ file: 'src/own.test.ts', name: 'a sum', why })).toBe(
      '  src/own.test.ts > a sum\n      expected 1 to be 2\n          at own.ts:3:4',
    );
    const long = failureText({ file: 'a', name: 'b', why: `${'x'.repeat(1000)}\n`.repeat(100) }).split('\n');
    expect(long).toHaveLength(15);
    expect(Math.max(...long.map(({ length }) => length))).toBeLessThan(250);
  });
});
