/** Figures that a person can read while they change. */

import { describe, expect, it } from 'vitest';
import {
  bytesPerSecondOf,
  elapsedFigure,
  fractionOf,
  type Pace,
  paceAtStart,
  paced,
  secondsLeftOf,
} from './progress.ts';

const TOTAL = 1e9;

/** Reports every 100 ms of work whose rate is told by `rate` (bytes a second at a time in seconds). */
function watch(rate: (seconds: number) => number, seconds: number, each: (pace: Pace, nowMs: number) => void) {
  let pace = paced(paceAtStart(0), { phase: 'blend', bytesDone: 0, bytesTotal: TOTAL }, 0);
  let bytesDone = 0;
  for (let nowMs = 100; nowMs <= seconds * 1000 && bytesDone < TOTAL; nowMs += 100) {
    bytesDone += rate(nowMs / 1000) / 10;
    pace = paced(pace, { phase: 'blend', bytesDone, bytesTotal: TOTAL }, nowMs);
    each(pace, nowMs);
  }
  return pace;
}

describe('pace', () => {
  it('tells no time left in the first seconds of a phase, and then one', () => {
    watch(
      () => 50e6,
      10,
      (pace, nowMs) => {
        if (nowMs < 3000) expect(secondsLeftOf(pace, nowMs)).toBeNull();
        else expect(secondsLeftOf(pace, nowMs)).toBeCloseTo(20 - nowMs / 1000, 1);
        expect(bytesPerSecondOf(pace)).toBeCloseTo(50e6, -1);
      },
    );
  });

  it('counts down without jumping while the rate sways', () => {
    const told: number[] = [];
    watch(
      (s) => 50e6 * (1 + 0.5 * Math.sin(s * 7)),
      15,
      (pace, nowMs) => {
        const left = secondsLeftOf(pace, nowMs);
        if (left !== null) told.push(left + nowMs / 1000);
      },
    );
    // The end that was told, over all reports: a handful of different ones, near the real one.
    expect(new Set(told.map((end) => end.toFixed(3))).size).toBeLessThanOrEqual(3);
    for (const end of told) expect(Math.abs(end - 20)).toBeLessThan(2.5);
  });

  it('sees within seconds that the rate has changed for good', () => {
    const pace = watch(
      (s) => (s < 6 ? 100e6 : 20e6),
      18,
      () => {},
    );
    expect(bytesPerSecondOf(pace)).toBeLessThan(30e6);
    // 160 MB are left, at 20 MB a second.
    expect(secondsLeftOf(pace, 18_000)).toBeGreaterThan(5);
  });

  it('starts anew with another phase and keeps the time of the start', () => {
    const measured = watch(
      () => 100e6,
      8,
      () => {},
    );
    const blending = paced(measured, { phase: 'blend', bytesDone: 0, bytesTotal: 5e8 }, 9000);
    expect(blending).toMatchObject({ startedMs: 0, phaseMs: 9000, bytesDone: 0, endsMs: null });
    expect(bytesPerSecondOf(blending)).toBe(0);
  });

  it('takes lumps as they come: a rate over time, and no more than all', () => {
    let pace = paced(paceAtStart(0), { phase: 'save', bytesDone: 0, bytesTotal: 100 }, 0);
    pace = paced(pace, { phase: 'save', bytesDone: 60, bytesTotal: 100 }, 6000);
    expect(bytesPerSecondOf(pace)).toBeCloseTo(10);
    expect(secondsLeftOf(pace, 6000)).toBeCloseTo(4);
    pace = paced(pace, { phase: 'save', bytesDone: 120, bytesTotal: 100 }, 7000);
    expect(fractionOf(pace)).toBe(1);
    expect(secondsLeftOf(pace, 60_000)).toBe(0);
    expect(fractionOf(paceAtStart(0))).toBeNull();
  });
});

describe('elapsed time', () => {
  it('reads like a clock', () => {
    expect(elapsedFigure(8400)).toBe('0:08');
    expect(elapsedFigure(760_000)).toBe('12:40');
    expect(elapsedFigure(3_723_000)).toBe('1:02:03');
  });
});
