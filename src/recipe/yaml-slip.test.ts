/** YAML slips: each usual one has its own sentence, at the place where it is to be mended, and is the only one said. */

import { describe, expect, it } from 'vitest';
import { diagnoseRecipe } from './yaml.ts';

const TEXT = `merge_method: ties
base_model: base
models:
  - model: a
    parameters:
      weight: 0.5
  - model: b
parameters:
  density: 0.5
`;

/** What was typed instead of what, and what is then said where. */
const SLIPS: readonly (readonly [what: string, from: string, to: string, place: string, sentence: string])[] = [
  ['a tab', '    parameters', '\tparameters', '5:1', 'replace the tab with spaces.'],
  ['a tab after spaces', '      weight', '    \tweight', '6:5', 'replace the tab with spaces.'],
  ['a space from a web page', '      weight', '\u00a0     weight', '6:1', 'type plain spaces instead.'],
  ['too little indentation', '      weight', '   weight', '6:4', 'indent it like the lines it belongs to, by 2 or 4.'],
  [
    'too much indentation',
    '    parameters',
    '      parameters',
    '5:7',
    'indented by 6 spaces, which does not fit here',
  ],
  ['indentation where there is none', 'base_model', ' base_model', '2:2', 'indented by 1 space'],
  ['a dash beside the others', '  - model: b', ' - model: b', '7:2', 'indented by 1 space'],
  ['no colon', 'base_model: base', 'base_model base', '2:11', "A colon is missing; write 'base_model: base'."],
  ['no colon before a map', '    parameters:', '    parameters', '5:15', "A colon is missing; write 'parameters:'."],
  ['no colon before a list', 'models:', 'models', '3:7', "A colon is missing; write 'models:'."],
  ['no colon after a dash', '- model: a', '- model a', '4:10', "A colon is missing; write 'model: a'."],
  ['no space after a colon', 'base_model: ', 'base_model:', '2:12', "after the colon; write 'base_model: base'."],
  ['the same in a list', '- model: a', '- model:a', '4:11', "after the colon; write 'model: a'."],
  ['the same alone in a map', 'weight: 0.5', 'weight:0.5', '6:7', "after the colon; write 'weight: 0.5'."],
  ['no space after a dash', '- model: a', '-model: a', '4:3', "after the dash; write '- model: a'."],
  ['a second value', 'model: a', 'model: hf: a', '4:14', 'put quotes around the value.'],
  ['an open double quote', 'model: a', 'model: "a', '4:12', 'put " at the end of the value.'],
  ['an open single quote', 'model: a', "model: 'a", '4:12', "put ' at the end of the value."],
  ['an open bracket', 'weight: 0.5', 'weight: [0.5, 1', '6:15', 'put ] at its end.'],
  ['an open brace', 'parameters:\n      weight: 0.5', 'parameters: {weight: 0.5', '5:17', 'put } at its end.'],
  ['a bracket over lines', 'weight: 0.5', 'weight: [0.5,\n1]', '7:1', 'write it on one line.'],
  ['a bracket too many', 'weight: 0.5', 'weight: [0.5]]', '6:20', 'This ] closes no bracket; remove it.'],
  ['no comma', 'weight: 0.5', 'weight: ["a" "b"]', '6:20', 'A comma is missing'],
  ['dashes in brackets', 'weight: 0.5', 'weight: [- 1]', '6:16', 'put commas between the values: [1, 2].'],
  ['a key twice', 'density: 0.5', 'density: 0.5\n  density: 1', '10:3', "'density' stands in line 9 already"],
  ['an unknown anchor', 'weight: 0.5', 'weight: *w', '6:15', "Nothing above is marked '&w'"],
  ['an anchor that comes later', 'weight: 0.5', 'weight: *w\n  - model: &w c', '6:15', "Nothing above is marked '&w'"],
  ['a sign that begins no value', 'model: a', 'model: @a', '4:12', 'put quotes around it: "@a".'],
  ['a path in double quotes', 'model: a', 'model: "C:\\models"', '4:15', 'use single quotes.'],
  ['a comment too near', 'weight: 0.5', 'weight: "0.5"# half', '6:20', 'A comment needs a space before its #.'],
  ['a tag', 'model: a', 'model: !x a', '4:12', 'remove it.'],
  ['a key that is not written out yet', 'density: 0.5', 'density: 0.5\n  int8', '10:7', "write 'int8:'."],
];

describe('a slip', () => {
  it.each(SLIPS)('%s', (_, from, to, place, sentence) => {
    expect(TEXT).toContain(from);
    const { problems } = diagnoseRecipe(TEXT.replace(from, to));
    const [first] = problems;
    expect(`${first?.line}:${first?.column}`).toBe(place);
    expect(first?.message).toContain(sentence);
    expect(first?.message).not.toMatch(/YAML:|token|implicit|flow|scalar/i);
    expect(first?.words).toBeUndefined();
  });

  it('stands where it does with other line ends, too', () => {
    const { problems } = diagnoseRecipe(TEXT.replace('base_model: base', 'base_model base').replaceAll('\n', '\r\n'));
    expect(problems.map(({ line, column, message }) => [line, column, message])).toEqual([
      [2, 11, "A colon is missing; write 'base_model: base'."],
    ]);
  });

  it('of another kind is said plainly, with the words of the parser', () => {
    const { problems } = diagnoseRecipe(TEXT.replace('weight: 0.5', 'weight: |x\n        0.5'));
    expect(problems).toEqual([
      {
        message:
          'From here on this cannot be read as YAML; compare spaces, colons and quotes with the lines around it.',
        line: 6,
        column: 16,
        suggestion: null,
        path: '',
        words: expect.stringContaining('Block scalar header'),
      },
    ]);
  });
});
