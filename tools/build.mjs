/**
 * Build: makes `dist/` (the page) and `dist-cli/` (the command line) with vite, and leaves them alone while nothing
 * that they are made of has changed. `node tools/build.mjs [page] [cli] [--force]` from a shell.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, ROOT } from './install.mjs';

/**
 * The two things to build: what shows that it is there, and what vite is told beyond `vite.config.ts`.
 * @type {Record<'page' | 'cli', { folder: string, entry: string, build: import('vite').BuildOptions }>}
 */
export const TARGETS = {
  page: { folder: join(ROOT, 'dist'), entry: 'index.html', build: {} },
  cli: {
    folder: join(ROOT, 'dist-cli'),
    entry: 'fusewright.js',
    build: {
      ssr: true,
      outDir: 'dist-cli',
      rolldownOptions: {
        input: {
          fusewright: 'src/cli/main.ts',
          'kernel-worker': 'src/cli/kernel-worker.ts',
          evidence: 'src/cli/evidence.ts',
        },
      },
    },
  },
};

/** What a build is made of; the lockfile stands for `node_modules`. */
const SOURCES = [
  'src',
  'shaders',
  'public',
  'docs/screenshots',
  'index.html',
  'vite.config.ts',
  'tsconfig.json',
  'package-lock.json',
];

/** Beside the built files: the digest of what they were built from. vite empties the folder, so it never outlives them. */
const STAMP = '.built-from';

/**
 * @param {string} path
 * @returns {string[]} every file at or under it, none where there is nothing
 */
function filesUnder(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (!found.isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** A digest of every source's path and content. Tests are not part of any build. */
function digestOfSources() {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap((source) => filesUnder(join(ROOT, source)))) {
    if (/\.test\.tsx?$/.test(path)) continue;
    const content = readFileSync(path);
    hash.update(`${relative(ROOT, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/**
 * @param {string} path
 * @returns {string | undefined}
 */
function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Builds one target unless it is up to date.
 * @param {'page' | 'cli'} name
 * @param {{ quiet?: boolean, force?: boolean }} [options] quiet: warnings and errors only
 * @returns {Promise<boolean>} whether it had to be built
 */
export async function ensureBuilt(name, { quiet = false, force = false } = {}) {
  const { folder, entry, build: options } = TARGETS[name];
  const digest = digestOfSources();
  const stamp = join(folder, STAMP);
  if (!force && readIfThere(stamp) === digest && readIfThere(join(folder, entry)) !== undefined) return false;
  const { build } = await import('vite');
  await build({ root: ROOT, logLevel: quiet ? 'warn' : 'info', build: options });
  writeFileSync(stamp, digest);
  return true;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => arg !== '--force');
  try {
    ensureInstalled();
    for (const name of names.length === 0 ? ['page', 'cli'] : names) {
      if (name !== 'page' && name !== 'cli') throw new Error(`There is no build "${name}": say page or cli.`);
      if (!(await ensureBuilt(name, { force: args.includes('--force') }))) console.log(`The ${name} is up to date.`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
