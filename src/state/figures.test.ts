import { describe, expect, it } from 'vitest';
import { bytesFigure, countFigure, plural, shortCount, timeFigure, timeLeft } from './figures.ts';

describe('figures', () => {
  it('writes bytes with three digits and never with four', () => {
    expect([0, 999, 1000, 14_200_000, 999_499_999, 999_500_000, 7e15].map(bytesFigure)).toEqual([
      '0 bytes',
      '999 bytes',
      '1.00 kB',
      '14.2 MB',
      '999 MB',
      '1.00 GB',
      '7,000 TB',
    ]);
  });
  it('writes counts', () => {
    expect(countFigure(1234567)).toBe('1,234,567');
    expect([999, 260_032, 999_499, 999_500, 7_615_616_512].map(shortCount)).toEqual([
      '999',
      '260 k',
      '999 k',
      '1.00 M',
      '7.62 B',
    ]);
    expect([plural(1, 'tensor'), plural(0, 'tensor'), plural(1200, 'tensor')]).toEqual([
      '1 tensor',
      '0 tensors',
      '1,200 tensors',
    ]);
  });
  it('writes times', () => {
    expect([0, 9.94, 23.4, 1999, 4503, 14_200].map(timeFigure)).toEqual([
      '0.0 ms',
      '9.9 ms',
      '23 ms',
      '1999 ms',
      '4.50 s',
      '14.2 s',
    ]);
    expect([0.2, 89, 90, 5400, 7500].map(timeLeft)).toEqual(['1 s', '89 s', '2 min', '1 h 30 min', '2 h 5 min']);
  });
});
