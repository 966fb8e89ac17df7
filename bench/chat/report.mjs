/** Report: the chat's figures as Markdown, and what they say about the goals. */

import { cpus, release, totalmem, type } from 'node:os';
import { readFileSync } from 'node:fs';
import { median } from './measure.mjs';

/** @typedef {import('./measure.mjs').ShapeResult} ShapeResult */
/** @typedef {import('./measure.mjs').Figures} Figures */

/** The goals, as the issue that asked for them states them. */
const MOST_CPU_MS = 3;
const CPU_LAYERS = 24;
const FLAT_SHARE = 0.15;

/**
 * @param {{ adapter: { label: string, isSoftware: boolean }, browser: string, rows: readonly ShapeResult[], calibrations: readonly number[], load: number, note: string | undefined, date: Date }} result
 */
export function chatSection({ adapter, browser, rows, calibrations, load, note, date }) {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const library = JSON.parse(
    readFileSync(new URL('../../node_modules/@huggingface/transformers/package.json', import.meta.url), 'utf8'),
  ).version;
  const chips = cpus();
  return [
    `## Chat, ${date.toISOString().slice(0, 16).replace('T', ' ')} UTC, Fusewright ${version}`,
    '',
    `- Adapter: ${adapter.label}${adapter.isSoftware ? ' (software: shaders run on the same cores; ratios mean something, times do not)' : ''}. Chromium ${browser}.`,
    `- Machine: ${chips.length} × ${chips[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB of memory, ${type()} ${release()}, Node ${process.versions.node}. Load before: ${load.toFixed(1)}.`,
    `- Llamas of random weights, greedy, beside the same model exported and run by transformers.js ${library} \`generate()\` in the same page, taking turns; medians of the tokens after each context.`,
    '- CPU: processor time of the page’s main thread per token, in which both engines and onnxruntime run; shaders are not in it. Bytes: what was mapped for reading.',
    `- A fixed loop of 30 million steps took ${Math.min(...calibrations).toFixed(0)} to ${Math.max(...calibrations).toFixed(0)} ms of that processor time between the measurements: where others use the cores too it takes longer, and so does everything in the CPU columns.`,
    ...(note === undefined ? [] : [`- ${note}`]),
    '',
    ...rows.flatMap(shapeLines),
  ]
    .join('\n')
    .trimEnd();
}

/** @param {ShapeResult} row */
function shapeLines({ shape, precision, sides, isSame }) {
  const { live, plain } = sides;
  const head = [
    'context',
    'ms a token',
    'tokens/s',
    'CPU ms',
    'dispatches',
    'submits',
    'bytes back',
    'prompt ms a token',
  ];
  const theirs = plain
    ? ['theirs: ms a token', 'CPU ms', 'dispatches', 'bytes back', 'prompt ms a token', 'ours ÷ theirs, tokens/s']
    : [];
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  const figures = live?.figures ?? plain?.figures ?? [];
  const table = figures.map((_, n) => {
    const own = live?.figures[n];
    const other = plain?.figures[n];
    const cells = own ? [...sideCells(own, true)] : Array.from({ length: 7 }, () => '');
    const context = (own ?? other)?.context ?? 0;
    const beside = !plain
      ? []
      : other
        ? [...sideCells(other, false), own ? `${(median(other.tokenMs) / median(own.tokenMs)).toFixed(2)} ×` : '']
        : theirs.map(() => '');
    return line([String(context), ...cells, ...beside]);
  });
  const words = [
    live ? `Ours: ${live.failure ?? live.how}` : '',
    plain?.failure ? `Theirs: ${plain.failure}` : '',
    isSame === null ? '' : isSame ? 'Both wrote the same tokens.' : 'The two wrote different tokens.',
  ].filter((word) => word !== '');
  return [
    `### ${shape.name}, ${precision}: ${shape.layers} layers, hidden ${shape.hidden}, vocabulary ${shape.vocabulary} (${shape.why})`,
    '',
    words.map((word) => (/[.!?]$/.test(word) ? word : `${word}.`)).join(' '),
    '',
    line([...head, ...theirs]),
    line([...head, ...theirs].map(() => '---:')),
    ...table,
    '',
  ];
}

/** @param {Figures} figures @param {boolean} isOurs */
function sideCells({ tokenMs, cpuMs, counts, readMs, readTokens }, isOurs) {
  const ms = median(tokenMs);
  return [
    ms.toFixed(1),
    ...(isOurs ? [(1000 / ms).toFixed(1)] : []),
    cpuMs.toFixed(2),
    counts.dispatches.toFixed(0),
    ...(isOurs ? [counts.submits.toFixed(1)] : []),
    counts.readBytes.toFixed(0),
    (readMs / readTokens).toFixed(2),
  ];
}

/**
 * The goals, one line each.
 * @param {readonly ShapeResult[]} rows
 */
export function summaryLines(rows) {
  const lines = [''];
  for (const { shape, precision, sides } of rows) {
    const name = `${shape.name} ${precision}`;
    const own = sides.live?.figures ?? [];
    const [first] = own;
    const last = own.at(-1);
    if (!first || !last) continue;
    if (shape.layers >= CPU_LAYERS) {
      const cpu = Math.max(...own.map(({ cpuMs }) => cpuMs));
      lines.push(
        `${mark(cpu <= MOST_CPU_MS)} ${name}: CPU per token ${cpu.toFixed(2)} ms, goal at most ${MOST_CPU_MS}`,
      );
    }
    if (shape.isProportioned) {
      const share = median(first.tokenMs) / median(last.tokenMs);
      lines.push(
        `${mark(share >= 1 - FLAT_SHARE)} ${name}: at ${last.context} tokens ${(share * 100).toFixed(0)} % of the speed at ${first.context}, goal at least ${(1 - FLAT_SHARE) * 100} %`,
      );
    }
    for (const [n, figures] of own.entries()) {
      const other = sides.plain?.figures[n];
      if (!other) continue;
      const ratio = median(other.tokenMs) / median(figures.tokenMs);
      const isGood = figures.context > 2000 ? ratio > 1 : ratio >= 1;
      lines.push(`${mark(isGood)} ${name}: ${ratio.toFixed(2)} × transformers.js at ${figures.context} tokens`);
    }
  }
  return lines;
}

/** @param {boolean} isMet */
function mark(isMet) {
  return isMet ? 'met   ' : 'MISSED';
}
