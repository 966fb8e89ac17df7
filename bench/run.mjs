/**
 * Bench: measures every merge method, headless and in the page, and appends what it found to `bench/RESULTS.md`.
 * `npm run bench`, or `npm run bench -- --help`. What is merged is `merge/merges.mjs`, on what `merge/workload.mjs`.
 */

import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../tools/build.mjs';
import { ensureInstalled, ROOT } from '../tools/install.mjs';
import { idleUsage, measureHeadless, mergekitVersions } from './merge/headless.mjs';
import { MERGES } from './merge/merges.mjs';
import { measurePage, measureRetune } from './merge/page.mjs';
import { headlessTable, machine, pageTable, retuneTable, sizesTable } from './merge/report.mjs';
import { ensureWorkload, SIZES } from './merge/workload.mjs';

/** @typedef {import('./merge/report.mjs').HeadlessRow} HeadlessRow */

const HELP = `Measures merges and appends the figures to bench/RESULTS.md.

  npm run bench -- [options]

  --methods A,B        only these (default: all)
  --size NAME          of the checkpoints: ${Object.keys(SIZES).join(', ')} (default 0.25b)
  --device WORD        auto, gpu or cpu, for the headless tool (default auto)
  --repeat N           merge N times and keep the fastest (default 1)
  --mergekit PYTHON    a Python that has mergekit: runs it on the same files
  --mergekit-dtype D   in which dtype mergekit calculates (default float32, as Fusewright does)
  --sizes              also three sizes of some methods, to see whether cost grows with bytes alone
  --large              also checkpoints of 2.2 GB each (needs 12 GB of disk)
  --page               also the page in Chromium
  --page-methods A,B   only these in the page (default: --methods)
  --page-size NAME     (default: --size)
  --retune             also how fast weights follow a slider, with the samples
  --all                --sizes --large --page --retune
  --folder PATH        where checkpoints are made and kept (default: a folder of the system's temporary files)
  --note TEXT          a word on the conditions, kept with the figures
  --no-write           show the figures and keep bench/RESULTS.md as it is
`;

/** Methods whose cost is shown over sizes and on large files: one that reads once, two that read more often. */
const SIZE_METHODS = ['linear', 'ties', 'sce'];
const LINEAR_SIZES = ['0.06b', '0.12b', '0.25b'];
const RETUNE_METHODS = ['linear', 'task_arithmetic', 'varm'];
const RETUNE_CHANGES = 20;

const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const say = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

