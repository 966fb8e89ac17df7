import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { judgeImport } from './import-direction.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const oxlint = join(dirname(createRequire(import.meta.url).resolve('oxlint/package.json')), 'bin', 'oxlint');

describe('judgeImport', () => {
  test.each([
    ['src/ui/Page.tsx', '../state/store.ts'],
    ['src/ui/Page.tsx', '../bytes/fault.ts'],
    ['src/ui/Page.tsx', 'react'],
    ['src/main.tsx', './ui/Page.tsx'],
    ['src/main.tsx', 'react-dom/client'],
    ['src/state/store.ts', 'zustand/vanilla'],
    ['src/merge/run.ts', '../recipe/recipe.ts'],
    ['src/recipe/recipe.ts', '../methods/index.ts'],
    ['src/gpu/compose.ts', '/shaders/*.wgsl'],
    ['src/cli/main.ts', '../bytes/node-file.ts'],
    ['src/cli/main.ts', 'node:fs'],
    ['src/bytes/node-file.ts', 'node:fs/promises'],
    ['src/formats/checkpoint.test.ts', 'node:fs'],
    ['src/formats/checkpoint.test.ts', '../bytes/node-file.ts'],
    ['src/formats/checkpoint.ts', './dtype.ts'],
    ['e2e/merge.spec.ts', '../src/ui/Page.tsx'],
  ])('%s may import %s', (from, specifier) => {
    expect(judgeImport(`/house/${from}`, specifier)).toBeUndefined();
  });

  test.each([
    ['src/bytes/bytes.ts', '../formats/dtype.ts', 'src/formats/'],
    ['src/formats/checkpoint.ts', '../methods/index.ts', 'src/methods/'],
    ['src/formats/checkpoint.ts', '../recipe/recipe.ts', 'src/recipe/'],
    ['src/formats/checkpoint.ts', '../gpu/device.ts', 'src/gpu/'],
    ['src/methods/varm.ts', '../recipe/unit.ts', 'src/recipe/'],
    ['src/methods/varm.ts', '../gpu/device.ts', 'src/gpu/'],
    ['src/gpu/device.ts', '../recipe/recipe.ts', 'src/recipe/'],
    ['src/recipe/recipe.ts', '../gpu/device.ts', 'src/gpu/'],
    ['src/merge/run.ts', '../chat/session.ts', 'src/chat/'],
    ['src/chat/session.ts', '../merge/run.ts', 'src/merge/'],
    ['src/merge/run.ts', '../state/engine-api.ts', 'src/state/'],
    ['src/state/store.ts', '../ui/Page.tsx', 'src/ui/'],
    ['src/cli/main.ts', '../ui/Page.tsx', 'src/ui/'],
    ['src/ui/Page.tsx', '../cli/main.ts', 'src/cli/'],
    ['src/state/store.ts', '/src/ui/Page.tsx?worker', 'src/ui/'],
    ['src/state/store.ts', 'react', 'src/ui/'],
    ['src/cli/main.ts', '@mantine/core', 'src/ui/'],
    ['src/merge/run.ts', 'zustand', 'src/state/'],
    ['src/merge/run.ts', 'node:fs', 'only in Node'],
    ['src/state/store.ts', 'fs/promises', 'only in Node'],
    ['src/merge/run.ts', '../bytes/node-file.ts', 'runs in Node only'],
    ['src/bytes/bytes.ts', './node-file.ts', 'runs in Node only'],
    ['src/utils/x.ts', './y.ts', 'not a folder of the house'],
  ])('%s may not import %s', (from, specifier, reason) => {
    expect(judgeImport(`/house/${from}`, specifier)).toContain(reason);
  });
});

describe('the lint run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fusewright-lint-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Lints one file with the project's own configuration and returns the rules that it broke, one per finding. */
  const lint = (path: string, source: string): string[] => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, source);
    const run = spawnSync(
      process.execPath,
      [oxlint, '--config', join(root, '.oxlintrc.json'), '--format', 'json', folder],
      { cwd: root, encoding: 'utf8' },
    );
    const { diagnostics } = JSON.parse(run.stdout) as { diagnostics: { code: string }[] };
    expect(run.status).toBe(diagnostics.length > 0 ? 1 : 0);
    return diagnostics.map((diagnostic) => diagnostic.code);
  };
  const direction = 'fusewright(import-direction)';

  test('passes a file that points the right way', () => {
    expect(lint('src/merge/run.ts', `import { a } from '../recipe/recipe.ts';\nexport const b = a;\n`)).toEqual([]);
  });

  test.each([
    ['an import', `import { a } from '../ui/Page.tsx';\nexport const b = a;\n`],
    ['a type import', `import type { A } from '../ui/Page.tsx';\nexport type B = A;\n`],
    ['an inline type import', `export type B = import('../ui/Page.tsx').A;\n`],
    ['a dynamic import', `export const b = import('../ui/Page.tsx');\n`],
    ['a re-export', `export { a } from '../ui/Page.tsx';\n`],
    ['a star re-export', `export * from '../ui/Page.tsx';\n`],
    ['a worker by URL', `export const b = new URL('../ui/worker.ts', import.meta.url);\n`],
    ['a glob', `export const b = import.meta.glob(['./*.ts', '../ui/*.tsx']);\n`],
  ])('catches %s that points the wrong way', (_, source) => {
    expect(lint('src/merge/run.ts', source)).toContain(direction);
  });

  test.each([
    ['typescript(no-explicit-any)', 'export const a = (b: any): unknown => b;\n'],
    ['typescript(ban-ts-comment)', '// @ts-ignore\nexport const a: number = 1;\n'],
    ['typescript(no-non-null-assertion)', 'export const a = (b: string | null): string => b!;\n'],
    ['eslint(no-restricted-globals)', 'export const a = document.title;\n'],
    ['import(no-default-export)', 'export default 1;\n'],
  ])('catches %s', (rule, source) => {
    expect(lint('src/merge/run.ts', source)).toEqual([rule]);
  });

  test('lets a page component use the DOM', () => {
    expect(lint('src/ui/title.ts', 'export const title = document.title;\n')).toEqual([]);
  });
});
