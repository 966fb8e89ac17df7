/** Which word someone most likely meant. */

import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { nearest } from './nearest.ts';

describe('the nearest word', () => {
  it.each([
    ['vram', 'varm'],
    ['tie', 'ties'],
    ['dare-ties', 'dare_ties'],
    ['breadcrums', 'breadcrumbs'],
    ['slrep', 'slerp'],
    ['pass_through', 'passthrough'],
  ])('of the methods to %s is %s, letters in another order before letters left out', (typed, meant) => {
    expect(nearest(typed, METHODS.keys())).toBe(meant);
  });

  it('of nothing alike is none', () => {
    expect(nearest('quux', METHODS.keys())).toBeNull();
  });
});
