import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { METHODS } from '../methods/index.ts';
import { modelCard } from './card.ts';
import { mergekitCommand } from './mergekit-command.ts';
import { heardRecipe } from './muted.ts';
import { modelsNeeded } from './recipe.ts';
import { diagnoseRecipe, parseRecipe, setMuted } from './yaml.ts';

const TEXT = `merge_method: varm
base_model: base
models:
  - model: a # the first
    muted: true
    parameters:
      share: 0.5
  - model: b
  - model: c
    muted: false
`;

function messages(text: string): string[] {
  return diagnoseRecipe(text).problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

describe('muted in a recipe', () => {
  it('is read, and keeps the settings of its model', () => {
    const recipe = parseRecipe(TEXT);
    expect(recipe.models.map(({ model, isMuted }) => [model, isMuted ?? false])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ]);
    expect(recipe.models[0]?.parameters.share).toBeDefined();
  });

  it('is true or false, and says so', () => {
    expect(messages(TEXT.replace('true', 'yes'))).toEqual([
      "5:12 'muted' must be true or false, and this says 'yes'. Did you mean 'true'?",
    ]);
    expect(messages(TEXT.replace('muted: true', 'mutd: true'))[0]).toContain("Did you mean 'muted'?");
    expect(messages(TEXT.replace('true', ''))).toEqual([]);
  });

  it('is refused at the base, and where layers are made of the entry', () => {
    expect(messages(TEXT.replace('- model: c', '- model: base').replace('false', 'true'))).toEqual([
      "10:12 'base' is the base, and the base cannot be muted; remove 'muted' here.",
    ]);
    // A method without a base blends it like any other model.
    expect(messages('merge_method: linear\nbase_model: a\nmodels: [{model: a, muted: true}, {model: b}]\n')).toEqual(
      [],
    );
    const slices =
      'merge_method: passthrough\nslices:\n  - sources:\n      - model: a\n        muted: true\n        layer_range: [0, 1]\n';
    expect(messages(slices)).toEqual([expect.stringMatching(/^5:9 .*cannot be muted/)]);
    const modules =
      'merge_method: linear\nmodules:\n  text:\n    models:\n      - model: a\n        muted: true\n      - model: b\n';
    expect(messages(modules)).toEqual([expect.stringMatching(/^6:9 .*cannot be muted/)]);
  });

  it('counts for the least that a method takes, and not for the most', () => {
    const slerp = 'merge_method: slerp\nbase_model: a\nparameters: {t: 0.5}\nmodels:\n  - model: b\n  - model: c\n';
    expect(messages(slerp)).toEqual([expect.stringContaining('at most')]);
    expect(messages(slerp.replace('model: c', 'model: c\n    muted: true'))).toEqual([]);
    expect(messages(slerp.replaceAll(/model: ([bc])/g, 'model: $1\n    muted: true'))).toEqual([]);
  });
});

describe('heardRecipe', () => {
  it('leaves muted models out and names them', () => {
    const heard = heardRecipe(parseRecipe(TEXT));
    expect(heard.models.map(({ model }) => model)).toEqual(['b', 'c']);
    expect(heard.muted).toEqual(['a']);
    expect(heardRecipe(heard)).toBe(heard);
    expect(modelsNeeded(parseRecipe(TEXT))).toEqual(['base', 'b', 'c']);
  });

  it('is the recipe itself where nothing is muted', () => {
    const recipe = parseRecipe(TEXT.replace('true', 'false'));
    expect(heardRecipe(recipe)).toBe(recipe);
  });

  it('needs no stage whose result only a muted model would have used, nor what that stage needs', () => {
    const text = `name: inner
merge_method: linear
models: [{model: a}]
---
name: middle
merge_method: linear
models: [{model: inner}, {model: b}]
---
name: other
merge_method: linear
models: [{model: c}, {model: d, muted: true}]
---
merge_method: linear
models:
  - model: middle
    muted: true
  - model: other
`;
    const recipe = parseRecipe(text);
    expect(recipe.stages?.map(({ name }) => name)).toEqual(['inner', 'middle', 'other']);
    const heard = heardRecipe(recipe);
    expect(heard.stages?.map(({ name, muted }) => [name, muted])).toEqual([['other', ['d']]]);
    expect(modelsNeeded(recipe)).toEqual(['c']);
    expect(
      heardRecipe(parseRecipe(text.replace('model: other', 'model: e').replace(/name: other[^]*?---\n/, ''))).stages,
    ).toBe(undefined);
  });
});

