import { describe, expect, it } from 'vitest';
import { RecipeFault } from '../bytes/fault.ts';
import { METHODS } from '../methods/index.ts';
import { MERGEKIT_METHODS } from './mergekit.ts';
import { diagnoseRecipe, parseRecipe } from './yaml.ts';

const VARM = `merge_method: varm
base_model: base
models:
  - model: a
    parameters:
      weight: 2
  - model: base
  - model: ./b/c
parameters:
  granularity: row
  temperature: 0.5
dtype: float32
out_dtype: bfloat16
`;

/** The only problem of a text. */
function only(text: string) {
  const { recipe, problems } = diagnoseRecipe(text);
  expect(recipe).toBeNull();
  expect(problems.map((p) => p.message)).toHaveLength(1);
  return problems[0] as (typeof problems)[number];
}

const replace = (from: string, to: string) => {
  expect(VARM).toContain(from);
  return VARM.replace(from, to);
};

describe('parseRecipe', () => {
  it('reads a whole recipe and leaves the base out of the models', () => {
    expect(parseRecipe(VARM)).toEqual({
      method: 'varm',
      base: 'base',
      models: [
        { model: 'a', parameters: { weight: { form: 'everywhere', value: 2 } } },
        { model: './b/c', parameters: {} },
      ],
      parameters: {
        granularity: { form: 'everywhere', value: 'row' },
        temperature: { form: 'everywhere', value: 0.5 },
      },
      outDtype: 'BF16',
    });
  });

  it('keeps a listed base among the models of a method without a base, and falls back from out_dtype to dtype', () => {
    const recipe = parseRecipe(
      'merge_method: linear\nbase_model: a\nmodels: [{model: a}, {model: b, parameters: {weight: [0, 1]}}]\ndtype: float16\n',
    );
    expect(recipe.models.map(({ model }) => model)).toEqual(['a', 'b']);
    expect(recipe.models[1]?.parameters.weight).toEqual({ form: 'everywhere', value: [0, 1] });
    expect(recipe.outDtype).toBe('F16');
  });

  it('reads filtered lists, with and without a filter, and booleans for numbers', () => {
    const recipe = parseRecipe(
      replace(
        'weight: 2',
        'weight:\n        - {filter: mlp, value: [0, 0.5, 1]}\n        - filter: "*"\n          value: true',
      ),
    );
    expect(recipe.models[0]?.parameters.weight).toEqual({
      form: 'filtered',
      entries: [
        { filter: 'mlp', value: [0, 0.5, 1] },
        { filter: '*', value: true },
      ],
    });
  });

  it('accepts what mergekit accepts and ignores', () => {
    const text =
      'merge_method: task_arithmetic\nbase_model: b\nmodels:\n - model: a\n   parameters: {density: 0.5, weight: 1}\nparameters: {int8_mask: true, normalize: 1}\n';
    expect(parseRecipe(text).parameters.normalize).toEqual({ form: 'everywhere', value: 1 });
  });

  it('expands aliases', () => {
    const recipe = parseRecipe(
      'merge_method: linear\nmodels:\n- {model: a, parameters: &p {weight: 0.25}}\n- {model: b, parameters: *p}\n',
    );
    expect(recipe.models[1]?.parameters.weight).toEqual({ form: 'everywhere', value: 0.25 });
  });

  it('takes null and missing optional parts as not said', () => {
    const recipe = parseRecipe('merge_method: linear\nbase_model:\nmodels:\n- model: a\n  parameters:\ndtype: null\n');
    expect(recipe).toMatchObject({ base: null, outDtype: null, parameters: {} });
  });

  it('throws a fault with position, suggestion and all problems', () => {
    const text = replace('granularity', 'granularty').replace('weight', 'wieght');
    let fault: unknown;
    try {
      parseRecipe(text);
    } catch (thrown) {
      fault = thrown;
    }
    expect(fault).toBeInstanceOf(RecipeFault);
    const { message, details } = fault as RecipeFault;
    expect(message).toBe(
      "Recipe, line 6, column 7: 'wieght' is not a parameter of varm for a single model; there are weight and share. Did you mean 'weight'? (One more problem follows.)",
    );
    expect(details).toMatchObject({ line: 6, column: 7, suggestion: 'weight', path: 'models[0].parameters.wieght' });
    expect(details.problems).toHaveLength(2);
  });
});

