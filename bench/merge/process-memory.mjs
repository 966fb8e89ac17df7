/**
 * Process memory: how much memory a program and all that it started hold together, from /proc. Pages that several of
 * them share are counted once (proportional set size). Linux only; elsewhere there is no answer.
 */

import { readdir, readFile } from 'node:fs/promises';

/** How often memory is looked at. */
const PERIOD_MS = 200;

/** @param {string} path */
const readOrEmpty = (path) => readFile(path, 'utf8').catch(() => '');

/** Whether this system can answer. */
export const canTell = process.platform === 'linux';

/**
 * Processes below `root` whose command line has `word` in it.
 * @param {number} root
 * @param {string} word
 */
async function below(root, word) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // The parent is the second field after the name in brackets.
    const parent = Number((await readOrEmpty(`/proc/${name}/stat`)).split(') ').at(-1)?.split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [];
  const waiting = [...(children.get(root) ?? [])];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    if ((await readOrEmpty(`/proc/${pid}/cmdline`)).includes(word)) found.push(pid);
    waiting.push(...(children.get(pid) ?? []));
  }
  return found;
}

/**
 * Bytes that the processes below this one hold whose command line has `word` in it.
 * @param {string} word
 */
export async function heldBytes(word) {
  let bytes = 0;
  for (const pid of await below(process.pid, word)) {
    const pss = /^Pss:\s+(\d+) kB/m.exec(await readOrEmpty(`/proc/${pid}/smaps_rollup`));
    bytes += 1024 * Number(pss?.[1] ?? 0);
  }
  return bytes;
}

/**
 * Watches memory until it is told to stop; gives the most that was seen.
 * @param {string} word
 * @returns {() => Promise<number>}
 */
export function watch(word) {
  let most = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, await heldBytes(word));
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return most;
  };
}
