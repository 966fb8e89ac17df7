import { describe, expect, it } from 'vitest';
import { placeBeside } from './tour-place.ts';

const BOX = { width: 300, height: 150 };
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

describe('the place of the box', () => {
  it('is right of what it is about', () => {
    expect(placeBeside({ top: 50, left: 0, width: 320, height: 700 }, BOX, WIDE)).toEqual({ top: 50, left: 332 });
  });

  it('is left of it where there is no room on the right', () => {
    expect(placeBeside({ top: 500, left: 900, width: 380, height: 300 }, BOX, WIDE)).toEqual({ top: 500, left: 588 });
  });

  it('is below or above it on a phone, and at the foot where it fills the window', () => {
    expect(placeBeside({ top: 20, left: 10, width: 370, height: 200 }, BOX, PHONE)).toEqual({ top: 232, left: 12 });
    expect(placeBeside({ top: 500, left: 10, width: 370, height: 340 }, BOX, PHONE)).toEqual({ top: 338, left: 12 });
    expect(placeBeside({ top: 0, left: 0, width: 390, height: 844 }, BOX, PHONE)).toEqual({ top: 682, left: 45 });
    expect(placeBeside(null, BOX, PHONE)).toEqual({ top: 682, left: 45 });
  });

  it('is always in the window', () => {
    for (const top of [-500, -10, 0, 300, 790, 2000]) {
      for (const left of [-400, 0, 600, 1270, 3000]) {
        const at = placeBeside({ top, left, width: 200, height: 300 }, BOX, WIDE);
        expect(at.top).toBeGreaterThanOrEqual(0);
        expect(at.top + BOX.height).toBeLessThanOrEqual(WIDE.height);
        expect(at.left).toBeGreaterThanOrEqual(0);
        expect(at.left + BOX.width).toBeLessThanOrEqual(WIDE.width);
      }
    }
  });
});
