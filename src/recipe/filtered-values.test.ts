/** Many filtered values in one edit: the same as one after another, and comments stay. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRecipe, setFilteredValue, setFilteredValues } from './yaml.ts';

const TEXT = `merge_method: linear # plain
models:
  - model: a
    parameters:
      weight: 0.5 # half
  # The second.
  - model: b
    parameters:
      weight:
        - filter: mlp # by ear
          value: 0.3
        - value: 1
`;

const entry = fc.record({
  model: fc.constantFrom('a', 'b'),
  name: fc.constant('weight'),
  filter: fc.constantFrom('mlp', 'attn', 'layers.1.', 'norm', '*'),
  value: fc.option(fc.integer({ min: 0, max: 9 }), { nil: null, freq: 4 }),
});

describe('setFilteredValues', () => {
  it('property: says the same as setting one after another', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
        const one = entries.reduce((text, own) => setFilteredValue(text, own), TEXT);
        expect(parseRecipe(setFilteredValues(TEXT, entries))).toEqual(parseRecipe(one));
      }),
      { numRuns: 60 },
    );
  });

  it('keeps comments, and the very text where nothing changes', () => {
    const entries = ['layers.1.', 'layers.2.'].map((filter) => ({ model: 'a', name: 'weight', filter, value: 0.25 }));
    const out = setFilteredValues(TEXT, entries);
    for (const comment of ['# plain', '# half', '# The second.', '# by ear']) expect(out).toContain(comment);
    expect(
      setFilteredValues(
        out,
        entries.map((own) => ({ ...own, value: null })),
      ),
    ).toContain('weight: 0.5 # half');
    const back = setFilteredValues(
      out,
      entries.map((own) => ({ ...own, value: null })),
    );
    expect(back).toBe(TEXT);
    expect(setFilteredValues(TEXT, [])).toBe(TEXT);
    expect(setFilteredValues(TEXT, [{ model: 'b', name: 'weight', filter: 'mlp', value: 0.3 }])).toBe(TEXT);
  });

  it('changes nothing where one of them cannot be', () => {
    const good = { model: 'a', name: 'weight', filter: 'mlp', value: 1 };
    expect(() => setFilteredValues(TEXT, [good, { ...good, model: 'nobody' }])).toThrow('nobody');
    expect(() => setFilteredValues(TEXT, [good, { ...good, value: Number.NaN }])).toThrow('finite');
  });
});
