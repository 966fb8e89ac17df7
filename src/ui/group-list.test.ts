import { describe, expect, it } from 'vitest';
import { parseRecipe } from '../recipe/yaml.ts';
import { filterOrder, filterWords, groupsOf, suggestedFilters } from './group-list.ts';

const NAMES = [
  'model.embed_tokens.weight',
  ...[0, 1, 10].flatMap((layer) =>
    ['self_attn.q_proj', 'mlp.up_proj'].map((rest) => `model.layers.${layer}.${rest}.weight`),
  ),
  'lm_head.weight',
];

const RECIPE = parseRecipe(`merge_method: linear
models:
  - model: a
    parameters:
      weight:
        - filter: model.layers.1.mlp.
          value: 0.1
        - filter: q_proj
          value: 0.3
        - filter: mlp
          value: [0, 1]
        - value: 1
  - model: b
    parameters:
      weight:
        - filter: mlp
          value: 0.5
parameters:
  weight:
    - filter: lm_head
      value: 2
`);

const groups = (typed: readonly string[] = []) =>
  groupsOf(RECIPE, 'weight', true, filterOrder(RECIPE, 'weight', typed), NAMES);

describe('groups', () => {
  it('are the filters of all models in their order, with everybody’s values', () => {
    expect(groups().map(({ filter, found, isCell }) => [filter, found, isCell])).toEqual([
      ['lm_head', 1, false],
      ['model.layers.1.mlp.', 1, true],
      ['q_proj', 3, false],
      ['mlp', 3, false],
    ]);
    expect(groups().find(({ filter }) => filter === 'mlp')?.values).toEqual([
      { model: 'a', value: [0, 1] },
      { model: 'b', value: 0.5 },
    ]);
    expect(
      groups()
        .find(({ filter }) => filter === 'lm_head')
        ?.values.at(-1),
    ).toEqual({ model: null, value: 2 });
  });

  it('can rise where a list has them below the group above', () => {
    expect(groups().map(({ filter, canRise }) => [filter, canRise])).toEqual([
      ['lm_head', false],
      ['model.layers.1.mlp.', false],
      ['q_proj', false],
      ['mlp', true],
    ]);
  });

  it('say whose tensors are decided above', () => {
    expect(groups().find(({ filter }) => filter === 'mlp')?.hidden).toEqual([
      'a: The first match in the list decides: 1 of its 3 tensors go by what stands above, “model.layers.1.mlp.” in layer 1.',
    ]);
  });

  it('have a place before they are written', () => {
    expect(groups(['up_proj'])[0]).toMatchObject({ filter: 'up_proj', found: 3, isCell: false, canRise: false });
    // `layers.1.` is a part of the cell's name, which stays above it.
    expect(
      groups(['layers.1.'])
        .map(({ filter }) => filter)
        .slice(1, 3),
    ).toEqual(['model.layers.1.mlp.', 'layers.1.']);
  });
});

describe('words for new groups', () => {
  it('are suggested from the models', () => {
    expect(suggestedFilters(NAMES)).toEqual([
      'self_attn',
      'mlp',
      'q_proj',
      'up_proj',
      'embed_tokens',
      'lm_head',
      'layers.0.',
      'layers.1.',
      'layers.10.',
    ]);
    for (const filter of suggestedFilters(NAMES)) expect(NAMES.some((name) => name.includes(filter))).toBe(true);
  });

  it('are no list of all tensors where a model has a hundred thousand names of their own', () => {
    const flat = Array.from({ length: 5000 }, (_, i) => `tensor_${i}`);
    const deep = Array.from({ length: 5000 }, (_, i) => `h.${i}.mlp.weight`);
    expect(suggestedFilters([...flat, ...deep])).toHaveLength(1 + 400 + 400);
  });

  it('are counted while they are typed', () => {
    expect(filterWords('q_proj', NAMES)).toBe('Finds 3 tensors.');
    expect(filterWords('lm_head', NAMES)).toBe('Finds 1 tensor.');
    expect(filterWords('q_porj', NAMES)).toBe('No tensor has “q_porj” in its name; did you mean q_proj?');
    expect(filterWords('zzzzzz', NAMES)).toBe('No tensor has “zzzzzz” in its name.');
  });
});
