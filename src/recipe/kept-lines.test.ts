/** A recipe keeps the indentation and spelling that its person gave it, through every edit. */

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { setEntry } from './filter-list.ts';
import { clearFiltered, setDtype, setFilteredValue, setMuted, setParameter } from './yaml.ts';

/** Four spaces, lists at their key's own place, numbers as people write them, comments wherever they stood. */
const OWN = `merge_method: task_arithmetic
base_model: base
models:
# both
    - model: a    # first
      parameters:
          weight:
          - filter: mlp

            value: .70   # half and more
    # attention
          - {filter: self_attn, value: [0, 1]}
          - value: +0.4
    - model: b
      parameters:
            weight:
                - 0     # early
                - 1.0
parameters:
    lambda: 1e-1
`;

/** Lines of either that the other has not. */
function changed(before: string, after: string): { gone: string[]; come: string[] } {
  const [a, b] = [before.split('\n'), after.split('\n')];
  return { gone: a.filter((line) => !b.includes(line)), come: b.filter((line) => !a.includes(line)) };
}

describe('a text with a layout of its own', () => {
  it.each([
    [
      'a value',
      setParameter(OWN, { model: null, name: 'lambda', value: 0.5 }),
      ['    lambda: 0.5'],
      ['    lambda: 1e-1'],
    ],
    [
      'an entry above others',
      setFilteredValue(OWN, { model: 'a', name: 'weight', filter: 'q_proj', value: 2 }),
      ['          - filter: q_proj', '            value: 2'],
      [],
    ],
    [
      'an entry over a list of numbers, which goes into it',
      setFilteredValue(OWN, { model: 'b', name: 'weight', filter: 'mlp', value: 2 }),
      [
        '                - filter: mlp',
        '                  value: 2',
        '                - value:',
        '                    - 0     # early',
        '                    - 1.0',
      ],
      ['                - 0     # early', '                - 1.0'],
    ],
    [
      'a number in place of a list',
      setParameter(OWN, { model: 'b', name: 'weight', value: 2 }),
      ['            weight: 2'],
      ['            weight:', '                - 0     # early', '                - 1.0'],
    ],
    ['a key', setDtype(OWN, 'float16'), ['out_dtype: float16'], []],
    ['a key of a model', setMuted(OWN, ['b'], true), ['      muted: true'], []],
    [
      'numbers over layers in place of one',
      setEntry(OWN, { model: 'a', name: 'weight', filter: 'mlp', values: [0, 0.5] }),
      ['            value: [0, 0.5]   # half and more'],
      ['            value: .70   # half and more'],
    ],
  ])('changes no other line for %s', (_, after, come, gone) => {
    expect(changed(OWN, after).come.map((line) => line.replace(/ +#/, ' #'))).toEqual(
      come.map((line) => line.replace(/ +#/, ' #')),
    );
    expect(changed(OWN, after).gone).toEqual(gone);
    expect(parse(after)).not.toEqual(parse(OWN));
  });

  it('comes back exactly when an entry is taken away again', () => {
    const set = setFilteredValue(OWN, { model: 'a', name: 'weight', filter: 'q_proj', value: 2 });
    expect(setFilteredValue(set, { model: 'a', name: 'weight', filter: 'q_proj', value: null })).toBe(OWN);
  });

  it('loses what was said of an entry with that entry, and nothing else', () => {
    const { gone, come } = changed(OWN, clearFiltered(OWN, { model: 'a', name: 'weight' }));
    expect(come).toEqual(['          weight: 0.4']);
    expect(gone.filter((line) => line.includes('#'))).toEqual([
      '            value: .70   # half and more',
      '    # attention',
    ]);
  });
});

it('ends of lines as on Windows do not come into comments', () => {
  const windows = OWN.replaceAll('\n', '\r\n');
  const set = setFilteredValue(windows, { model: 'b', name: 'weight', filter: 'mlp', value: 2 });
  expect(set).toBe(
    setFilteredValue(OWN, { model: 'b', name: 'weight', filter: 'mlp', value: 2 }).replaceAll('\n', '\r\n'),
  );
  expect(parse(set)).toEqual(parse(set.replaceAll('\r\n', '\n')));
  const commented = 'models:\r\n  - model: a\r\n    parameters:\r\n      weight: 0.5 # c\r\n\r\ndtype: float32\r\n';
  expect(parse(setFilteredValue(commented, { model: 'a', name: 'weight', filter: 'mlp', value: 2 }))).toEqual({
    models: [{ model: 'a', parameters: { weight: [{ filter: 'mlp', value: 2 }, { value: 0.5 }] } }],
    dtype: 'float32',
  });
});
