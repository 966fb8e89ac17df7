/** Blocks of a reply: where they are cut, and that growing by any pieces gives what the whole text gives. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrowingBlocks, markdownBlocks } from './markdown-blocks.ts';

const shapes = (text: string) =>
  markdownBlocks(text).map((block) => (block.kind === 'code' ? `${block.language}|${block.text}` : block.text));

describe('markdownBlocks', () => {
  it('cuts paragraphs at blank lines and fenced code out whole', () => {
    expect(shapes('One\ntwo\n\nthree\n```js\nlet a;\n\nlet b;\n```\nfour')).toEqual([
      'One\ntwo',
      'three',
      'js|let a;\n\nlet b;',
      'four',
    ]);
  });

  it('keeps a list together, with code and blank lines inside its items', () => {
    const list = '1. a\n\n   more\n\n2. b\n\n   ```\n   x\n\n   y\n   ```\n3. c';
    expect(shapes(`${list}\n\nafter`)).toEqual([list, 'after']);
  });

  it('cuts a long list between its items', () => {
    const item = `- ${'x'.repeat(1500)}`;
    expect(shapes([item, item, item, item].join('\n\n'))).toEqual([[item, item, item].join('\n\n'), item]);
  });

  it('reads code that is not ended, and longer fences around shorter ones', () => {
    expect(shapes('~~~\nopen')).toEqual(['|open']);
    expect(shapes('````md\n```\ninner\n```\n````\nend')).toEqual(['md|```\ninner\n```', 'end']);
    expect(shapes('``` `not` a fence')).toEqual(['``` `not` a fence']);
  });

  it('gives nothing for nothing', () => {
    expect(shapes('')).toEqual([]);
    expect(shapes(' \n\n')).toEqual([]);
  });
});

describe('GrowingBlocks', () => {
  const line = fc.constantFrom(
    '',
    'text',
    '- item',
    '  deep',
    '```',
    '```js',
    '~~~',
    '1. one',
    '> said',
    '   ```',
    '\t',
  );
  it('gives what the whole text gives, however it grew', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.array(fc.nat(), { maxLength: 12 }), (lines, cuts) => {
        const text = lines.join('\n');
        const growing = new GrowingBlocks();
        for (const cut of cuts.map((c) => c % (text.length + 1)).sort((a, b) => a - b)) growing.of(text.slice(0, cut));
        expect(growing.of(text)).toEqual(markdownBlocks(text));
      }),
      { numRuns: 400 },
    );
  });

  it('begins again with another text', () => {
    const growing = new GrowingBlocks();
    growing.of('a\n\nb\n\nc\n\nd');
    expect(growing.of('x\n\ny').map(({ text }) => text)).toEqual(['x', 'y']);
  });
});
