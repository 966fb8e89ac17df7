/**
 * Headless: merges with the command line's tool, beside the copy limit and mergekit, on the same files. Which merges and
 * what becomes of the figures is `bench/run.mjs`'s.
 */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../tools/install.mjs';
import { run, runNode } from './measured-process.mjs';
import { MERGES, recipeText, sourcesOf } from './merges.mjs';
import { checkpointBytes, ensureWorkload } from './workload.mjs';

/** @typedef {import('./merges.mjs').Merge} Merge */
/** @typedef {import('./measured-process.mjs').Usage} Usage */
/** @typedef {import('./report.mjs').HeadlessRow} HeadlessRow */
/** @typedef {import('./workload.mjs').Size} Size */

/**
 * How to measure.
 * @typedef {object} How
 * @property {string} folder where checkpoints are made and kept
 * @property {string} device
 * @property {number} repeat of so many runs the fastest counts
 * @property {string | undefined} mergekit a Python that has it
 * @property {string} mergekitDtype
 * @property {(line: string) => void} say
 */

const TOOL = join(ROOT, 'tools', 'fusewright.mjs');
const IDLE_RUNS = 3;
const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

/** @param {unknown} error */
const sentence = (error) => (error instanceof Error ? error.message : String(error)).split('\n').at(-1) ?? '';

/**
 * Runs something a few times; keeps the fastest.
 * @template {Usage} T
 * @param {number} repeat
 * @param {() => Promise<T>} work
 */
async function fastest(repeat, work) {
  let best = await work();
  for (let time = 1; time < repeat; time++) {
    const next = await work();
    if (next.wallSeconds < best.wallSeconds) best = next;
  }
  return best;
}

/**
 * @param {How} how
 * @param {string} folder a size's folder
 * @param {Merge} merge
 * @returns {Promise<Usage>}
 */
async function measureCopy(how, folder, merge) {
  const out = join(folder, '..', 'copied', 'model.safetensors');
  return fastest(how.repeat, async () => {
    await rm(join(out, '..'), { recursive: true, force: true });
    const sources = sourcesOf(merge).map((name) => join(folder, name, 'model.safetensors'));
    try {
      return await runNode([here('./copy.mjs'), out, ...sources]);
    } finally {
      await rm(join(out, '..'), { recursive: true, force: true });
    }
  });
}

/**
 * @param {How} how
 * @param {string} folder
 * @param {Merge} merge
 * @returns {Promise<{ usage: Usage | null, failure: string | null }>}
 */
async function measureTool(how, folder, merge) {
  const out = join(folder, '..', 'merged');
  const recipe = join(folder, '..', 'recipe.yml');
  await writeFile(
    recipe,
    recipeText(merge, (name) => join(folder, name)),
  );
  try {
    const usage = await fastest(how.repeat, async () => {
      await rm(out, { recursive: true, force: true });
      return runNode([TOOL, 'merge', recipe, out, '--device', how.device, '--quiet']);
    });
    return { usage, failure: null };
  } catch (error) {
    return { usage: null, failure: sentence(error) };
  } finally {
    await rm(out, { recursive: true, force: true });
    await rm(recipe, { force: true });
  }
}

/** What the tool holds before it merges anything: the least of a few runs, in case one of them had to build it. */
export async function idleUsage() {
  const runs = [];
  for (let time = 0; time < IDLE_RUNS; time++) runs.push(await runNode([TOOL, '--version']));
  return runs.reduce((least, next) => (next.peakBytes < least.peakBytes ? next : least));
}

/** Of mergekit and what it calculates with, once it has run. @type {Record<string, string>} */
export const mergekitVersions = {};

/**
 * @param {How} how
 * @param {string} folder
 * @param {Merge} merge
 * @returns {Promise<Usage | null>}
 */
async function measureMergekit(how, folder, merge) {
  const { mergekit } = how;
  if (mergekit === undefined || !merge.inMergekit) return null;
  const out = join(folder, '..', 'merged-by-mergekit');
  const recipe = join(folder, '..', 'mergekit.yml');
  await writeFile(
    recipe,
    recipeText(merge, (name) => join(folder, name), { dtype: how.mergekitDtype }),
  );
  try {
    return await fastest(how.repeat, async () => {
      await rm(out, { recursive: true, force: true });
      const { output } = await run(mergekit, [here('./run_mergekit.py'), recipe, out]);
      const { versions, ...usage } = JSON.parse(output.trim().split('\n').at(-1) ?? '');
      Object.assign(mergekitVersions, versions);
      return usage;
    });
  } catch (error) {
    how.say(`mergekit ${merge.name} failed: ${sentence(error)}`);
    return null;
  } finally {
    await rm(out, { recursive: true, force: true });
    await rm(recipe, { force: true });
  }
}

/**
 * Merges of one size.
 * @param {How} how
 * @param {Size} size
 * @param {readonly Merge[]} merges
 * @returns {Promise<HeadlessRow[]>}
 */
export async function measureHeadless(how, size, merges) {
  const { say } = how;
  const folder = await ensureWorkload(how.folder, size, say);
  const bytes = await checkpointBytes(folder);
  // Everything is read once before, so that no merge pays for a cold cache.
  await measureCopy(how, folder, /** @type {Merge} */ (MERGES.find(({ name }) => name === 'ties')));
  /** @type {Map<number, Usage>} */
  const copies = new Map();
  /** @type {HeadlessRow[]} */
  const rows = [];
  for (const merge of merges) {
    const sources = sourcesOf(merge).length;
    const copy = copies.get(sources) ?? (await measureCopy(how, folder, merge));
    copies.set(sources, copy);
    const { usage: ours, failure } = await measureTool(how, folder, merge);
    const mergekit = await measureMergekit(how, folder, merge);
    rows.push({
      method: merge.name,
      size: size.name,
      readBytes: bytes * sources,
      writtenBytes: bytes,
      ours,
      failure,
      copy,
      mergekit,
    });
    const theirs = mergekit === null ? '' : `, mergekit ${mergekit.wallSeconds.toFixed(1)} s`;
    say(
      `${size.name} ${merge.name}: ${ours?.wallSeconds.toFixed(2) ?? failure} s, copy ${copy.wallSeconds.toFixed(2)} s${theirs}`,
    );
  }
  return rows;
}
