import fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { RecipeFault } from '../bytes/fault.ts';
import { METHODS } from '../methods/index.ts';
import { resolveValues } from './resolve.ts';
import {
  clearFiltered,
  diagnoseRecipe,
  newRecipe,
  parseRecipe,
  setBase,
  setDtype,
  setFilteredValue,
  setMethod,
  setModels,
  setParameter,
} from './yaml.ts';

const TEXT = `# my recipe
merge_method:   varm     # by evidence
base_model: "base"


models:
  # the writer
  - model:  a
    parameters: {weight: 0.50}   # half
  # the other
  - model: 'b'    # keep me
    parameters:
      weight:
        - filter: mlp
          value: [0, 1]   # ramp
        - value: 0.3
parameters:
  granularity: row  # fine
# the end
dtype: float32
`;

const lineDiff = (before: string, after: string) => {
  const old = new Set(before.split('\n'));
  return after.split('\n').filter((line) => !old.has(line));
};

describe('setParameter', () => {
  it('changes only the line of the value', () => {
    const out = setParameter(TEXT, { model: 'a', name: 'weight', value: 0.75 });
    expect(out).toBe(
      TEXT.replace('0.50', '0.75')
        .replace('{weight: 0.75}   # half', '{weight: 0.75} # half')
        .replace('\n\n\n', '\n\n'),
    );
    expect(setParameter(TEXT, { model: null, name: 'granularity', value: 'tensor' })).toContain(
      '\nmerge_method:   varm     # by',
    );
  });

  it('returns the very same text where nothing changes', () => {
    expect(setParameter(TEXT, { model: 'a', name: 'weight', value: 0.5 })).toBe(TEXT);
    expect(setParameter(TEXT, { model: 'a', name: 'share', value: null })).toBe(TEXT);
    expect(setBase(TEXT, 'base')).toBe(TEXT);
    expect(setMethod(TEXT, 'varm')).toBe(TEXT);
    expect(setModels(TEXT, ['a', 'b'])).toBe(TEXT);
    expect(setDtype(setDtype(TEXT, 'float16'), 'float16')).toBe(setDtype(TEXT, 'float16'));
    expect(clearFiltered(TEXT, { model: 'a', name: 'weight' })).toBe(TEXT);
  });

  it('sets and removes the catch-all of a filtered list', () => {
    const set = setParameter(TEXT, { model: 'b', name: 'weight', value: 0.9 });
    expect(lineDiff(TEXT, set)).toEqual(['        - value: 0.9']);
    const gone = setParameter(TEXT, { model: 'b', name: 'weight', value: null });
    expect(parseRecipe(gone).models[1]?.parameters.weight).toEqual({
      form: 'filtered',
      entries: [{ filter: 'mlp', value: [0, 1] }],
    });
    expect(parse(setParameter(gone, { model: 'b', name: 'weight', value: 4 })).models[1].parameters.weight[1]).toEqual({
      value: 4,
    });
  });

  it('adds parameters where none are, and removes the empty map again', () => {
    const bare = 'merge_method: linear\nmodels:\n  - model: a # one\n  - model: b\n';
    const one = setParameter(bare, { model: 'a', name: 'weight', value: 2 });
    expect(one).toBe(
      'merge_method: linear\nmodels:\n  - model: a # one\n    parameters:\n      weight: 2\n  - model: b\n',
    );
    expect(setParameter(one, { model: 'a', name: 'weight', value: null })).toBe(bare);
    const top = setParameter(bare, { model: null, name: 'normalize', value: false });
    expect(top).toBe(`${bare}parameters:\n  normalize: false\n`);
    expect(setParameter(top, { model: null, name: 'normalize', value: null })).toBe(bare);
  });

  it('refuses an unknown model, a number that is none, and broken YAML', () => {
    expect(() => setParameter(TEXT, { model: 'c', name: 'weight', value: 1 })).toThrow(RecipeFault);
    expect(() => setParameter(TEXT, { model: 'a', name: 'weight', value: Number.NaN })).toThrow(RecipeFault);
    expect(() => setParameter('a: [', { model: null, name: 'weight', value: 1 })).toThrow(/line 1/);
    expect(() => setParameter('- a', { model: null, name: 'weight', value: 1 })).toThrow(RecipeFault);
  });

  it('changes one place only where an alias shares it', () => {
    const text =
      'merge_method: linear\nmodels:\n  - model: a\n    parameters: &p {weight: 1}\n  - model: b\n    parameters: *p\n';
    const recipe = parseRecipe(setParameter(text, { model: 'a', name: 'weight', value: 3 }));
    expect(recipe.models.map((m) => m.parameters.weight)).toEqual([
      { form: 'everywhere', value: 3 },
      { form: 'everywhere', value: 1 },
    ]);
  });

  it('keeps Windows line ends', () => {
    const out = setParameter(TEXT.replaceAll('\n', '\r\n'), { model: 'a', name: 'weight', value: 0.75 });
    expect(out.replaceAll('\r\n', '')).not.toContain('\n');
    expect(out).toContain('# by evidence\r\n');
  });
});

