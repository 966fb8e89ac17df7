/**
 * Install: makes sure that `node_modules` holds what the lockfile says, before anything there is imported. It trusts
 * npm's own record of what it installed (`node_modules/.package-lock.json`, written when an install has finished), so
 * a hand-made `npm ci` counts and a broken-off one does not. Not an updater: it never changes the lockfile.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * @typedef {object} LockedPackage
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {boolean} [devOptional]
 * @property {boolean} [link]
 */

/**
 * @param {string} path
 * @returns {any} the parsed file, or undefined where it cannot be read
 */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Whether everything that the lockfile requires is installed in that very version. Optional packages may be absent
 * (most are for other platforms) but not of another version.
 * @param {string} [root]
 */
export function isInstalled(root = ROOT) {
  const manifest = readJson(join(root, 'package.json'));
  const lock = readJson(join(root, 'package-lock.json'));
  const record = readJson(join(root, 'node_modules', '.package-lock.json'));
  if (manifest === undefined || lock === undefined || record === undefined) return false;
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    const wanted = manifest[kind] ?? {};
    const locked = lock.packages[''][kind] ?? {};
    const names = Object.keys(wanted);
    if (names.length !== Object.keys(locked).length || names.some((name) => wanted[name] !== locked[name]))
      return false;
  }
  /** @type {Record<string, LockedPackage>} */
  const installed = record.packages;
  /** @type {Record<string, LockedPackage>} */
  const required = lock.packages;
  for (const [path, entry] of Object.entries(required)) {
    if (path === '') continue;
    const present = installed[path];
    if (present === undefined) {
      if (entry.optional !== true && entry.devOptional !== true) return false;
    } else if (present.version !== entry.version || present.integrity !== entry.integrity) return false;
  }
  return Object.keys(installed).every((path) => path in required);
}

/**
 * Runs npm: the one that started us where there is one, else the one on PATH.
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} options
 */
function npm(args, options) {
  const started = process.env['npm_execpath'];
  if (started !== undefined && basename(started) === 'npm-cli.js') {
    return spawnSync(process.execPath, [started, ...args], options);
  }
  return spawnSync('npm', [...args], { ...options, shell: process.platform === 'win32' });
}

/**
 * Installs with `npm ci` where something is missing or stale. Everything goes to stderr, so that stdout stays the
 * caller's.
 * @param {{ quiet?: boolean }} [options] quiet: say nothing unless it fails
 * @throws {Error} where npm fails; its own words are on stderr by then
 */
export function ensureInstalled({ quiet = false } = {}) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 12)) {
    throw new Error(`Fusewright needs Node 20.12 or later, and this is Node ${process.versions.node}.`);
  }
  if (isInstalled()) return;
  if (!quiet) process.stderr.write('Installing what package-lock.json lists (npm ci) ...\n');
  const result = npm(['ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional'], {
    cwd: ROOT,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
  });
  if (result.error !== undefined) throw new Error(`npm could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    if (quiet) process.stderr.write(Buffer.concat([Buffer.from(result.stdout), Buffer.from(result.stderr)]));
    throw new Error(`npm ci failed (exit ${result.status ?? result.signal}). Its message above says why.`);
  }
}
