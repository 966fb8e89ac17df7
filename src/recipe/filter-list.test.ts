import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { filtersOf, moveFilterAbove, placeOfFilter, removeFilter, renameFilter, setEntry } from './filter-list.ts';
import { filterOfModule, filtersInPlaces, layersOf, layerValues, modulesOf, reachOf } from './filter-reach.ts';
import { parseRecipe } from './yaml.ts';

const TEXT = `# mine
merge_method: linear
models:
  - model: a # first
    parameters:
      weight:
        # the MLP of one layer
        - filter: layers.1.mlp
          value: 0.1
        # the MLPs
        - filter: mlp
          value: [0, 1]
        - filter: q_proj
          value: 0.3 # queries
        - value: 1
  - model: b
    parameters:
      weight:
        - filter: mlp
          value: 0.5
  - model: c # the last
`;

const NAMES = [
  'model.embed_tokens.weight',
  ...[0, 1, 2].flatMap((layer) =>
    ['self_attn.q_proj', 'self_attn.k_proj', 'mlp.up_proj', 'post_mlp_norm'].map(
      (rest) => `model.layers.${layer}.${rest}.weight`,
    ),
  ),
];

const weightOf = (text: string, model: number) => parseRecipe(text).models[model]?.parameters.weight;

describe('setEntry', () => {
  it('puts a new filter below those for parts of it, above the others', () => {
    const out = setEntry(TEXT, { model: 'a', name: 'weight', filter: 'layers.1.', values: [0.7] });
    expect(filtersOf(parseRecipe(out), 'weight')).toEqual(['layers.1.mlp', 'layers.1.', 'mlp', 'q_proj']);
    expect(placeOfFilter(['layers.1.mlp', 'q_proj', null, 'mlp.up'], 'mlp')).toBe(1);
    expect(placeOfFilter(['q_proj', null], 'norm', ['q_proj', 'norm'])).toBe(1);
    expect(placeOfFilter(['q_proj', 'up', null], 'norm', ['q_proj', 'norm', 'up'])).toBe(1);
  });

  it('makes a list of a plain value, which stays as the rest', () => {
    const plain = `merge_method: linear\nmodels:\n  - model: a\n    parameters: {weight: 0.4} # mine\n  - model: b\n`;
    const out = setEntry(plain, { model: 'a', name: 'weight', filter: 'mlp', values: [0, 0.25] });
    expect(weightOf(out, 0)).toEqual({
      form: 'filtered',
      entries: [
        { filter: 'mlp', value: [0, 0.25] },
        { filter: null, value: 0.4 },
      ],
    });
    expect(out).toContain('value: [0, 0.25]');
    expect(out).toContain('# mine');
    expect(setEntry(out, { model: 'a', name: 'weight', filter: 'mlp', values: null })).toContain('weight: 0.4');
  });

  it('sets the rest, and the top level', () => {
    const rest = setEntry(TEXT, { model: 'b', name: 'weight', filter: null, values: [0, 2, 0] });
    expect(weightOf(rest, 1)).toEqual({
      form: 'filtered',
      entries: [
        { filter: 'mlp', value: 0.5 },
        { filter: null, value: [0, 2, 0] },
      ],
    });
    const top = setEntry(TEXT, { model: null, name: 'weight', filter: null, values: [0.5, 1] });
    expect(top).toBe(`${TEXT}parameters:\n  weight: [0.5, 1]\n`);
    expect(setEntry(top, { model: null, name: 'weight', filter: null, values: null })).toBe(TEXT);
  });

  it('changes nothing where there is nothing to remove', () => {
    expect(setEntry(TEXT, { model: 'c', name: 'weight', filter: 'mlp', values: null })).toBe(TEXT);
    expect(setEntry(TEXT, { model: 'c', name: 'weight', filter: null, values: null })).toBe(TEXT);
    expect(() => setEntry(TEXT, { model: 'c', name: 'weight', filter: null, values: [Number.NaN] })).toThrow('finite');
  });
});

