/** Another method for a recipe: what stays, what goes, what has to be asked first. Everything that comes out can be read. */

import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { diagnoseRecipe, newRecipe, parseRecipe } from '../recipe/yaml.ts';
import { droppedParameters, fullObstacle, switchQuestion, withMethod } from './method-switch.ts';
import { afterClosing, afterOpening, withBase, withModel } from './recipe-edits.ts';

const OPEN = ['base', 'a', 'b', 'c'];
const method = (name: string): Method => {
  const found = METHODS.get(name);
  if (!found) throw new Error(`${name} is missing`);
  return found;
};
const models = (recipe: Recipe) => recipe.models.map((own) => own.model);
const VARM = newRecipe({ method: 'varm', base: 'base', models: ['a', 'b', 'c'] });
const LINEAR = newRecipe({ method: 'linear', base: null, models: ['a', 'base', 'b'] });

describe('a switch', () => {
  it.each([...METHODS.keys()])('from any recipe to %s ends in one that can be read', (name) => {
    for (const text of [VARM, LINEAR, newRecipe({ method: 'slerp', base: 'base', models: ['b'] })]) {
      const recipe = parseRecipe(text);
      if (recipe.method === name) continue;
      const question = switchQuestion(recipe, method(name), OPEN);
      const chosen = question?.proposed ?? null;
      if (question) {
        expect(chosen?.length).toBeGreaterThanOrEqual(question.least);
        expect(question.sentence).toContain(method(name).title);
      }
      const after = withMethod(text, recipe, method(name), OPEN, chosen);
      const { recipe: read, problems } = diagnoseRecipe(after);
      expect(problems).toEqual([]);
      expect(read?.method).toBe(name);
      if (method(name).base === 'required') expect(read?.base).toBe('base');
      expect(read && models(read)).not.toContain(read?.base);
    }
  });

  it('keeps weights, drops what the new method does not have, and says so', () => {
    const text =
      'merge_method: ties\nbase_model: base\nmodels:\n  - model: a\n    parameters: {weight: 0.3, density: 0.5}\n  - model: b\nparameters: {lambda: 0.9}\n';
    const recipe = parseRecipe(text);
    expect(droppedParameters(recipe, method('linear')).sort()).toEqual(['density', 'lambda']);
    expect(droppedParameters(recipe, method('dare_ties'))).toEqual([]);
    const after = parseRecipe(withMethod(text, recipe, method('linear'), OPEN));
    expect(after.models[0]?.parameters).toEqual({ weight: { form: 'everywhere', value: 0.3 } });
    expect(after.parameters).toEqual({});
  });

  it('takes a base from among the models where one is needed and none is named', () => {
    const after = parseRecipe(withMethod(LINEAR, parseRecipe(LINEAR), method('ties'), OPEN));
    expect([after.base, models(after)]).toEqual(['base', ['a', 'b']]);
  });

  it('asks which model, where the recipe has more than the method takes, and proposes the first', () => {
    const question = switchQuestion(parseRecipe(VARM), method('slerp'), OPEN);
    expect(question).toMatchObject({ candidates: ['a', 'b', 'c'], proposed: ['a'], least: 1, most: 1 });
    expect(question?.sentence).toBe('SLERP takes one model beside the base, base.');
    expect(switchQuestion(parseRecipe(VARM), method('nuslerp'), OPEN)).toMatchObject({
      proposed: ['a', 'b'],
      sentence: 'NuSLERP takes exactly two models beside the base, base.',
    });
    expect(switchQuestion(parseRecipe(VARM), method('ties'), OPEN)).toBeNull();
  });

  it('offers other open checkpoints where the recipe has too few, and none where none are open', () => {
    const slerp = parseRecipe(newRecipe({ method: 'slerp', base: 'base', models: ['b'] }));
    expect(switchQuestion(slerp, method('karcher'), OPEN)).toMatchObject({
      candidates: ['b', 'a', 'c'],
      proposed: ['b', 'a'],
    });
    expect(switchQuestion(slerp, method('karcher'), ['base', 'b'])).toMatchObject({ candidates: ['b'], least: 2 });
  });

  it('asks nothing about slices, which are text', () => {
    const sliced: Recipe = { ...parseRecipe(VARM), modules: [] };
    expect(switchQuestion(sliced, method('slerp'), OPEN)).toBeNull();
  });
});

describe('models in and out under a method that takes one', () => {
  const text = newRecipe({ method: 'slerp', base: 'base', models: ['a'] });
  const recipe = parseRecipe(text);

  it('another takes its place', () => {
    expect(models(parseRecipe(withModel(text, recipe, 'b', true)))).toEqual(['b']);
    expect(fullObstacle(recipe, method('slerp'))).toBeNull();
  });

  it('base and model change places; a third as the base leaves the model', () => {
    const swapped = parseRecipe(withBase(text, recipe, 'a'));
    expect([swapped.base, models(swapped)]).toEqual(['a', ['base']]);
    const other = parseRecipe(withBase(text, recipe, 'c'));
    expect([other.base, models(other)]).toEqual(['c', ['a']]);
  });

  it('what is opened later does not come in, and what is closed leaves a recipe that can be read', () => {
    expect(afterOpening(text, recipe, ['base', 'a', 'b'], ['b'])).toBe(text);
    const karcher = newRecipe({ method: 'karcher', base: null, models: ['a', 'b'] });
    const closed = afterClosing(karcher, parseRecipe(karcher), ['a', 'base'], 'b');
    expect(diagnoseRecipe(closed).problems).toEqual([]);
  });

  it('a full recipe says what has to be done first', () => {
    const full = parseRecipe(newRecipe({ method: 'nuslerp', base: 'base', models: ['a', 'b'] }));
    expect(fullObstacle(full, method('nuslerp'))).toBe('NuSLERP takes exactly two models; take one out first.');
    expect(withModel('x', full, 'c', true)).toBe('x');
  });
});
