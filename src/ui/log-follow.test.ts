import { describe, expect, it } from 'vitest';
import { followedTop } from './log-follow.ts';

describe('what a log follows', () => {
  it('is the end of a reply that stands alone', () => {
    expect(followedTop({ firstTop: 40, firstBottom: 900, end: 900 }, 300)).toBe(600);
  });

  it('is the end of all of them where they fit', () => {
    expect(followedTop({ firstTop: 540, firstBottom: 640, end: 760 }, 300)).toBe(460);
  });

  it('is the first reply where those below it do not fit', () => {
    expect(followedTop({ firstTop: 540, firstBottom: 640, end: 1100 }, 300)).toBe(540);
  });

  it('is the end of the first reply where it alone is higher than the log', () => {
    expect(followedTop({ firstTop: 540, firstBottom: 1000, end: 1500 }, 300)).toBe(700);
  });

  it('is never above the log', () => {
    expect(followedTop({ firstTop: 40, firstBottom: 100, end: 200 }, 300)).toBe(0);
  });
});