describe('the filters of all models', () => {
  it('move together, with their comments', () => {
    const out = moveFilterAbove(TEXT, { name: 'weight', filter: 'mlp', above: 'layers.1.mlp' });
    expect(filtersOf(parseRecipe(out), 'weight')).toEqual(['mlp', 'layers.1.mlp', 'q_proj']);
    expect(out).toMatch(/# the MLPs\n\s+- filter: mlp/);
    const back = moveFilterAbove(out, { name: 'weight', filter: 'layers.1.mlp', above: 'mlp' });
    expect(parseRecipe(back)).toEqual(parseRecipe(TEXT));
    // A comment above a list stays above it.
    for (const text of [out, back]) expect(text).toMatch(/weight:\n\s+# the MLP of one layer\n/);
    expect(back).toContain('0.3 # queries');
    expect(moveFilterAbove(TEXT, { name: 'weight', filter: 'layers.1.mlp', above: 'mlp' })).toBe(TEXT);
  });

  it('take other words everywhere, but not those of another', () => {
    const out = renameFilter(TEXT, { name: 'weight', filter: 'mlp', to: 'up_proj' });
    expect(out).toBe(TEXT.replaceAll('filter: mlp', 'filter: up_proj'));
    expect(() => renameFilter(TEXT, { name: 'weight', filter: 'mlp', to: 'q_proj' })).toThrow("'q_proj' already");
    expect(() => renameFilter(TEXT, { name: 'weight', filter: 'mlp', to: '' })).toThrow('needs some text');
    expect(renameFilter(TEXT, { name: 'weight', filter: 'mlp', to: 'mlp' })).toBe(TEXT);
  });

  it('go, and a list of nothing but a rest is a plain value again', () => {
    const out = removeFilter(TEXT, { name: 'weight', filters: ['mlp', 'q_proj', 'layers.1.mlp'] });
    expect(weightOf(out, 0)).toEqual({ form: 'everywhere', value: 1 });
    expect(weightOf(out, 1)).toBeUndefined();
    expect(removeFilter(TEXT, { name: 'weight', filters: ['gone'] })).toBe(TEXT);
  });
});

describe('what a filter reaches', () => {
  const recipe = parseRecipe(TEXT);
  const reach = (model: string, filter: string | null) => reachOf(recipe, { model, name: 'weight', filter }, NAMES);

  it('leaves what entries above it take', () => {
    expect(reach('a', 'mlp')).toEqual({
      found: 6,
      got: 5,
      hidden: [{ by: 'layers.1.mlp', tensors: 1, layers: [1] }],
    });
    expect(reach('b', 'mlp')).toEqual({ found: 6, got: 6, hidden: [] });
    expect(reach('a', 'gone')).toEqual({ found: 0, got: 0, hidden: [] });
    expect(reach('a', null)).toMatchObject({ found: 13, got: 4 });
  });

  it('is what the merge gives each layer', () => {
    const linear = METHODS.get('linear');
    if (!linear) throw new Error('linear is missing');
    const valuesFor = (model: string | null, filter: string | null) =>
      layerValues(
        recipe,
        linear,
        { model, name: 'weight' },
        layersOf(NAMES, filter, filtersInPlaces(recipe, 'weight')),
      ).map(({ layer, value }) => [layer, value]);
    expect(valuesFor('a', 'mlp')).toEqual([
      [0, 0],
      [1, 0.1],
      [1, 0.5],
      [2, 1],
    ]);
    expect(valuesFor('c', 'mlp')).toEqual([0, 1, 2].map((layer) => [layer, 1]));
    expect(valuesFor('a', 'self_attn')).toEqual(
      [0, 1, 2].flatMap((layer) => [
        [layer, 0.3],
        [layer, 1],
      ]),
    );
  });

  it('finds a module by a filter that finds nothing else', () => {
    expect(modulesOf(NAMES)).toEqual(['self_attn', 'mlp', 'post_mlp_norm']);
    expect(filterOfModule('self_attn', NAMES)).toBe('self_attn');
    expect(filterOfModule('mlp', NAMES)).toBe('.mlp.');
  });
});
