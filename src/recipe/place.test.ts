import { describe, expect, it } from 'vitest';
import { placeAt } from './place.ts';

/** The place at the bar, which is taken out first. */
function at(marked: string) {
  const offset = marked.indexOf('|');
  const text = marked.replace('|', '');
  const place = placeAt(text, offset);
  return place && { path: place.path, part: place.part, key: place.key, word: text.slice(place.from, place.to) };
}

const MODELS = 'merge_method: ties\nmodels:\n  - model: a\n    parameters:\n      weight: 1\n';

describe('placeAt', () => {
  it('knows keys and values at the top', () => {
    expect(at('mer|')).toEqual({ path: [], part: 'key', key: 'mer', word: 'mer' });
    expect(at('merge_method: ti|es\n')).toEqual({ path: [], part: 'value', key: 'merge_method', word: 'ties' });
    expect(at('merge_method: |\n')).toEqual({ path: [], part: 'value', key: 'merge_method', word: '' });
    expect(at('merge_me|thod: ties')).toEqual({ path: [], part: 'key', key: 'merge_method', word: 'merge_method' });
    expect(at(`${MODELS}|`)).toEqual({ path: [], part: 'key', key: null, word: '' });
  });

  it('knows entries of lists, and their parameters', () => {
    expect(at('models:\n  - mo|')).toEqual({ path: ['models', 0], part: 'key', key: 'mo', word: 'mo' });
    expect(at('models:\n  - |')).toMatchObject({ path: ['models', 0], part: 'key' });
    expect(at('models:\n- model: x|y')).toEqual({ path: ['models', 0], part: 'value', key: 'model', word: 'xy' });
    expect(at(`${MODELS}      den|`)).toEqual({
      path: ['models', 0, 'parameters'],
      part: 'key',
      key: 'den',
      word: 'den',
    });
    expect(at(`${MODELS}      |`)).toMatchObject({ path: ['models', 0, 'parameters'], part: 'key' });
    expect(at(`${MODELS}    |`)).toMatchObject({ path: ['models', 0], part: 'key' });
    expect(at(`${MODELS}  |`)).toMatchObject({ path: ['models'], part: 'key' });
    expect(at(`${MODELS}parameters:\n  |`)).toMatchObject({ path: ['parameters'], part: 'key' });
  });

  it('knows lists of filters', () => {
    const text = 'models:\n  - model: a\n    parameters:\n      weight:\n        - filter: ml|\n          value: 1\n';
    expect(at(text)).toEqual({
      path: ['models', 0, 'parameters', 'weight', 0],
      part: 'value',
      key: 'filter',
      word: 'ml',
    });
    expect(at('parameters:\n  weight:\n    - filter: a\n      va|')).toMatchObject({
      path: ['parameters', 'weight', 0],
      part: 'key',
      key: 'va',
    });
    expect(at('parameters:\n  weight:\n  - value: |')).toMatchObject({
      path: ['parameters', 'weight', 0],
      part: 'value',
      key: 'value',
    });
  });

  it('knows braces and brackets', () => {
    expect(at('models: [{model: a, mu|}]')).toEqual({ path: ['models', 0], part: 'key', key: 'mu', word: 'mu' });
    expect(at('models:\n  - {model: a, parameters: {weight: |}}')).toMatchObject({
      path: ['models', 0, 'parameters'],
      part: 'value',
      key: 'weight',
      word: '',
    });
    expect(at('parameters: {normalize: tr|ue}')).toMatchObject({
      path: ['parameters'],
      key: 'normalize',
      word: 'true',
    });
    expect(at('parameters: {weight: [0.1, 0|.5]}')).toMatchObject({ part: 'value', word: '0.5' });
  });

  it('looks at the document that the position stands in, and not into comments', () => {
    expect(at('models:\n  - model: a\n---\n  |')).toMatchObject({ path: [] });
    expect(at('dtype: x # a com|ment')).toBeNull();
    expect(at("base_model: 'a # b|'")).toMatchObject({ part: 'value', key: 'base_model' });
    expect(at('  # com|ment')).toBeNull();
  });

  it('names the other keys of the same map', () => {
    const text =
      'merge_method: ties\nmodels:\n  - model: a\n    muted: true\n    \n  - model: b\n    parameters: {}\ndtype: float32\n';
    expect(placeAt(text, text.indexOf('    \n') + 4)?.siblings).toEqual(['muted', 'model']);
    expect(placeAt(text, text.length)?.siblings).toEqual(['dtype', 'models', 'merge_method']);
    expect(placeAt(text, text.indexOf('model: b'))?.siblings).toEqual(['parameters']);
  });

  it('gives a place, or none, anywhere in any text', () => {
    const odd = [
      '',
      ':',
      '- ',
      '-',
      '{',
      '}',
      '[[',
      "'",
      '"',
      'a: b: c',
      '\t- x',
      '- - - a: 1',
      'a:\r\n  b: 1\r\n',
      ' : ',
    ];
    for (const text of odd) for (let i = 0; i <= text.length; i++) expect(() => placeAt(text, i)).not.toThrow();
  });
});