describe('unknown keys', () => {
  it.each([
    ['granularity: row', 'granularty: row', 10, 3, 'granularity'],
    ['base_model: base', 'base: base\nbase_model: base', 2, 1, 'base_model'],
    ['out_dtype', 'outdtype', 13, 1, 'out_dtype'],
    ['dtype: float32', 'dtyp: float32', 12, 1, 'dtype'],
    ['    parameters:\n', '    params:\n', 5, 5, 'parameters'],
  ])('%s as %s', (from, to, line, column, suggestion) => {
    expect(only(replace(from, to))).toMatchObject({ line, column, suggestion });
  });

  it('says where a parameter belongs that stands in the wrong place', () => {
    expect(only(replace('dtype: float32', 'normalise: true')).suggestion).toBeNull();
    expect(only(replace('dtype: float32', 'statistic: abs')).message).toContain("under 'parameters:' of the recipe");
    expect(only(replace('    parameters:\n      weight: 2', '    weight: 2')).message).toContain(
      "under 'parameters:' of this model",
    );
    expect(only(replace('weight: 2', 'granularity: row')).message).toContain('move it to the');
  });

  it('refuses by name what only mergekit knows', () => {
    for (const key of ['out_path', 'trust_remote_code', 'override_architecture']) {
      const problem = only(`${VARM}${key}: x\n`);
      expect(problem).toMatchObject({ line: 14, column: 1, suggestion: null });
      expect(problem.message).toContain('known to mergekit and not in this version');
    }
    expect(only(replace('model: a\n', 'model: a\n    lora: b\n')).message).toContain('merge the LoRA into its model');
  });

  it('refuses LoRA, revision and map forms of a model by name', () => {
    for (const model of ['a+lora', 'a@main', '{model: {path: x}}']) {
      const problem = only(replace('model: a\n', `model: ${model}\n`));
      expect(problem).toMatchObject({ line: 4, column: 12 });
      expect(problem.message).toContain('known to mergekit and not in this version');
    }
  });

  it('treats words of JavaScript’s own as any other', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(only(`${VARM}${key}: 1\n`)).toMatchObject({ line: 14, column: 1 });
      expect(only(`${VARM}${key}: 1\n`).message).toContain('is not a key of a recipe');
      expect(only(replace('temperature: 0.5', `${key}: 0.5`))).toMatchObject({ line: 11, column: 3 });
      expect(only(replace('merge_method: varm', `merge_method: ${key}`)).line).toBe(1);
    }
  });
});

describe('methods and dtypes', () => {
  it('has every mergekit method, and takes typos with a suggestion', () => {
    expect([...MERGEKIT_METHODS.keys()].filter((name) => !METHODS.has(name))).toEqual([]);
    expect(only('merge_method: task-arithmetic\nmodels: [{model: a}]')).toMatchObject({
      line: 1,
      column: 15,
      suggestion: 'task_arithmetic',
    });
    expect(only('merge_method: dare-ties\nmodels: [{model: a}]')).toMatchObject({ suggestion: 'dare_ties' });
    expect(only('models: [{model: a}]').message).toContain("names no 'merge_method'");
    expect(only('merge_method: 3\nmodels: [{model: a}]').line).toBe(1);
  });

  it.each([
    ['fp16', 'float16'],
    ['bf16', 'bfloat16'],
    ['torch.bfloat16', 'bfloat16'],
    ['float23', 'float32'],
    ['int8', null],
  ])('dtype %s', (word, suggestion) => {
    expect(only(replace('float32', word))).toMatchObject({ line: 12, column: 8, suggestion });
  });
});

