/** Report: the bench's figures as Markdown. What was measured and how is the business of those who measured. */

import { cpus, release, totalmem, type } from 'node:os';

/** @typedef {import('./measured-process.mjs').Usage} Usage */

/**
 * One merge with the headless tool.
 * @typedef {object} HeadlessRow
 * @property {string} method
 * @property {string} size
 * @property {number} readBytes of one pass over the sources
 * @property {number} writtenBytes
 * @property {Usage | null} ours null where it failed
 * @property {string | null} failure
 * @property {Usage} copy
 * @property {Usage | null} mergekit null where it has not the method, was not at hand, or failed
 */

/**
 * One merge in the page.
 * @typedef {object} PageRow
 * @property {string} method
 * @property {number | null} saveSeconds null where it failed
 * @property {string | null} failure
 * @property {number} copySeconds
 * @property {number | null} peakBytes over the idle tab, all processes of the browser together
 */

/** @param {number} value */
const seconds = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
/** @param {number} ratio */
const times = (ratio) => `${ratio.toFixed(1)} ×`;
/** @param {Usage} usage */
const processor = ({ userSeconds, systemSeconds }) => userSeconds + systemSeconds;
/** @param {number} bytes */
const megabytes = (bytes) => `${Math.round(bytes / 1e6)}`;

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)];
}

/**
 * @param {readonly HeadlessRow[]} rows
 * @param {number} idleBytes
 */
export function headlessTable(rows, idleBytes) {
  const hasMergekit = rows.some(({ mergekit }) => mergekit !== null);
  const head = ['method', 'wall s', 'CPU s', 'peak MB over idle', 'GB/s', 'of the copy limit'];
  if (hasMergekit) head.push('mergekit wall s', 'user s', 'system s', 'peak MB', 'mergekit ÷ ours, wall', 'CPU');
  return table(
    head,
    rows.map(({ method, readBytes, writtenBytes, ours, failure, copy, mergekit }) => {
      const theirs = !hasMergekit
        ? []
        : mergekit === null
          ? ['', '', '', '', '', '']
          : [
              seconds(mergekit.wallSeconds),
              seconds(mergekit.userSeconds),
              seconds(mergekit.systemSeconds),
              megabytes(mergekit.peakBytes),
              ours === null ? '' : times(mergekit.wallSeconds / ours.wallSeconds),
              ours === null ? '' : times(processor(mergekit) / processor(ours)),
            ];
      if (ours === null) return [method, `failed: ${failure}`, '', '', '', '', ...theirs];
      return [
        method,
        seconds(ours.wallSeconds),
        seconds(processor(ours)),
        megabytes(ours.peakBytes - idleBytes),
        ((readBytes + writtenBytes) / 1e9 / ours.wallSeconds).toFixed(2),
        `${Math.round((100 * copy.wallSeconds) / ours.wallSeconds)} %`,
        ...theirs,
      ];
    }),
  );
}

/**
 * Cost against size: seconds per gigabyte should not grow.
 * @param {readonly HeadlessRow[]} rows
 */
export function sizesTable(rows) {
  return table(
    ['method', 'size', 'GB read', 'wall s', 'CPU s', 'wall s per GB', 'peak MB'],
    rows.map(({ method, size, readBytes, ours, failure }) =>
      ours === null
        ? [method, size, (readBytes / 1e9).toFixed(2), `failed: ${failure}`, '', '', '']
        : [
            method,
            size,
            (readBytes / 1e9).toFixed(2),
            seconds(ours.wallSeconds),
            seconds(processor(ours)),
            (ours.wallSeconds / (readBytes / 1e9)).toFixed(2),
            megabytes(ours.peakBytes),
          ],
    ),
  );
}

/** @param {readonly PageRow[]} rows */
export function pageTable(rows) {
  return table(
    ['method', 'save s', 'copy s', 'of the copy limit', 'peak MB over the idle tab'],
    rows.map(({ method, saveSeconds, failure, copySeconds, peakBytes }) =>
      saveSeconds === null
        ? [method, `failed: ${failure}`, seconds(copySeconds), '', '']
        : [
            method,
            seconds(saveSeconds),
            seconds(copySeconds),
            `${Math.round((100 * copySeconds) / saveSeconds)} %`,
            peakBytes === null ? '' : megabytes(peakBytes),
          ],
    ),
  );
}

/** @param {readonly { method: string, wallMs: number[], toldMs: number[] }[]} rows */
export function retuneTable(rows) {
  const median = (/** @type {number[]} */ values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return table(
    ['method', 'changes', 'engine ms, median', 'engine ms, worst', 'from key to status line ms, median'],
    rows.map(({ method, wallMs, toldMs }) => [
      method,
      `${wallMs.length}`,
      `${Math.round(median(toldMs) ?? Number.NaN)}`,
      `${Math.round(Math.max(...toldMs))}`,
      `${Math.round(median(wallMs) ?? Number.NaN)}`,
    ]),
  );
}

/** The machine in a sentence. */
export function machine() {
  const [first] = cpus();
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB of memory, ${type()} ${release()}, Node ${process.versions.node}`;
}
