import { describe, expect, it } from 'vitest';
import type { Progress } from '../merge/progress.ts';
import { parseSize } from './arguments.ts';
import { progressText, Terminal } from './terminal.ts';

const HALF: Progress = { phase: 'save', bytesDone: 5e8, bytesTotal: 1e9, bytesPerSecond: 2.5e8, secondsLeft: 2 };

describe('progress', () => {
  it('says how far, how fast and how long', () => {
    expect(progressText(HALF)).toBe('Merging 50 %, 500 MB of 1.00 GB, 250 MB/s, 2 s left');
    expect(progressText({ ...HALF, phase: 'measure', bytesDone: 0, bytesTotal: 0, secondsLeft: null })).toBe(
      'Measuring 100 %, 0 bytes of 0 bytes',
    );
  });

  it('rewrites one line on a terminal and takes it away', () => {
    let text = '';
    const terminal = new Terminal({ isTTY: true, columns: 30, write: (piece) => (text += piece) });
    terminal.progress(HALF);
    terminal.progress(HALF);
    expect(text).toBe('\r\u001b[2KMerging 50 %, 500 MB of 1.00 '.repeat(2));
    text = '';
    terminal.line('a\u001b[31m\nb');
    expect(text).toBe('\r\u001b[2Ka [31m b\n');
    text = '';
    terminal.clear();
    expect(text).toBe('');
  });

  it('is sparse where there is no terminal', () => {
    let now = 0;
    let text = '';
    const terminal = new Terminal({ write: (piece) => (text += piece) }, () => now);
    for (now = 0; now <= 25_000; now += 100) terminal.progress(HALF);
    expect(text.split('\n')).toHaveLength(3);
  });
});

describe('parseSize', () => {
  it.each([
    ['5GB', 5e9],
    ['500 mb', 5e8],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['4096', 4096],
    ['2k', 2000],
  ])('%s', (text, bytes) => expect(parseSize(text, '--memory')).toBe(bytes));

  it.each(['', 'GB', '-1', '0', '0.5', '1e9', '9999999TB', '5XB', 'constructor'])('refuses %j', (text) => {
    expect(() => parseSize(text, '--memory')).toThrow(/--memory is a size/);
  });
});
