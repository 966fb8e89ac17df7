import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { curveParameters, curveParts, inheritedNumbers, modelsOfTheirOwn, shapeRange } from './curve-targets.ts';

const NAMES = [0, 1].flatMap((layer) =>
  ['self_attn.q_proj', 'mlp.up_proj'].map((rest) => `model.layers.${layer}.${rest}.weight`),
);

const namesOf = (method: string) => {
  const found = METHODS.get(method);
  return found ? curveParameters(found).map(({ name }) => name) : [];
};

describe('curve targets', () => {
  it('are numbers with an order, the handle first', () => {
    expect(namesOf('varm')).toEqual(['share', 'weight', 'temperature']);
    expect(namesOf('della')).toEqual(['weight', 'density', 'epsilon', 'lambda']);
    expect(namesOf('slerp')).toEqual(['t']);
    expect(namesOf('arcee_fusion')).toEqual([]);
  });

  const recipe = parseRecipe(`merge_method: linear
models:
  - model: a
    parameters:
      weight:
        - filter: q_proj
          value: [0, 1]
        - filter: layers.1.
          value: 0.4
        - value: [0.2, 0.6]
  - model: b
parameters:
  weight: [1, 2]
`);
  const parameter = METHODS.get('linear')?.perModel.weight;
  if (parameter?.kind !== 'number') throw new Error('weight is a number');

  it('are over all tensors, modules, and filters for more than one layer', () => {
    expect(curveParts(recipe, 'weight', NAMES).map(({ filter }) => filter)).toEqual([
      null,
      'self_attn',
      'mlp',
      'q_proj',
    ]);
  });

  it('begin from what holds otherwise', () => {
    const from = (model: string | null, filter: string | null) =>
      inheritedNumbers(recipe, { model, name: 'weight', filter }, parameter);
    expect(from('a', 'mlp')).toEqual([0.2, 0.6]);
    expect(from('b', 'mlp')).toEqual([1, 2]);
    expect(inheritedNumbers(recipe, { model: 'a', name: 'other', filter: null }, parameter)).toEqual([1]);
    expect(modelsOfTheirOwn(recipe, 'weight')).toEqual(['a']);
    expect(shapeRange(parameter)).toEqual({ low: 0, high: 1 });
  });
});