describe('values', () => {
  it.each([
    ['weight: "0.5"', 'weight: 2', 6, 15, '0.5'],
    ['weight: heavy', 'weight: 2', 6, 15, null],
    ['weight: .nan', 'weight: 2', 6, 15, null],
    ['weight: -.inf', 'weight: 2', 6, 15, null],
    ['weight: 1e999', 'weight: 2', 6, 15, null],
    ['weight: []', 'weight: 2', 6, 15, null],
    ['weight:', 'weight: 2', 6, 7, null],
    ['weight: [1, [2]]', 'weight: 2', 6, 19, null],
    ['weight: [1, x]', 'weight: 2', 6, 19, null],
    ['weight: {filter: mlp, value: 1}', 'weight: 2', 6, 15, null],
    ['weight: {mlp: 1}', 'weight: 2', 6, 15, null],
    ['weight: [{filter: mlp, value: 1}, 2]', 'weight: 2', 6, 41, null],
    ['weight: [{filter: mlp, vaule: 1}]', 'weight: 2', 6, 30, 'value'],
    ['weight: [{filter: 3, value: 1}]', 'weight: 2', 6, 25, '"3"'],
    ['granularity: rows', 'granularity: row', 10, 16, 'row'],
    ['granularity: 4', 'granularity: row', 10, 16, null],
    ['granularity: [row, [row]]', 'granularity: row', 10, 22, null],
    ['model: 7', 'model: a', 4, 12, '"7"'],
  ])('%s', (to, from, line, column, suggestion) => {
    const { recipe, problems } = diagnoseRecipe(replace(from, to));
    expect(recipe).toBeNull();
    expect(problems[0]).toMatchObject({ line, column, suggestion });
  });

  it('suggests true and false for YAML 1.1’s words', () => {
    const text = 'merge_method: linear\nmodels: [{model: a}]\nparameters: {normalize: no}\n';
    expect(only(text)).toMatchObject({ line: 3, column: 25, suggestion: 'false' });
  });

  it('tells of the misspelt key, not of the right one that is missing', () => {
    for (const [text, line, suggestion] of [
      ['base_model: a\nmerge_metod: varm\nmodels:\n  - model: b\n', 2, 'merge_method'],
      ['merge_method: varm\nmodels:\n  - model: b\nbase_modle: a\n', 4, 'base_model'],
      ['merge_method: varm\nbase_model: a\nmodles:\n  - model: b\n', 3, 'models'],
      ['merge_method: varm\nbase_model: a\nmodels:\n  - modle: b\n', 4, 'model'],
    ] as const) {
      const { problems } = diagnoseRecipe(text);
      expect(problems[0]).toMatchObject({ line, suggestion });
    }
  });

  it('refuses a temperature of nothing and negative evidence', () => {
    const text = (more: string) => `merge_method: varm\nbase_model: a\nmodels:\n  - model: b\nparameters: {${more}}\n`;
    for (const more of ['temperature: 0', 'temperature: -1', 'weight: -0.5', 'share: -1', 'weight: [1, -1]']) {
      expect(diagnoseRecipe(text(more)).problems[0]?.message).toMatch(/or more/);
    }
    expect(diagnoseRecipe(text('temperature: 0.01, weight: 9')).problems).toEqual([]);
  });

  it('lets a number leave the slider’s range where it is not strict', () => {
    expect(parseRecipe(replace('weight: 2', 'weight: 17')).models[0]?.parameters.weight).toMatchObject({ value: 17 });
  });
});

