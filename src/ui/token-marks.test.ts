/** Tokens found in the text that they wrote. */

import { expect, it } from 'vitest';
import { tokenSpan } from './token-marks.ts';

const tokens = (...texts: string[]) => texts.map((text, token) => ({ token, text, probability: 1, alternatives: [] }));

it('finds a token behind those before it', () => {
  expect(tokenSpan('the cat sat', tokens('the', ' cat', ' sat'), 1)).toEqual({ start: 3, end: 7 });
});

it('finds it where the text lacks the first blank', () => {
  const said = tokens(' the', ' cat');
  expect(tokenSpan('the cat', said, 0)).toEqual({ start: 0, end: 3 });
  expect(tokenSpan('the cat', said, 1)).toEqual({ start: 3, end: 7 });
});

it('finds nothing where the text does not hold it', () => {
  expect(tokenSpan('the', tokens('the', ' cat'), 1)).toBeNull();
  expect(tokenSpan('the', tokens('the'), 1)).toBeNull();
  expect(tokenSpan('the', tokens('', 'the'), 0)).toBeNull();
});
