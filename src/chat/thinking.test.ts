import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitThinking } from './thinking.ts';

const thinking = (text: string, isOpen = false) => ({ kind: 'thinking', text, isOpen });
const answer = (text: string) => ({ kind: 'answer', text, isOpen: false });

describe('splitThinking', () => {
  it('leaves a reply without tags as it is', () => {
    expect(splitThinking('')).toEqual([]);
    expect(splitThinking(' Hello\n\nyou. ')).toEqual([answer(' Hello\n\nyou. ')]);
  });

  it.each([
    ['<think>', '</think>'],
    ['<thinking>', '</thinking>'],
    ['<thought>', '</thought>'],
    ['[THINK]', '[/THINK]'],
    ['<|begin_of_thought|>', '<|end_of_thought|>'],
  ])('tells thinking between %s and %s from the answer', (open, close) => {
    expect(splitThinking(`${open}\nLet me see.\n${close}\n\nYes.`)).toEqual([thinking('Let me see.'), answer('Yes.')]);
    expect(splitThinking(`${open}a${close}b\n${open}c${close}d`)).toEqual([
      thinking('a'),
      answer('b'),
      thinking('c'),
      answer('d'),
    ]);
  });

  it('passes over empty thinking, as models write it that were told not to think', () => {
    expect(splitThinking('<think>\n\n</think>\n\nYes.')).toEqual([answer('Yes.')]);
  });

  it('knows thinking that was not closed', () => {
    expect(splitThinking('<think>\nLet me')).toEqual([thinking('Let me', true)]);
    expect(splitThinking('<think>')).toEqual([thinking('', true)]);
  });

  it('begins inside where the prompt opened the tag, also if the model repeats it', () => {
    const prompt = '<|assistant|>\n<think>\n';
    expect(splitThinking('', prompt)).toEqual([thinking('', true)]);
    expect(splitThinking('Hm', prompt)).toEqual([thinking('Hm', true)]);
    expect(splitThinking('Hm\n</think>\n\nYes.', prompt)).toEqual([thinking('Hm'), answer('Yes.')]);
    expect(splitThinking('<think>\nHm</think>Yes.', prompt)).toEqual([thinking('Hm'), answer('Yes.')]);
    expect(splitThinking('Yes.', '<think>\n\n</think>\n\n')).toEqual([answer('Yes.')]);
  });

  it('takes a closing tag that nothing opened for the end of thinking', () => {
    expect(splitThinking('Hm\n</think>\n\nYes.')).toEqual([thinking('Hm'), answer('Yes.')]);
    expect(splitThinking('Hm</think>\nYes.')).toEqual([thinking('Hm'), answer('Yes.')]);
  });

  it('lets an answer speak about tags', () => {
    const text = 'Models write `<think>` first and `</think>` later.';
    expect(splitThinking(text)).toEqual([answer(text)]);
  });

  it('shows no half of a tag while the reply is written', () => {
    expect(splitThinking('<thi', '', false)).toEqual([]);
    expect(splitThinking('<thi', '', true)).toEqual([answer('<thi')]);
    expect(splitThinking('<think>a\n</thi', '', false)).toEqual([thinking('a', true)]);
    expect(splitThinking('1 <', '', false)).toEqual([answer('1 <')]);
  });

  it('never takes back while streaming what the whole says, except for blank space', () => {
    const parts = fc.array(fc.constantFrom('<think>', '</think>', '\n', 'a', ' b ', '<', 'x <think> y'), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(parts, (pieces) => {
        // What opens with the prompt is known from the start; a stray closing tag is the one thing that is not.
        const text = `<think>${pieces.join('')}`;
        const whole = splitThinking(text);
        for (let length = 0; length <= text.length; length++) {
          splitThinking(text.slice(0, length), '', false).forEach((section, index) => {
            if (section.text.trim() === '') return;
            expect(whole[index]?.kind).toBe(section.kind);
            expect(whole[index]?.text.startsWith(section.text.trimEnd())).toBe(true);
          });
        }
      }),
    );
  });
});
