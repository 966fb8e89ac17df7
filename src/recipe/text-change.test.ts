import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TextChange, textChanges } from './text-change.ts';

function applied(text: string, changes: readonly TextChange[]): string {
  let out = '';
  let at = 0;
  for (const { from, to, insert } of changes) {
    out += text.slice(at, from) + insert;
    at = to;
  }
  return out + text.slice(at);
}

describe('textChanges', () => {
  it('property: gives the other text, in order and apart', () => {
    const line = fc.constantFrom('a', 'b', '  c: 1', '  c: 2', '', '# x');
    const text = fc
      .tuple(fc.array(line, { maxLength: 12 }), fc.boolean())
      .map(([lines, ends]) => lines.join('\n') + (ends ? '\n' : ''));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const changes = textChanges(before, after);
        expect(applied(before, changes)).toBe(after);
        for (const [i, { from, to }] of changes.entries()) {
          expect(to).toBeGreaterThanOrEqual(from);
          if (i > 0) expect(from).toBeGreaterThanOrEqual(changes[i - 1]?.to ?? 0);
        }
      }),
    );
  });

  it('touches only what differs, also in two places', () => {
    const before = 'a: 1\nb: 2\nc: 3\nd: 4\n';
    expect(textChanges(before, 'a: 1\nb: 25\nc: 3\nd: 4\n')).toEqual([{ from: 9, to: 9, insert: '5' }]);
    expect(textChanges(before, 'a: 9\nb: 2\nc: 3\nd: 4\ne: 5\n')).toEqual([
      { from: 3, to: 4, insert: '9' },
      { from: 20, to: 20, insert: 'e: 5\n' },
    ]);
    expect(textChanges(before, 'a: 1\nc: 3\nd: 4\n')).toEqual([{ from: 5, to: 10, insert: '' }]);
    expect(textChanges(before, before)).toEqual([]);
  });

  it('is bounded', () => {
    const long = (word: string) => Array.from({ length: 20_000 }, (_, i) => `${word}${i}\n`).join('');
    expect(textChanges(long('a'), long('b'))).toHaveLength(1);
  });
});
