import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { explainAt } from './explain.ts';
import { RECIPE_KEYS } from './recipe.ts';
import { keyHelp } from './key-help.ts';
import { suggestAt } from './suggest.ts';
import { keysAt } from './unknown-key.ts';
import { parseRecipe } from './yaml.ts';

const OPEN = { models: ['base', 'my tune', 'b: c'], filters: ['model.layers.0.', 'model.layers.0.mlp.'] };

function labels(marked: string): string[] {
  const offset = marked.indexOf('|');
  return suggestAt(marked.replace('|', ''), offset, OPEN)?.options.map(({ label }) => label) ?? [];
}

/** The text after the suggestion with this label was taken at the bar. */
function taken(marked: string, label: string): string {
  const offset = marked.indexOf('|');
  const text = marked.replace('|', '');
  const found = suggestAt(text, offset, OPEN);
  const option = found?.options.find((own) => own.label === label);
  if (!found || !option) throw new Error(`${label} is not suggested`);
  return text.slice(0, found.from) + option.text + text.slice(found.to);
}

describe('suggestAt', () => {
  it('suggests the keys of a recipe that are not there yet', () => {
    expect(labels('|')).toEqual([...RECIPE_KEYS]);
    expect(labels('merge_method: ties\nm|')).toEqual(RECIPE_KEYS.filter((key) => key !== 'merge_method'));
    expect(taken('mer|', 'merge_method')).toBe('merge_method: ');
    expect(taken('mod|', 'models')).toBe('models:');
    expect(taken('mer|: ties', 'merge_method')).toBe('merge_method: ties');
  });

  it('suggests every method with its summary', () => {
    const found = suggestAt('merge_method: ', 14, OPEN);
    expect(found?.options.map(({ label, help }) => [label, help])).toEqual(
      [...METHODS.values()].map(({ name, summary }) => [name, summary]),
    );
    expect(taken('merge_method: ti|es # x', 'linear')).toBe('merge_method: linear # x');
  });

  it('suggests the parameters of the chosen method, those of one model in its entry', () => {
    for (const method of METHODS.values()) {
      const known = (parameters: object) =>
        Object.entries(parameters).flatMap(([name, p]) => ((p as { kind: string }).kind === 'ignored' ? [] : [name]));
      const top = labels(`merge_method: ${method.name}\nparameters:\n  |`);
      expect(top).toEqual([...known(method.params), ...known(method.perModel)]);
      expect(labels(`merge_method: ${method.name}\nmodels:\n  - model: a\n    parameters:\n      |`)).toEqual(
        known(method.perModel),
      );
    }
    expect(labels('merge_method: nonsense\nparameters:\n  |')).toEqual([]);
    const second = 'merge_method: linear\nmodels: []\n---\nmerge_method: slerp\nparameters:\n  |';
    expect(labels(second)).toContain('t');
  });

  it('suggests values: options with their help, switches, defaults', () => {
    const granularity = METHODS.get('varm')?.params.granularity;
    expect(granularity?.kind).toBe('choice');
    expect(labels('merge_method: varm\nparameters:\n  granularity: |')).toEqual(
      granularity?.kind === 'choice' ? [...granularity.options] : [],
    );
    expect(labels('merge_method: ties\nparameters: {normalize: |}')).toEqual(['true', 'false']);
    expect(labels('merge_method: ties\nparameters:\n  weight:\n    - value: |')).toEqual(['1']);
    expect(labels('models:\n  - model: a\n    muted: |')).toEqual(['true', 'false']);
    expect(labels('dtype: |')).toEqual(['float32', 'float16', 'bfloat16']);
    expect(labels('tokenizer_source: |')).toEqual(['union', 'base', ...OPEN.models]);
    expect(labels('chat_template: |')).toContain('chatml');
  });

  it('suggests what is open: models, and filters from the map', () => {
    expect(labels('base_model: |')).toEqual(OPEN.models);
    expect(labels('models:\n  - model: base\n  |')).toEqual(['- model: my tune', '- model: b: c']);
    const filtered = 'merge_method: ties\nmodels:\n  - model: a\n    parameters:\n      weight:\n        - filter: |\n';
    expect(labels(filtered)).toEqual(OPEN.filters);
    const written = taken('merge_method: linear\nmodels:\n  - model: |\n', 'b: c');
    expect(parseRecipe(written).models[0]?.model).toBe('b: c');
  });

  it('suggests nothing in comments and where nothing is known', () => {
    for (const place of [
      '# |',
      'dtype: float32 # |',
      'name: |',
      'parameters:\n  |',
      'slices:\n  - sources:\n      - layer_range: |',
    ])
      expect(labels(place)).toEqual([]);
  });

  it('has a sentence for every key', () => {
    const paths = [
      [],
      ['models', 0],
      ['slices', 0],
      ['slices', 0, 'sources', 0],
      ['modules', 'text'],
      ['tokenizer'],
      ['tokenizer', 'tokens', 'x'],
    ];
    for (const path of paths) for (const key of keysAt(path)) expect(keyHelp(key), key).toMatch(/\.$/);
  });
});

describe('explainAt', () => {
  const TEXT =
    'merge_method: varm\nmodels:\n  - model: a\n    parameters:\n      weight: 1\nparameters:\n  granularity: row\n';
  const help = (word: string) => {
    const found = explainAt(TEXT, TEXT.indexOf(word) + 1);
    return found && { word: TEXT.slice(found.from, found.to), title: found.title, text: found.text };
  };

  it('says what keys, parameters, methods and options are', () => {
    const varm = METHODS.get('varm');
    expect(help('merge_method')).toEqual({
      word: 'merge_method',
      title: 'merge_method',
      text: keyHelp('merge_method'),
    });
    expect(help('varm')).toEqual({ word: 'varm', title: varm?.title, text: varm?.summary });
    expect(help('weight')?.text).toContain(varm?.perModel.weight?.help);
    const granularity = varm?.params.granularity;
    expect(help('row')?.text).toBe(granularity?.kind === 'choice' ? granularity.optionHelp.row : 'none');
    expect(help('a\n')).toBeNull();
  });
});