const { values: options } = parseArgs({
  options: {
    methods: { type: 'string' },
    size: { type: 'string', default: '0.25b' },
    device: { type: 'string', default: 'auto' },
    repeat: { type: 'string', default: '1' },
    mergekit: { type: 'string' },
    'mergekit-dtype': { type: 'string', default: 'float32' },
    sizes: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    'page-methods': { type: 'string' },
    'page-size': { type: 'string' },
    retune: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    folder: { type: 'string', default: join(tmpdir(), 'fusewright-bench') },
    note: { type: 'string' },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/**
 * The merges named in a list, or all.
 * @param {string | undefined} list
 */
function chosen(list) {
  if (list === undefined) return [...MERGES];
  return list.split(',').map((name) => {
    const found = MERGES.find((merge) => merge.name === name);
    if (!found)
      throw new Error(`There is no merge '${name}'; there are ${MERGES.map((merge) => merge.name).join(', ')}.`);
    return found;
  });
}

/** @param {string} name */
function sizeOf(name) {
  const size = SIZES[name];
  if (!size) throw new Error(`There is no size '${name}'; there are ${Object.keys(SIZES).join(', ')}.`);
  return size;
}

/**
 * A part of the run that may not be possible here.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T | null>}
 */
async function ifPossible(name, work) {
  try {
    return await work();
  } catch (error) {
    leftOut.push(`${name}: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`);
    say(`Left out, ${leftOut.at(-1)}`);
    return null;
  }
}

/** @type {string[]} */
const leftOut = [];

async function main() {
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const merges = chosen(options.methods);
  const how = {
    folder: options.folder,
    device: options.device,
    repeat: Number(options.repeat),
    mergekit: undefined,
    mergekitDtype: options['mergekit-dtype'],
    say,
  };
  ensureInstalled({ quiet: true });
  await ensureBuilt('cli', { quiet: true });
  await mkdir(options.folder, { recursive: true });
  const loadBefore = loadavg()[0] ?? 0;
  const idle = await idleUsage();
  if (options.mergekit === undefined) leftOut.push('mergekit: name a Python that has it with --mergekit');

  const headless = await measureHeadless({ ...how, mergekit: options.mergekit }, sizeOf(options.size), merges);
  const picked = SIZE_METHODS.flatMap((name) => merges.filter((merge) => merge.name === name));
  /** @type {HeadlessRow[]} */
  const sizes = [];
  if (options.sizes || options.all) {
    for (const size of LINEAR_SIZES) {
      const known = headless.filter((row) => row.size === size && picked.some(({ name }) => name === row.method));
      sizes.push(...(known.length > 0 ? known : await measureHeadless(how, sizeOf(size), picked)));
    }
    sizes.sort((a, b) => a.method.localeCompare(b.method) || a.readBytes - b.readBytes);
  }
  const large =
    options.large || options.all
      ? await ifPossible('large checkpoints', () => measureHeadless(how, sizeOf('1.1b'), picked))
      : null;
  const pageSize = options['page-size'] ?? options.size;
  const page =
    options.page || options.all
      ? await ifPossible('the page', async () => {
          const folder = await ensureWorkload(options.folder, sizeOf(pageSize), say);
          return measurePage({ folder, merges: chosen(options['page-methods'] ?? options.methods), say });
        })
      : null;
  const retune =
    options.retune || options.all
      ? await ifPossible('retuning', () => measureRetune({ methods: RETUNE_METHODS, changes: RETUNE_CHANGES }))
      : null;

  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const kit = Object.entries(mergekitVersions).map(([name, number]) => `${name} ${number}`);
  const lines = [
    `## ${date} UTC, Fusewright ${version}`,
    '',
    `- Machine: ${machine()}. Load before: ${loadBefore.toFixed(1)}.`,
    `- Headless tool, \`--device ${options.device}\`, checkpoints \`${options.size}\` in BF16, files in the page cache, fastest of ${options.repeat}. Idle process: ${Math.round(idle.peakBytes / 1e6)} MB.`,
    '- Copy limit: the same bytes read and written (and flushed to disk) through the same Node calls, computing nothing.',
    ...(kit.length === 0
      ? []
      : [`- Beside it ${kit.join(', ')}, calculating in ${options['mergekit-dtype']}, its imports not counted.`]),
    ...(options.note === undefined ? [] : [`- ${options.note}`]),
    ...leftOut.map((what) => `- Left out: ${what}.`),
    '',
    ...headlessTable(headless, idle.peakBytes),
    ...(sizes.length === 0 ? [] : ['', '### Cost against size', '', ...sizesTable(sizes)]),
    ...(large === null ? [] : ['', '### Large checkpoints', '', ...headlessTable(large, idle.peakBytes)]),
    ...(page === null
      ? []
      : [
          '',
          `### In the page, \`${pageSize}\``,
          '',
          `Chromium with the built page, saved into its private file system; idle tab: ${page.idleBytes === null ? 'not known here' : `${Math.round(page.idleBytes / 1e6)} MB in all processes`}. ${page.place}`,
          '',
          ...pageTable(page.rows),
        ]),
    ...(retune === null
      ? []
      : [
          '',
          '### From a slider to new weights',
          '',
          'The shipped samples, statistics kept.',
          '',
          ...retuneTable(retune),
        ]),
    '',
  ];
  const text = lines.join('\n');
  process.stdout.write(`${text}\n`);
  const raw = join(options.folder, `results-${date.replace(/[ :]/g, '-')}.json`);
  await writeFile(
    raw,
    `${JSON.stringify({ date, machine: machine(), idle, headless, sizes, large, page, retune, leftOut }, null, 2)}\n`,
  );
  say(`All figures: ${raw}`);
  if (!options['no-write']) {
    const results = here('./RESULTS.md');
    const heading =
      '# Results\n\nWhat `npm run bench` measured, newest last. Conditions are part of every figure; none of them is a promise.\n\n';
    const isNew = (await readFile(results, 'utf8').catch(() => '')) === '';
    await appendFile(results, `${isNew ? heading : ''}${text}\n`);
    say(`Appended to ${relative(process.cwd(), results)}`);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
