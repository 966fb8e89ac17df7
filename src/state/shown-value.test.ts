import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { number } from '../methods/method.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { hasFilteredValues, settable, shownValue } from './shown-value.ts';

const WEIGHT = number({ min: 0, max: 2, default: 1, help: '' });

function shown(own: string, top = '') {
  const text = `merge_method: linear\nmodels:\n  - model: a\n    parameters: {${own}}\n  - model: b\nparameters: {${top}}\n`;
  return shownValue(parseRecipe(text), 'weight', WEIGHT, 'a');
}

describe('shownValue', () => {
  it('is the default where nothing is written', () => {
    expect(shown('')).toEqual({ value: 1, isWritten: false, varies: false });
  });
  it('is the model’s own value before the recipe’s', () => {
    expect(shown('weight: 0.5', 'weight: 0.2').value).toBe(0.5);
    expect(shown('', 'weight: 0.2').value).toBe(0.2);
  });
  it('varies over a gradient and begins with its first', () => {
    expect(shown('weight: [0.1, 0.9]')).toEqual({ value: 0.1, isWritten: true, varies: true });
  });
  it('is the rest of a filtered list, whichever way the rest is written', () => {
    expect(shown('weight: [{filter: mlp, value: 2}, {value: 0.3}]')).toEqual({
      value: 0.3,
      isWritten: true,
      varies: true,
    });
    expect(shown('weight: [{filter: "*", value: 0.3}]')).toEqual({ value: 0.3, isWritten: true, varies: false });
    expect(shown('weight: [{filter: mlp, value: 2}]')).toEqual({ value: 1, isWritten: false, varies: true });
  });
});

describe('hasFilteredValues', () => {
  it('sees a hand on a part and not a plain value', () => {
    const text = (weight: string) =>
      `merge_method: linear\nmodels:\n  - model: a\n    parameters: {weight: ${weight}}\n`;
    expect(hasFilteredValues(parseRecipe(text('[{filter: mlp, value: 2}]')), 'weight')).toBe(true);
    expect(hasFilteredValues(parseRecipe(text('[{value: 2}]')), 'weight')).toBe(false);
    expect(hasFilteredValues(parseRecipe(text('2')), 'weight')).toBe(false);
  });
});

describe('settable', () => {
  it('leaves out what has no effect', () => {
    const names = settable(METHODS.get('task_arithmetic')?.params ?? {}).map(([name]) => name);
    expect(names).toEqual(['lambda', 'normalize']);
  });
});