describe('setMuted', () => {
  it('mutes several models in one edit, and changes nothing else', () => {
    const out = setMuted(TEXT, ['b', 'c'], true);
    expect(out).toBe(
      TEXT.replace('- model: b\n', '- model: b\n    muted: true\n').replace('muted: false', 'muted: true'),
    );
    expect(setMuted(out, ['a', 'b', 'c'], false)).toBe(
      TEXT.replace('    muted: true\n', '').replace('    muted: false\n', ''),
    );
  });

  it('returns the very same text where nothing changes', () => {
    expect(setMuted(TEXT, ['a'], true)).toBe(TEXT);
    expect(setMuted(TEXT, ['b'], false)).toBe(TEXT);
    expect(setMuted(TEXT, [], true)).toBe(TEXT);
  });

  it('keeps braces, comments and Windows line ends', () => {
    const flow = 'merge_method: linear\nmodels: [{model: a}, {model: b}] # two\n';
    expect(setMuted(flow, ['a'], true)).toBe(
      'merge_method: linear\nmodels: [{model: a, muted: true}, {model: b}] # two\n',
    );
    expect(setMuted(setMuted(flow, ['a'], true), ['a'], false)).toBe(flow);
    const windows = TEXT.replaceAll('\n', '\r\n');
    expect(setMuted(windows, ['a'], false)).toBe(windows.replace('    muted: true\r\n', ''));
  });

  it('keeps the comments above and below the line that it removes', () => {
    const commented = TEXT.replace('    muted: true\n', '    # too loud\n    muted: true\n    # its share\n');
    expect(setMuted(commented, ['a'], false)).toBe(commented.replace('    muted: true\n', ''));
    const last = TEXT.replace(
      '    muted: false\n',
      '    # the last word\n    muted: true\n    # after it\n# the end\n',
    );
    const out = setMuted(last, ['c'], false);
    for (const comment of ['# the last word', '# after it', '# the end']) expect(out).toContain(comment);
  });

  it('refuses the base, and models that the recipe does not list', () => {
    expect(() => setMuted(TEXT, ['base'], true)).toThrow("'base' is the base");
    expect(() => setMuted(TEXT, ['b', 'nobody'], true)).toThrow('nobody');
  });
});

describe('muted models elsewhere', () => {
  const LINEAR = `merge_method: linear
models:
  - model: a
    muted: true
  - model: b
  - model: c
    muted: false
`;

  it('are left out of what mergekit is given, with a line that says so', () => {
    const made = mergekitCommand(LINEAR);
    if ('obstacle' in made) throw new Error(made.obstacle);
    expect(made.recipe.startsWith('# Left out, as muted in Fusewright: a\n')).toBe(true);
    expect(parse(made.recipe).models).toEqual([{ model: 'b' }, { model: 'c' }]);
    const heard = mergekitCommand(LINEAR.replace('    muted: true\n', ''));
    expect('recipe' in heard && heard.recipe).not.toContain('#');
  });

  it('make an obstacle where too few are left for mergekit', () => {
    const made = mergekitCommand(
      'merge_method: slerp\nbase_model: b\nmodels: [{model: a, muted: true}]\nparameters: {t: 0.5}\n',
    );
    expect(made).toEqual({ obstacle: 'Without a, which is muted, slerp has too few models; unmute one first.' });
  });

  it('are named in the model card as no part of the merge', () => {
    const method = METHODS.get('linear');
    if (!method) throw new Error('linear is missing');
    const card = modelCard({
      name: 'merge',
      recipe: heardRecipe(parseRecipe(LINEAR)),
      recipeText: LINEAR,
      method,
      parents: [{ name: 'b' }, { name: 'c' }],
      version: '1',
      outDtype: null,
      mergedTensors: 1,
    });
    expect(card).toContain('- `b`\n- `c`\n\nMuted in the recipe, and no part of this merge: `a`.\n');
  });
});
