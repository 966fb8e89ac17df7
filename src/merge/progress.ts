/**
 * Progress: bytes done, rate and time left of long work, at a pace that a person can read. Not a log.
 */

/** Progress of long work. */
export interface Progress {
  readonly phase: 'measure' | 'blend' | 'save';
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | null;
  /** True where the sources are in memory already and no file is read. */
  readonly isInMemory?: boolean;
}

/** Milliseconds between two reports; the first and the last are always made. */
const INTERVAL_MS = 100;

/** Before this much time a rate says nothing about what is left. */
const SETTLED_MS = 300;

/** Watches one piece of work. */
export interface Watch {
  readonly onBytes: (bytesDone: number) => void;
  /** The rate so far; null before anything was done. */
  readonly bytesPerSecond: () => number | null;
}

/** Starts to watch work on `bytesTotal` bytes. */
export function watched(
  phase: Progress['phase'],
  bytesTotal: number,
  onProgress: ((progress: Progress) => void) | undefined,
  isInMemory = false,
): Watch {
  const start = performance.now();
  let reported = Number.NEGATIVE_INFINITY;
  let done = 0;
  let at = start;
  const report = (now: number) => {
    const elapsed = (now - start) / 1000;
    const bytesPerSecond = elapsed > 0 ? done / elapsed : 0;
    const isSettled = now - start >= SETTLED_MS && bytesPerSecond > 0;
    onProgress?.({
      phase,
      bytesDone: Math.min(done, bytesTotal),
      bytesTotal,
      bytesPerSecond,
      isInMemory,
      secondsLeft: isSettled ? Math.max(0, bytesTotal - done) / bytesPerSecond : null,
    });
    reported = now;
  };
  report(start);
  return {
    onBytes(bytesDone) {
      done = bytesDone;
      at = performance.now();
      if (at - reported >= INTERVAL_MS || done >= bytesTotal) report(at);
    },
    bytesPerSecond: () => (done > 0 && at > start ? (done / (at - start)) * 1000 : null),
  };
}
