/**
 * Progress: how far long work is, in figures that a person can read while they change: a rate over the last seconds,
 * and a time left that counts down like a clock and jumps only where it was plainly wrong. Pure. Not where the bytes
 * are counted (`merge/progress.ts`), and not the sentences (`status.ts`).
 */

import type { Progress } from './engine-api.ts';

/** What is known of work so far. */
export interface Pace {
  /** Milliseconds by the page's clock when the work began. */
  readonly startedMs: number;
  /** Null before anything was reported. */
  readonly phase: Progress['phase'] | null;
  /** When this phase's first report came. */
  readonly phaseMs: number;
  readonly bytesDone: number;
  /** 0 while it is not known. */
  readonly bytesTotal: number;
  /** Bytes and milliseconds of the last seconds, older ones fading. */
  readonly recentBytes: number;
  readonly recentMs: number;
  readonly reportedMs: number;
  /** When it should be done, by the page's clock; null while nobody can say. */
  readonly endsMs: number | null;
  /** True where nothing is read from files: the sources are in memory already. */
  readonly isInMemory: boolean;
}

/** What is longer ago than this counts for about a third. */
const WINDOW_MS = 5000;

/** A time left that is told earlier is a guess. */
const SETTLED_MS = 3000;

/** A new estimate replaces the shown one where they are further apart than this, or than a share of what is left. */
const JUMP_MS = 1500;
const JUMP_SHARE = 0.12;

/** Work that just began. */
export function paceAtStart(nowMs: number): Pace {
  return {
    startedMs: nowMs,
    phase: null,
    phaseMs: nowMs,
    bytesDone: 0,
    bytesTotal: 0,
    recentBytes: 0,
    recentMs: 0,
    reportedMs: nowMs,
    endsMs: null,
    isInMemory: false,
  };
}

/** What a report says of work: of the amount, and in which phase. */
export type Report = Pick<Progress, 'bytesDone' | 'bytesTotal' | 'isInMemory'> & {
  readonly phase?: Progress['phase'];
};

/** The pace after a report. */
export function paced(before: Pace, report: Report, nowMs: number): Pace {
  const phase = report.phase ?? null;
  const isNew =
    phase !== before.phase || report.bytesTotal !== before.bytesTotal || report.bytesDone < before.bytesDone;
  // What was done before the first report was done in a time that nobody knows.
  const { bytesDone } = report;
  const from = isNew ? { ...paceAtStart(before.startedMs), phaseMs: nowMs, reportedMs: nowMs, bytesDone } : before;
  const passedMs = Math.max(0, nowMs - from.reportedMs);
  const fading = Math.exp(-passedMs / WINDOW_MS);
  const now = {
    ...from,
    phase,
    bytesDone: Math.min(report.bytesDone, report.bytesTotal),
    bytesTotal: report.bytesTotal,
    recentBytes: from.recentBytes * fading + Math.max(0, report.bytesDone - from.bytesDone),
    recentMs: from.recentMs * fading + passedMs,
    reportedMs: nowMs,
    isInMemory: report.isInMemory === true,
  };
  return { ...now, endsMs: endOf(now, nowMs) };
}

function endOf(pace: Pace, nowMs: number): number | null {
  const rate = bytesPerSecondOf(pace);
  if (nowMs - pace.phaseMs < SETTLED_MS || rate <= 0) return null;
  const leftMs = ((pace.bytesTotal - pace.bytesDone) / rate) * 1000;
  const endsMs = nowMs + leftMs;
  const isNear = pace.endsMs !== null && Math.abs(endsMs - pace.endsMs) < Math.max(JUMP_MS, leftMs * JUMP_SHARE);
  return isNear ? pace.endsMs : endsMs;
}

/** Bytes a second over the last seconds; 0 while nothing was done. */
export function bytesPerSecondOf({ recentBytes, recentMs }: Pace): number {
  return recentMs > 0 ? (recentBytes / recentMs) * 1000 : 0;
}

/** Seconds left, at least 0; null while nobody can say. */
export function secondsLeftOf({ endsMs }: Pace, nowMs: number): number | null {
  return endsMs === null ? null : Math.max(0, (endsMs - nowMs) / 1000);
}

/** Done share from 0 to 1; null while it is not known. */
export function fractionOf({ bytesDone, bytesTotal }: Pace): number | null {
  return bytesTotal > 0 ? Math.min(1, bytesDone / bytesTotal) : null;
}

/** Time since the start, as a clock shows it: `0:08`, `12:40`, `1:02:03`. */
export function elapsedFigure(milliseconds: number): string {
  const seconds = Math.floor(Math.max(0, milliseconds) / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
