/**
 * Chromium: the one browser that every suite runs in, and the flags that give it WebGPU on SwiftShader, so that
 * shaders compile and run on machines without a GPU. `findChromium` only looks; `obtainChromium` installs one where
 * there is none. Nothing here is imported from node_modules before it is needed.
 */

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT } from './install.mjs';

/** Names of a system Chromium, best first. */
const SYSTEM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Where one lives that is not on PATH. */
const SYSTEM_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
];

/**
 * Flags for every browser that the suites start. Without `--enable-unsafe-webgpu` headless Chromium has no adapter
 * at all; without the choice of SwiftShader the results would depend on the machine's GPU. The last four keep the
 * browser itself off the network, so that a request seen in a test is the page's own.
 */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** The same without WebGPU. */
export const CPU_CHROMIUM_FLAGS = CHROMIUM_FLAGS.filter((flag) => !/webgpu|vulkan/i.test(flag));

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The Chromium named by CHROMIUM_PATH.
 * @returns {string | undefined} undefined where the variable is unset.
 * @throws {Error} where it names no program: a wrong setting is never passed over in silence.
 */
export function chromiumFromEnvironment() {
  const path = process.env['CHROMIUM_PATH'];
  if (path === undefined || path === '') return undefined;
  if (!isProgram(path)) throw new Error(`CHROMIUM_PATH names "${path}", which is not a program that can be run.`);
  return path;
}

/**
 * A Chromium installed on the system.
 * @returns {string | undefined}
 */
export function chromiumOnSystem() {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of SYSTEM_NAMES) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (isProgram(path)) return path;
    }
  }
  return SYSTEM_PATHS.find((path) => existsSync(path) && isProgram(path));
}

/**
 * The Chromium that a test run should start: CHROMIUM_PATH, else the system's. Undefined leaves the choice to
 * Playwright, which looks for its own download and says so clearly when there is none.
 * @returns {string | undefined}
 */
export function findChromium() {
  return chromiumFromEnvironment() ?? chromiumOnSystem();
}

/** Playwright's download gives up after this long; some networks forbid it and some only stall. */
const DOWNLOAD_LIMIT_MILLISECONDS = 5 * 60_000;

/** Debian's package, with its index, may take this long. */
const PACKAGE_LIMIT_MILLISECONDS = 15 * 60_000;

/**
 * Whether a program starts at all. Ubuntu's `chromium-browser` is a script that only advertises a snap, and a download
 * without its system libraries does not start either.
 * @param {string} path
 */
function starts(path) {
  return spawnSync(path, ['--version'], { stdio: 'ignore', timeout: 60_000 }).status === 0;
}

/**
 * Where Playwright keeps its own Chromium, whether or not it is there.
 * @returns {Promise<string>}
 */
async function playwrightPath() {
  const { chromium } = await import('playwright');
  return chromium.executablePath();
}

/**
 * Runs an installer with its output on stderr.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {number} limitMilliseconds
 * @param {NodeJS.ProcessEnv} [environment]
 * @returns {boolean} whether it ended well
 */
function install(command, args, limitMilliseconds, environment = {}) {
  process.stderr.write(`${[command, ...args].join(' ')}\n`);
  return (
    spawnSync(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 2, 2],
      timeout: limitMilliseconds,
      env: { ...process.env, ...environment },
    }).status === 0
  );
}

/**
 * Finds a Chromium that starts, or installs one: CHROMIUM_PATH, the system's, Playwright's own (downloaded if need be),
 * Debian's package where we are root.
 * @returns {Promise<string>} its path
 * @throws {Error} where there is none and none could be installed
 */
export async function obtainChromium() {
  const named = chromiumFromEnvironment();
  if (named !== undefined) {
    if (!starts(named)) throw new Error(`CHROMIUM_PATH names "${named}", which does not start.`);
    return named;
  }
  const onSystem = chromiumOnSystem();
  if (onSystem !== undefined && starts(onSystem)) return onSystem;

  const own = await playwrightPath();
  if (existsSync(own) && starts(own)) return own;
  const cli = join('node_modules', 'playwright', 'cli.js');
  install(process.execPath, [cli, 'install', '--no-shell', 'chromium'], DOWNLOAD_LIMIT_MILLISECONDS, {
    PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '20000',
  });
  if (existsSync(own) && starts(own)) return own;

  if (process.platform === 'linux' && process.getuid?.() === 0) {
    const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
    install('apt-get', ['update'], PACKAGE_LIMIT_MILLISECONDS, quiet);
    install('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], PACKAGE_LIMIT_MILLISECONDS, quiet);
    const packaged = chromiumOnSystem();
    if (packaged !== undefined && starts(packaged)) return packaged;
    // The download may be there and lack only the libraries that the package has just brought.
    if (existsSync(own) && starts(own)) return own;
  }
  throw new Error(
    'No Chromium was found and none could be installed: install one and put its path in CHROMIUM_PATH. Chromium runs the kernels and the page in the tests.',
  );
}
