/**
 * Bench of the chat: tokens per second, time to the first token, bytes read back and processor time per token, for our
 * chat over live weights beside the same model exported to ONNX and run by plain transformers.js in the same browser.
 * The two take turns in one run, so that their ratio means something where their times do not. `--help` tells the rest.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureInstalled } from '../tools/install.mjs';
import { withBenchPage } from './chat/browser.mjs';
import { measureShape } from './chat/measure.mjs';
import { chatSection, summaryLines } from './chat/report.mjs';
import { SHAPES, SMALL_SHAPES } from './chat/shapes.mjs';

const CONTEXTS = [100, 500, 1000, 2000, 4000];
const QUICK_CONTEXTS = [100, 500, 1000];

const HELP = `Measures the chat and appends the figures to bench/RESULTS.md.

  npm run bench:chat -- [options]

  --shapes A,B       of ${SHAPES.map(({ name }) => name).join(', ')} (default ${SMALL_SHAPES.join(',')}; the others want a real GPU)
  --precisions A,B   of f32, q8, q4 (default f32,q8)
  --contexts A,B     tokens of text before the tokens that are timed (default ${CONTEXTS.join(',')})
  --tokens N         tokens that are timed at each context, half of them in each of two turns (default 16)
  --quick            contexts ${QUICK_CONTEXTS.join(', ')} and 8 tokens: a minute or two on a software adapter
  --live-only        leave transformers.js out
  --real-gpu         let the browser choose the adapter (default: SwiftShader, which is the same everywhere)
  --note TEXT        a word on the conditions, kept with the figures
  --no-write         show the figures and keep bench/RESULTS.md as it is
`;

const { values: options } = parseArgs({
  options: {
    shapes: { type: 'string', default: SMALL_SHAPES.join(',') },
    precisions: { type: 'string', default: 'f32,q8' },
    contexts: { type: 'string' },
    tokens: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'live-only': { type: 'boolean', default: false },
    'real-gpu': { type: 'boolean', default: false },
    note: { type: 'string' },
    'no-write': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const say = (/** @type {string} */ line) => process.stderr.write(`${line}\n`);

async function main() {
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  await ensureInstalled();
  const shapes = options.shapes.split(',').map((name) => {
    const shape = SHAPES.find((own) => own.name === name);
    if (!shape) throw new Error(`There is no shape ${name}; there are ${SHAPES.map((own) => own.name).join(', ')}.`);
    return shape;
  });
  const contexts =
    options.contexts?.split(',').map((word) => {
      const tokens = Number(word);
      if (!Number.isInteger(tokens) || tokens < 2) throw new Error(`${word} is no number of tokens.`);
      return tokens;
    }) ?? (options.quick ? QUICK_CONTEXTS : CONTEXTS);
  const tokens = Number(options.tokens ?? (options.quick ? 8 : 16));
  const precisions = options.precisions.split(',');
  const wrong = precisions.find((word) => !['f32', 'q8', 'q4'].includes(word));
  if (wrong !== undefined) throw new Error(`There is no precision ${wrong}; there are f32, q8 and q4.`);
  const load = loadavg()[0] ?? 0;
  const result = await withBenchPage({ realGpu: options['real-gpu'] }, async (page) => {
    const adapter = /** @type {{ label: string, isSoftware: boolean }} */ (await page.call('adapter'));
    say(`${adapter.label}${adapter.isSoftware ? ' (software)' : ''}`);
    const calibrations = [await calibration(page)];
    say(`calibration: ${calibrations[0]?.toFixed(0)} ms`);
    const rows = [];
    for (const shape of shapes) {
      for (const precision of precisions) {
        /** @type {import('./chat/measure.mjs').Side[]} */
        const sides = options['live-only'] ? ['live'] : ['live', 'plain'];
        rows.push(await measureShape(page, { shape, precision, contexts, tokens, sides, say }));
        calibrations.push(await calibration(page));
      }
    }
    return { adapter, rows, browser: page.version, calibrations };
  });
  const section = chatSection({ ...result, load, note: options.note, date: new Date() });
  process.stdout.write(`${section}\n`);
  for (const line of summaryLines(result.rows)) process.stdout.write(`${line}\n`);
  if (options['no-write']) return;
  const path = fileURLToPath(new URL('RESULTS.md', import.meta.url));
  writeFileSync(path, `${readFileSync(path, 'utf8').trimEnd()}\n\n${section}\n`);
}

/**
 * Processor milliseconds of a fixed loop of 30 million steps.
 * @param {import('./chat/browser.mjs').BenchPage} page
 */
async function calibration(page) {
  const before = await page.cpuMs();
  await page.call('calibrate');
  return (await page.cpuMs()) - before;
}

await main().catch((error) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
});
