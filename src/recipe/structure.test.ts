import { describe, expect, it } from 'vitest';
import { modelsNeeded } from './recipe.ts';
import { diagnoseRecipe, parseRecipe } from './yaml.ts';

function problems(text: string): [number, string][] {
  return diagnoseRecipe(text).problems.map(({ line, message }) => [line, message]);
}

function only(text: string): string {
  const all = problems(text);
  expect(all, JSON.stringify(all)).toHaveLength(1);
  return all[0]?.[1] ?? '';
}

const SLERP = `merge_method: slerp
base_model: a
slices:
  - sources:
      - model: a
        layer_range: [0, 4]
      - model: b
        layer_range: [0, 4]
parameters:
  t: 0.5
`;

describe('slices', () => {
  it('are read with their ranges and scopes', () => {
    const recipe = parseRecipe(SLERP.replace('parameters:', '    parameters: {t: 0.1}\nparameters:'));
    expect(recipe.modules).toMatchObject([
      {
        name: null,
        slices: [
          {
            base: null,
            sources: [
              { model: 'a', layers: { from: 0, to: 4 } },
              { model: 'b', layers: { from: 0, to: 4 } },
            ],
            parameters: { t: { form: 'everywhere', value: 0.1 } },
          },
        ],
      },
    ]);
    expect(recipe.models).toEqual([{ model: 'b', parameters: {} }]);
  });

  it.each([
    ['[0, 4]\n      - model: b', '[0, 3]\n      - model: b', 8, 'this one has 4, and the first has 3'],
    ['        layer_range: [0, 4]\n      - model: b', '      - model: b', 5, "no 'layer_range'"],
    ['[0, 4]\n      - model: b', '[4, 0]\n      - model: b', 6, 'holds no layer'],
    ['[0, 4]\n      - model: b', '4\n      - model: b', 6, 'two whole numbers'],
    ['[0, 4]\n      - model: b', '[0, 4.5]\n      - model: b', 6, 'two whole numbers'],
    ['- model: b', '- model: a', 7, 'stands twice in this slice'],
    ['- model: b', '- modl: b', 7, "Did you mean 'model'"],
    ['layer_range: [0, 4]\n      - model: b', 'layer_rnage: [0, 4]\n      - model: b', 6, "Did you mean 'layer_range'"],
    ['  - sources:', '  - residual_weight: 1\n    sources:', 4, 'mergekit reads it and never uses it'],
    ['  - sources:', '  - t: 1\n    sources:', 4, "put it under 'parameters:' of this slice"],
    [
      '      - model: b',
      '      - model: c\n        layer_range: [0, 4]\n      - model: b',
      5,
      'at most 1 model besides the base',
    ],
    ['base_model: a', 'base_model: c', 5, "takes differences from 'c'"],
    ['base_model: a\n', '', 4, "add 'base_model: NAME'"],
    ['parameters:\n', 'models: [{model: a}, {model: b}]\nparameters:\n', 4, 'keep one'],
  ])('refuses %j as %j', (from, to, line, words) => {
    const found = problems(SLERP.replace(from, to));
    expect(
      found.some(([at, message]) => at === line && message.includes(words)),
      JSON.stringify(found),
    ).toBe(true);
  });

  it('may name a base of their own', () => {
    const recipe = parseRecipe(
      SLERP.replace('base_model: a\n', '').replace('  - sources:', '  - base_model: b\n    sources:'),
    );
    expect(recipe.modules?.[0]?.slices[0]?.base).toBe('b');
  });

  it('must not be empty', () => {
    expect(only('merge_method: linear\nslices: []')).toContain('empty');
    expect(only('merge_method: linear\nslices: [{sources: []}]')).toContain("no 'sources'");
  });
});

describe('modules', () => {
  it('have models or slices, with a base added where the method blends with one', () => {
    const recipe = parseRecipe(
      'merge_method: ties\nbase_model: base\nmodules:\n  text_decoder: {models: [{model: a}, {model: b}]}\n  vision: {slices: [{sources: [{model: base, layer_range: [0, 1]}, {model: a, layer_range: [0, 1]}]}]}\n',
    );
    expect(recipe.modules?.map(({ name }) => name)).toEqual(['text_decoder', 'vision']);
    expect(recipe.modules?.[0]?.slices[0]?.sources.map(({ model, layers }) => [model, layers])).toEqual([
      ['base', null],
      ['a', null],
      ['b', null],
    ]);
    expect(only('merge_method: linear\nmodules: {default: {parameters: {weight: 1}}}')).toContain(
      "either 'models' or 'slices'",
    );
  });
});

