/** Figures as the page writes them: bytes, counts, times and rates with a fixed number of digits. */

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** Decimal bytes with three significant digits: `512 bytes`, `14.2 MB`. */
export function bytesFigure(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 999.5 ? countFigure(value) : value.toPrecision(3);
  return `${digits} ${UNITS[unit] ?? ''}`;
}

/** A count with thousands separated: `1,234,567`. */
export function countFigure(count: number): string {
  return Math.round(count).toLocaleString('en-GB');
}

/** A count in at most four characters and a letter: `260 k`, `1.24 M`, `7.62 B`. */
export function shortCount(count: number): string {
  if (count < 1000) return String(count);
  const [scale, letter] = count < 999_500 ? [1e3, 'k'] : count < 999_500_000 ? [1e6, 'M'] : [1e9, 'B'];
  return `${(count / scale).toPrecision(3)} ${letter}`;
}

/** Milliseconds, or seconds from two on: `23 ms`, `4.50 s`. */
export function timeFigure(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 2000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
}

/** Time left, coarse on purpose so that it does not flicker: `8 s`, `3 min`, `2 h 5 min`. */
export function timeLeft(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1 tensor`, `47 tensors`. */
export function plural(count: number, noun: string): string {
  return `${countFigure(count)} ${noun}${count === 1 ? '' : 's'}`;
}
