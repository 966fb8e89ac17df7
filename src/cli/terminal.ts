/**
 * Terminal: lines for a person and one line of progress that is rewritten in place; where the stream is no terminal,
 * a line of progress now and then. Everything printed is one line: names come from files, and may hold anything.
 */

import type { Progress } from '../merge/progress.ts';
import { bytesFigure, timeLeft } from '../state/figures.ts';

/** The part of a Node stream that is written to. */
export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Between two lines of progress where there is no terminal. */
const SPARSE_MS = 10_000;

const PHASES: Readonly<Record<Progress['phase'], string>> = {
  measure: 'Measuring',
  blend: 'Blending',
  save: 'Merging',
};

/** Text on one line, without characters that steer a terminal or turn the reading direction. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
}

/** `Merging 45 %, 1.20 GB of 2.70 GB, 820 MB/s, 2 s left`. */
export function progressText({ phase, bytesDone, bytesTotal, bytesPerSecond, secondsLeft }: Progress): string {
  const share = bytesTotal === 0 ? 100 : Math.floor((bytesDone / bytesTotal) * 100);
  const left = secondsLeft === null || bytesDone >= bytesTotal ? '' : `, ${timeLeft(secondsLeft)} left`;
  const rate = secondsLeft === null ? '' : `, ${bytesFigure(Math.round(bytesPerSecond))}/s`;
  return `${PHASES[phase]} ${share} %, ${bytesFigure(bytesDone)} of ${bytesFigure(bytesTotal)}${rate}${left}`;
}

/** Writes lines and progress to one stream. */
export class Terminal {
  readonly #stream: Stream;
  readonly #now: () => number;
  #isProgressShown = false;
  #lastMs: number;

  constructor(stream: Stream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
    this.#lastMs = now();
  }

  /** One line of its own; a line of progress makes room for it. */
  line(text: string): void {
    this.clear();
    this.#stream.write(`${oneLine(text)}\n`);
  }

  /** The line of progress. */
  progress(progress: Progress): void {
    const text = progressText(progress);
    if (this.#stream.isTTY === true) {
      // One column is left free: a full line would wrap and could not be rewritten.
      this.#stream.write(`\r\u001b[2K${text.slice(0, Math.max(20, (this.#stream.columns ?? 80) - 1))}`);
      this.#isProgressShown = true;
    } else if (this.#now() - this.#lastMs >= SPARSE_MS) {
      this.#lastMs = this.#now();
      this.#stream.write(`${text}\n`);
    }
  }

  /** Takes the line of progress away. */
  clear(): void {
    if (!this.#isProgressShown) return;
    this.#isProgressShown = false;
    this.#stream.write('\r\u001b[2K');
  }
}