describe('setFilteredValue', () => {
  it('puts the newest entry first and comes back', () => {
    const set = setFilteredValue(TEXT, { model: 'b', name: 'weight', filter: 'layers.1.', value: 0.7 });
    expect(lineDiff(TEXT, set)).toEqual(['        - filter: layers.1.', '          value: 0.7']);
    expect(set).toContain('value: [0, 1]   # ramp');
    expect(parse(setFilteredValue(set, { model: 'b', name: 'weight', filter: 'layers.1.', value: null }))).toEqual(
      parse(TEXT),
    );
    const again = setFilteredValue(set, { model: 'b', name: 'weight', filter: 'mlp', value: 0.1 });
    expect(parse(again).models[1].parameters.weight).toEqual([
      { filter: 'mlp', value: 0.1 },
      { filter: 'layers.1.', value: 0.7 },
      { value: 0.3 },
    ]);
  });

  it('makes a plain value the catch-all and collapses again', () => {
    const set = setFilteredValue(TEXT, { model: 'a', name: 'weight', filter: 'mlp', value: 0.1 });
    expect(parse(set).models[0].parameters.weight).toEqual([{ filter: 'mlp', value: 0.1 }, { value: 0.5 }]);
    expect(set).toContain('- filter: mlp');
    const back = setFilteredValue(set, { model: 'a', name: 'weight', filter: 'mlp', value: null });
    expect(parse(back)).toEqual(parse(TEXT));
  });

  it('adds a list where nothing was, and removes it wholly', () => {
    const set = setFilteredValue(TEXT, { model: 'a', name: 'share', filter: 'x', value: 0.2 });
    expect(parse(set).models[0].parameters.share).toEqual([{ filter: 'x', value: 0.2 }]);
    expect(parse(setFilteredValue(set, { model: 'a', name: 'share', filter: 'x', value: null }))).toEqual(parse(TEXT));
  });

  it('works inside brackets and braces', () => {
    const text = 'merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}, {model: b}]\n';
    const set = setFilteredValue(text, { model: 'a', name: 'weight', filter: 'x', value: 2 });
    expect(parse(set).models).toEqual([
      { model: 'a', parameters: { weight: [{ filter: 'x', value: 2 }, { value: 1 }] } },
      { model: 'b' },
    ]);
    expect(parse(setFilteredValue(set, { model: 'a', name: 'weight', filter: 'x', value: null }))).toEqual(parse(text));
    const json = JSON.stringify(parse(text));
    expect(
      parse(setFilteredValue(json, { model: 'b', name: 'weight', filter: 'x', value: 2 })).models[1].parameters.weight,
    ).toEqual([{ filter: 'x', value: 2 }]);
  });

  it('clears by model and everywhere', () => {
    let text = setFilteredValue(TEXT, { model: 'a', name: 'weight', filter: 'x', value: 0.2 });
    text = setFilteredValue(text, { model: null, name: 'weight', filter: 'y', value: 0.4 });
    const own = clearFiltered(text, { model: 'b', name: 'weight' });
    expect(parse(own).models[1].parameters.weight).toBe(0.3);
    expect(parse(own).models[0].parameters.weight).toHaveLength(2);
    const all = clearFiltered(text, { model: null, name: 'weight' });
    expect(parse(all).models.map((m: { parameters: unknown }) => m.parameters)).toEqual([
      { weight: 0.5 },
      { weight: 0.3 },
    ]);
    expect(parse(all).parameters).toEqual({ granularity: 'row' });
  });

  const word = fc.constantFrom(
    'layers.0.',
    'layers.1.',
    'layers.1.mlp.',
    'attn',
    'norm',
    'a: b',
    '"q"',
    '#x',
    '* y',
    'true',
    '1',
    ' ',
  );
  // Evidence and shares are not negative.
  const value = fc.oneof(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), fc.nat());
  const step = fc.record({ model: fc.constantFrom('a', 'b'), filter: word, value });

  it('property: what was set last holds, and taking it away brings the old recipe back', () => {
    const varm = METHODS.get('varm');
    if (!varm) throw new Error('varm is missing');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 5 }), step, fc.constantFrom('weight', 'share'), (before, last, name) => {
        let text = TEXT;
        for (const each of before) {
          if (each.filter !== last.filter) text = setFilteredValue(text, { ...each, name });
        }
        const set = setFilteredValue(text, { ...last, name });
        const index = last.model === 'a' ? 0 : 1;
        const resolved = resolveValues(parseRecipe(set), varm, `x${last.filter}y`, 2).perModel;
        expect(resolved[index]?.[name]).toBe(last.value);
        const other = resolveValues(parseRecipe(text), varm, `x${last.filter}y`, 2).perModel;
        expect(resolved[1 - index]).toEqual(other[1 - index]);
        expect(parseRecipe(setFilteredValue(set, { ...last, name, value: null }))).toEqual(parseRecipe(text));
        for (const comment of ['# my recipe', '# by evidence', '# the writer', '# keep me', '# fine', '# the end']) {
          expect(set).toContain(comment);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('the other edits', () => {
  it('setMethod keeps what the new method has and drops the rest', () => {
    const out = setMethod(setParameter(TEXT, { model: 'a', name: 'share', value: 0.4 }), 'task_arithmetic');
    expect(parse(out)).toMatchObject({ merge_method: 'task_arithmetic', base_model: 'base' });
    expect(parse(out).parameters).toBeUndefined();
    expect(parse(out).models[0].parameters).toEqual({ weight: 0.5 });
    expect(parse(out).models[1].parameters.weight).toHaveLength(2);
    expect(out).toContain('# keep me');
    expect(diagnoseRecipe(out).problems).toEqual([]);
    expect(() => setMethod(TEXT, 'no_such_method')).toThrow(RecipeFault);
    const text = setParameter(TEXT, { model: null, name: 'weight', value: 'not a number' });
    expect(parse(setMethod(text, 'linear')).parameters).toBeUndefined();
  });

  it('setBase adds in the usual place and removes', () => {
    const without = setBase(TEXT, null);
    expect(parse(without)).not.toHaveProperty('base_model');
    expect(setBase(without, 'new: #1').split('\n')[2]).toBe('base_model: "new: #1"');
    expect(parse(setBase(TEXT, 'true')).base_model).toBe('true');
    expect(setBase('', 'x')).toBe('base_model: x\n');
  });

  it('setModels reorders, adds and removes', () => {
    const out = setModels(TEXT, ['c', 'b']);
    expect(parse(out).models).toEqual([{ model: 'c' }, parse(TEXT).models[1]]);
    expect(out).toContain('# keep me');
    expect(parse(setModels(TEXT, ['b', 'a'])).models).toEqual([...parse(TEXT).models].reverse());
    const none = setModels(TEXT, []);
    expect(parse(none).models).toEqual([]);
    expect(parse(setModels(none, ['123', 'x']))).toMatchObject({ models: [{ model: '123' }, { model: 'x' }] });
    expect(parse(setModels('merge_method: linear\n', ['a'])).models).toEqual([{ model: 'a' }]);
  });

  it('setDtype sets what is written, and null leaves nothing that decides it', () => {
    const out = setDtype(TEXT, 'bfloat16');
    expect(parseRecipe(out).outDtype).toBe('BF16');
    expect(lineDiff(TEXT, out)).toEqual(['out_dtype: bfloat16']);
    expect(parseRecipe(setDtype(out, null)).outDtype).toBeNull();
    expect(() => setDtype(TEXT, 'int8')).toThrow(RecipeFault);
  });
});

describe('recipes of slices, and of several steps', () => {
  const SLICES = 'merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 2]}]\n';

  it('keep their models as they are, with a reason', () => {
    expect(() => setModels(SLICES, ['a', 'b'])).toThrow(/made of slices/);
    expect(() => setParameter(SLICES, { model: 'a', name: 'scale', value: 1 })).toThrow(/made of slices/);
    expect(parse(setParameter(SLICES, { model: null, name: 'scale', value: 2 })).parameters).toEqual({ scale: 2 });
    expect(parseRecipe(setDtype(SLICES, 'float16')).outDtype).toBe('F16');
    expect(() => setDtype(`name: x\n${SLICES}---\n${SLICES}`, 'float16')).toThrow(/several recipes/);
  });
});

describe('newRecipe', () => {
  it('is valid for every method and any name that is allowed', () => {
    for (const method of METHODS.values()) {
      const models = ['a', 'yes', '12', 'x: y # z', "it's", '- d'].slice(0, method.models.max);
      const text = newRecipe({ method: method.name, base: 'the base', models });
      const { recipe, problems } = diagnoseRecipe(text);
      expect(problems).toEqual([]);
      expect(recipe?.models.map(({ model }) => model)).toEqual(models);
    }
  });

  it('reads well', () => {
    expect(newRecipe({ method: 'varm', base: 'base', models: ['a', 'b'] })).toBe(
      'merge_method: varm\nbase_model: base\nmodels:\n  - model: a\n    parameters:\n      weight: 1\n  - model: b\n    parameters:\n      weight: 1\nparameters:\n  granularity: tensor\n  statistic: square\n'.replaceAll(
        '\n    parameters:\n      weight: 1',
        '',
      ),
    );
    expect(newRecipe({ method: 'linear', base: null, models: ['a'] })).toBe(
      'merge_method: linear\nmodels:\n  - model: a\n    parameters:\n      weight: 1\n',
    );
  });
});
