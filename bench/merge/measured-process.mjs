/**
 * Measured process: runs a program to its end and says how long it took, on the clock and on the processor, and how much
 * memory it held at most.
 */

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * What a process took.
 * @typedef {object} Usage
 * @property {number} wallSeconds
 * @property {number} userSeconds
 * @property {number} systemSeconds
 * @property {number} peakBytes most memory that was resident at once
 */

const HOOK = pathToFileURL(fileURLToPath(new URL('./report-usage.mjs', import.meta.url))).href;
/** The end of what a program wrote that is quoted where it fails. */
const QUOTED_CHARS = 600;

/**
 * Runs a program. Throws with the end of its output where it fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [environment]
 * @returns {Promise<{ wallSeconds: number, output: string }>}
 */
export async function run(program, args, environment = {}) {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
  let output = '';
  let complaints = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (complaints = `${complaints}${data}`.slice(-10 * QUOTED_CHARS)));
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(status ?? signal));
  });
  const wallSeconds = (performance.now() - start) / 1000;
  if (code !== 0)
    throw new Error((complaints || output).trim().slice(-QUOTED_CHARS) || `${program} ended with ${code}`);
  return { wallSeconds, output };
}

/**
 * Runs a Node script and measures it.
 * @param {readonly string[]} args the script and its arguments
 * @returns {Promise<Usage & { output: string }>}
 */
export async function runNode(args) {
  const folder = await mkdtemp(join(tmpdir(), 'fusewright-usage-'));
  try {
    const file = join(folder, 'usage.json');
    const { wallSeconds, output } = await run(process.execPath, ['--import', HOOK, ...args], {
      FUSEWRIGHT_BENCH_USAGE: file,
    });
    return { wallSeconds, output, ...JSON.parse(await readFile(file, 'utf8')) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