describe('structure', () => {
  it('wants a base, models, no model twice, and enough of them', () => {
    expect(only(replace('base_model: base\n', '')).message).toContain("add 'base_model: NAME'");
    expect(only(replace('./b/c', 'a'))).toMatchObject({ line: 8, column: 12, path: 'models[2].model' });
    expect(only('merge_method: varm\nbase_model: b\nmodels: [{model: b}]').message).toBe(
      'varm needs at least 1 model besides the base, and the recipe lists none.',
    );
    expect(only('merge_method: linear\nmodels: []').path).toBe('models');
    const many = Array.from({ length: 17 }, (_, i) => `{model: m${i}}`).join(', ');
    expect(only(`merge_method: linear\nmodels: [${many}]`).message).toContain('at most 16');
    expect(only('merge_method: linear').message).toContain("lists no 'models'");
    expect(only('merge_method: linear\nmodels: a').line).toBe(2);
    expect(only('merge_method: linear\nmodels: [a]').message).toContain("begins with '- model: NAME'");
    expect(only('merge_method: linear\nmodels: [{parameters: {weight: 1}}]').message).toContain("has no 'model'");
  });

  it('reports everything at once, in the order of the text', () => {
    const { problems } = diagnoseRecipe(
      'merge_method: varm\nmodels:\n- model: a\n  weight: 1\n- model: a\n  parameters: {share: x}\nparameters: 3\nextra: 1\nout_dtype: fp16\n',
    );
    expect(problems.map((p) => [p.line, p.path])).toEqual([
      [1, 'base_model'],
      [4, 'models[0].weight'],
      [5, 'models[1].model'],
      [6, 'models[1].parameters.share'],
      [7, 'parameters'],
      [8, 'extra'],
      [9, 'out_dtype'],
    ]);
    expect(problems.every((p) => /^\S.*[.?]$/s.test(p.message) && !p.message.includes('undefined'))).toBe(true);
  });
});

describe('hostile text', () => {
  it.each([
    ['', 1],
    ['\n# nothing but a comment\n', 1],
    ['null', 1],
    ['- a\n- b', 1],
    ['just words', 1],
    ['42', 1],
    ['merge_method: varm\n\tbase_model: b', 2],
    ['merge_method: varm\nmerge_method: linear', 2],
    ['a: 1\n---\nb: 2', 1],
    ['a: [1', 1],
    ['a: "x', 1],
    ['a: b: c', 1],
    ['a: !foo 1', 1],
    ['a: *nothing', 1],
    ['a: &x [*x]', 1],
    ['<<: {a: 1}', 1],
    ['\0\0\0', 1],
    ['\uFEFF', 1],
    ['? {a: 1}\n: 2', 1],
  ])('%j', (text, line) => {
    const { recipe, problems } = diagnoseRecipe(text);
    expect(recipe).toBeNull();
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.line).toBeGreaterThanOrEqual(line);
    for (const { message, column } of problems) {
      expect(message).toMatch(/[.?]$/);
      expect(message.split('\n')).toHaveLength(1);
      expect(column).toBeGreaterThanOrEqual(1);
    }
    expect(() => parseRecipe(text)).toThrow(RecipeFault);
  });

  it('does not expand a billion laughs', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(',')}]`,
    );
    const { problems } = diagnoseRecipe(`a0: &a0 [lol]\n${levels.join('\n')}`);
    expect(problems[0]?.message).toContain('alias');
    const few = Array.from({ length: 10 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(',')}]`);
    expect(diagnoseRecipe(`a0: &a0 [lol]\n${few.join('\n')}`).problems[0]?.message).toContain('alias');
  });

  it.each([
    ['too long', 'x'.repeat(1_000_001)],
    ['many keys', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n')],
    [
      'many models',
      `merge_method: linear\nmodels:\n${Array.from({ length: 10_000 }, (_, i) => `- model: m${i}`).join('\n')}`,
    ],
    ['deep flow', '['.repeat(100_000)],
    ['deep closed flow', `a: ${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['deep block', Array.from({ length: 900 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['many aliases', `a: &x 1\nb: [${'*x,'.repeat(30_000)}]`],
    ['long gradient', `merge_method: linear\nmodels: [{model: a, parameters: {weight: [${'x,'.repeat(30_000)}]}}]`],
  ])('is bounded: %s', (_, text) => {
    const start = process.cpuUsage();
    const { recipe, problems } = diagnoseRecipe(text);
    expect(recipe).toBeNull();
    expect(problems.length).toBeGreaterThan(0);
    // Of processor time, in microseconds: other programs may take what the clock shows.
    expect(process.cpuUsage(start).user).toBeLessThan(10e6);
  });

  it('shows foreign text on one line and cut short', () => {
    const { message } = only(`${VARM}"line\\nbreak\\u202E${'y'.repeat(500)}": 1\n`);
    expect(message.length).toBeLessThan(300);
    expect(message).not.toMatch(/[\n\u202E]/);
  });
});