describe('tokenizer and template', () => {
  const BASE = 'merge_method: linear\nmodels: [{model: a}, {model: b}]\n';

  it('are read in every form', () => {
    expect(parseRecipe(`${BASE}tokenizer_source: union`).tokenizer).toEqual({
      source: { kind: 'union' },
      tokens: [],
      padToMultipleOf: null,
    });
    const text = `${BASE}tokenizer:
  source: base
  pad_to_multiple_of: 64
  tokens:
    <|im_end|>: {source: a, force: true}
    x: {source: {kind: model_token, model: b, token: y}}
    z: {source: {kind: zero}}
    n: {source: {kind: model_token, model: b, token_id: 3}}
`;
    expect(parseRecipe(text).tokenizer).toEqual({
      source: { kind: 'base' },
      padToMultipleOf: 64,
      tokens: [
        { token: '<|im_end|>', source: { kind: 'model', model: 'a' }, force: true },
        { token: 'x', source: { kind: 'model_token', model: 'b', token: 'y' }, force: false },
        { token: 'z', source: { kind: 'zero' }, force: false },
        { token: 'n', source: { kind: 'model_token', model: 'b', token: 3 }, force: false },
      ],
    });
    expect(modelsNeeded(parseRecipe(`${BASE}tokenizer_source: c`))).toEqual(['a', 'b', 'c']);
    expect(parseRecipe(`${BASE}chat_template: chatml`).chatTemplate).toBe('chatml');
  });

  it.each([
    ['tokenizer_source: [union]', 'union, base or the name of a model'],
    ['tokenizer_source: Union', "Did you mean 'union'"],
    ['tokenizer_source: union\ntokenizer: {source: union}', 'not both'],
    ['tokenizer: {sources: union}', "Did you mean 'source'"],
    ['tokenizer: {tokens: {x: {}}}', "no 'source'"],
    ['tokenizer: {tokens: {x: {source: {kind: model_tokn, model: a, token: y}}}}', "Did you mean 'model_token'"],
    ['tokenizer: {tokens: {x: {source: {kind: model_token, model: a}}}}', "either a 'token' or a 'token_id'"],
    ['tokenizer: {tokens: {x: {source: a, forced: true}}}', "Did you mean 'force'"],
    ['tokenizer: {pad_to_multiple_of: 0}', 'whole number'],
    ['chat_template: chatlm', "Did you mean 'chatml'"],
    ['chat_template: short', 'Jinja'],
  ])('refuses %s', (line, words) => {
    expect(only(`${BASE}${line}`)).toContain(words);
  });
});

describe('several recipes', () => {
  const one = 'name: one\nmerge_method: linear\nmodels: [{model: a}, {model: b}]\n';
  const two = 'name: two\nmerge_method: slerp\nbase_model: one\nmodels: [{model: c}]\nparameters: {t: 0.5}\n';
  const end = 'merge_method: ties\nbase_model: a\nmodels: [{model: one}, {model: two}]\n';

  it('are ordered by need, wherever they stand', () => {
    const recipe = parseRecipe(`${end}---\n${two}---\n${one}`);
    expect(recipe.method).toBe('ties');
    expect(recipe.stages?.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(modelsNeeded(recipe)).toEqual(['a', 'b', 'c']);
  });

  it('take the one that no other needs for the result, where all have names', () => {
    expect(parseRecipe(`---\n${one}---\n${two}`).name).toBe('two');
    expect(parseRecipe(`---\n${one}`).stages).toBeUndefined();
  });

  it('name the line of what is wrong in any of them', () => {
    const text = `${one}---\n# second\n${two.replace('t: 0.5', 'tt: 0.5')}`;
    expect(problems(text)).toEqual([[10, expect.stringContaining("'tt' is not a parameter of slerp")]]);
  });

  it.each([
    [`${one}---\n${one.replace('name: one', 'name: two').replace('model: a', 'model: two2')}`, 'must have one result'],
    [`${one}---\n${one}`, 'Two recipes are called'],
    [`${one.replace('name: one\n', '')}---\n${end}`, "More than one recipe has no 'name'"],
    [`${one.replace('model: a', 'model: two')}---\n${two}`, "'one' needs 'two' needs 'one'"],
    [`${one}---\n${two}---\nmerge_method: linear\nmodels: [{model: one}]\n`, "No recipe uses the result of 'two'"],
    [one.replace('model: b', 'model: one').concat('---\n', end), "'one' needs 'one'"],
  ])('refuse %#', (text, words) => {
    expect(
      problems(text)
        .map(([, message]) => message)
        .join('\n'),
    ).toContain(words);
  });
});
