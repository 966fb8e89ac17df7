/** Probabilities in words. */

import { expect, it } from 'vitest';
import { probabilityFigure } from './probability-figure.ts';

it.each([
  [0, '<0.1 %'],
  [0.000_9, '<0.1 %'],
  [0.001, '0.1 %'],
  [0.034, '3.4 %'],
  [0.099_6, '10 %'],
  [0.621, '62 %'],
  [0.995, '99.5 %'],
  [0.997, '99.7 %'],
  [0.999_7, '100 %'],
  [1, '100 %'],
])('%f is %s', (probability, words) => {
  expect(probabilityFigure(probability)).toBe(words);
});
