import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { METHODS } from '../methods/index.ts';
import { type MergekitCommand, mergekitCommand } from './mergekit-command.ts';
import { AFTER_0_1_4 } from './mergekit.ts';
import { newRecipe } from './new-recipe.ts';

function made(text: string): MergekitCommand {
  const result = mergekitCommand(text);
  if ('obstacle' in result) throw new Error(result.obstacle);
  return result;
}

function obstacle(text: string): string {
  const result = mergekitCommand(text);
  return 'obstacle' in result ? result.obstacle : '';
}

describe('a recipe for mergekit', () => {
  it('says what mergekit insists on, and keeps what it ignores', () => {
    const { recipe, command } = made(
      'merge_method: ties\nbase_model: base\nmodels: [{model: a, parameters: {density: 0.5}}, {model: b}]\nparameters: {int8_mask: true}\nout_dtype: bfloat16\n',
    );
    expect(parse(recipe)).toEqual({
      merge_method: 'ties',
      base_model: 'base',
      models: [{ model: 'a', parameters: { density: 0.5 } }, { model: 'b' }],
      parameters: { int8_mask: true, weight: 1 },
      dtype: 'float32',
      out_dtype: 'bfloat16',
    });
    expect(command).toBe('mergekit-yaml recipe.yml ./merged');
  });

  it('completes a list of filters, and writes nothing over what is said', () => {
    const { recipe } = made(
      'merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: [{filter: mlp, value: 2}]}\n',
    );
    expect(parse(recipe).parameters.weight).toEqual([{ filter: 'mlp', value: 2 }, { value: 1 }]);
    const whole = made('merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: [{value: 2}]}\n').recipe;
    expect(parse(whole).parameters.weight).toEqual([{ value: 2 }]);
  });

  it('moves a seed to the command line, leaves defaults of ours out, and refuses the rest by name', () => {
    const random = [...METHODS.values()].find(({ params, inMergekit }) => inMergekit && Object.hasOwn(params, 'seed'));
    if (!random) throw new Error('no method with a seed');
    const text = newRecipe({ method: random.name, base: 'base', models: ['a'] });
    const { command, recipe } = made(`${text.replace(/^parameters:[^]*/m, '')}parameters: {seed: 7}\n`);
    expect(command).toContain('--random-seed 7');
    expect(recipe).not.toContain('seed');
    const own = [...METHODS.values()].flatMap((method) =>
      method.inMergekit && !AFTER_0_1_4.has(method.name)
        ? Object.entries(method.params).flatMap(([name, p]) =>
            p.kind === 'choice' && p.options.length > 1 ? [{ method, name, p }] : [],
          )
        : [],
    );
    for (const { method, name, p } of own) {
      const other = p.options.find((option) => option !== p.default);
      const models = ['a', 'b', 'c'].slice(0, Math.max(1, method.models.min));
      const base = newRecipe({ method: method.name, base: 'base', models }).replace(/^parameters:[^]*/m, '');
      expect(obstacle(`${base}parameters: {${name}: ${other}}\n`)).toContain(`has no '${name}'`);
      expect(made(`${base}parameters: {${name}: ${p.default}}\n`).recipe).not.toContain(`${name}:`);
    }
  });

  it('refuses methods that mergekit lacks, and recipes that are wrong', () => {
    expect(obstacle(newRecipe({ method: 'varm', base: 'b', models: ['a'] }))).toContain('mergekit has no method varm');
    expect(obstacle(newRecipe({ method: 'ram', base: 'b', models: ['a'] }))).toContain('0.1.4');
    expect(obstacle('merge_method: linear')).toContain("lists no 'models'");
  });

  it('leaves out a base that mergekit would blend in', () => {
    const { recipe, notes } = made('merge_method: linear\nbase_model: c\nmodels: [{model: a}, {model: b}]\n');
    expect(parse(recipe)).not.toHaveProperty('base_model');
    expect(notes.join()).toContain('blend it in');
  });

  it('gives several recipes to mergekit-multi, the result without a name', () => {
    const { recipe, command } = made(
      'name: x\nmerge_method: linear\nmodels: [{model: a}, {model: b}]\n---\nname: y\nmerge_method: passthrough\nslices: [{sources: [{model: x, layer_range: [0, 2]}]}]\n',
    );
    expect(command).toContain('mergekit-multi');
    expect(parseAllDocuments(recipe).map((own) => own.toJS().name)).toEqual(['x', undefined]);
  });

  it('exists for a new recipe of every method that mergekit has', () => {
    for (const method of METHODS.values()) {
      if (!method.inMergekit || AFTER_0_1_4.has(method.name)) continue;
      const models = ['a', 'b', 'c'].slice(0, Math.min(3, Math.max(method.models.min, 1)));
      expect(made(newRecipe({ method: method.name, base: 'base', models })).recipe).toContain(
        `merge_method: ${method.name}`,
      );
    }
  });
});
