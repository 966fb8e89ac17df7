import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import type { Method, Preset } from '../methods/method.ts';
import { newRecipe, parseRecipe } from './yaml.ts';
import { applyPreset } from './preset.ts';
import { resolveValues } from './resolve.ts';
import { diagnoseRecipe } from './yaml.ts';

const CASES = [...METHODS.values()].flatMap((method) =>
  (method.presets ?? []).map((preset): [string, Method, Preset] => [`${method.name}: ${preset.name}`, method, preset]),
);

function freshRecipe(method: Method): string {
  const models = ['a', 'b', 'c'].slice(0, Math.min(3, method.models.max));
  return newRecipe({ method: method.name, base: method.base === 'none' ? null : 'base', models });
}

describe('presets', () => {
  it.each([...METHODS.values()].map((method): [string, Method] => [method.name, method]))(
    '%s has some, each with a name of its own and a sentence',
    (_, { presets = [] }) => {
      expect(presets.length).toBeGreaterThan(0);
      expect(new Set(presets.map(({ name }) => name)).size).toBe(presets.length);
      for (const { name, when } of presets) {
        expect(name).toMatch(/^[A-Z][^.]{2,30}$/);
        expect(when).toMatch(/^Use it .*[^.]\.$/);
        expect(when).not.toMatch(/[.!?] /);
      }
    },
  );

  it.each(CASES)('%s is a valid recipe, with its values for every model', (_, method, preset) => {
    const text = applyPreset(freshRecipe(method), method, preset);
    const { recipe, problems } = diagnoseRecipe(text);
    expect(problems).toEqual([]);
    if (!recipe) throw new Error('not read');
    // The range of the controls holds for what the page proposes, also where recipes may go beyond it.
    for (const [name, value] of Object.entries({ ...preset.params, ...preset.perModel })) {
      const parameter = method.params[name] ?? method.perModel[name];
      expect(parameter, name).toBeDefined();
      if (parameter?.kind !== 'number' || typeof value !== 'number') continue;
      expect(value).toBeGreaterThanOrEqual(parameter.min);
      expect(value).toBeLessThanOrEqual(parameter.max);
    }
    const { params, perModel } = resolveValues(recipe, method, 'model.layers.2.mlp.up_proj.weight', 4);
    method.check?.({ tensor: 'model.layers.2.mlp.up_proj.weight', params, perModel });
    for (const [name, value] of Object.entries(preset.params)) {
      if (typeof value === 'number' || typeof value === 'boolean') expect(params[name]).toBe(Number(value));
    }
    for (const [name, value] of Object.entries(preset.perModel)) {
      if (typeof value === 'number') expect(perModel.map((own) => own[name])).toEqual(perModel.map(() => value));
    }
    expect(applyPreset(text, method, preset)).toBe(text);
  });
});

describe('applyPreset', () => {
  const TEXT = `# mine
merge_method: varm # by evidence
base_model: base
models:
  - model: base
  - model: a # first
    parameters:
      weight: 2 # twice
      share:
        - filter: mlp
          value: 0.4
  - model: b
parameters:
  granularity: row # fine
  share: 0.1
  temperature: 2
`;
  const varm = METHODS.get('varm');
  const presetOf = (name: string) => varm?.presets?.find((own) => own.name === name);

  it('sets what it names in one text, keeps the rest and the comments, and leaves the base alone', () => {
    const preset = presetOf('As in the paper');
    if (!varm || !preset) throw new Error('missing');
    expect(applyPreset(TEXT, varm, preset)).toBe(`# mine
merge_method: varm # by evidence
base_model: base
models:
  - model: base
  - model: a # first
    parameters:
      weight: 1 # twice
  - model: b
parameters:
  granularity: tensor # fine
`);
  });

  it('writes filters and lists over the layers', () => {
    const slerp = METHODS.get('slerp');
    const preset = slerp?.presets?.find(({ name }) => name === 'Attention and MLP crossed');
    if (!slerp || !preset) throw new Error('missing');
    const text = applyPreset('merge_method: slerp\nbase_model: base\nmodels:\n  - model: a\n', slerp, preset);
    expect(text).toContain('    - filter: self_attn\n      value: [0, 0.5, 0.3, 0.7, 1]\n');
    expect(parseRecipe(text).parameters.t).toMatchObject({ form: 'filtered' });
  });
});
