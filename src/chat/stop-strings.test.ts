import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from './stop-strings.ts';

function through(stops: readonly string[], pieces: readonly string[]) {
  const watch = new StopStrings(stops);
  const given = pieces.map((piece) => watch.push(piece));
  if (!watch.isStopped) given.push(watch.finish());
  return { given, text: given.join(''), isStopped: watch.isStopped };
}

/** The definition: the shortest beginning that holds one of them ends before it. */
function slowly(stops: readonly string[], text: string) {
  for (let length = 1; length <= text.length; length++) {
    const beginning = text.slice(0, length);
    const found = stops.filter((stop) => stop !== '' && beginning.endsWith(stop));
    if (found.length > 0) {
      const longest = Math.max(...found.map((stop) => stop.length));
      return { text: text.slice(0, length - longest), isStopped: true };
    }
  }
  return { text, isStopped: false };
}

describe('StopStrings', () => {
  it('gives everything at once where there is nothing to watch for', () => {
    expect(through([], ['a', 'b']).given).toEqual(['a', 'b', '']);
    expect(through([''], ['a', 'b']).given).toEqual(['a', 'b', '']);
  });

  it('holds back what may be the beginning of one, and no more', () => {
    expect(through(['abc'], ['xa', 'b', 'd', 'ab']).given).toEqual(['x', '', 'abd', '', 'ab']);
    expect(through(['abc'], ['xa', 'b', 'cy', 'z'])).toEqual({ given: ['x', '', '', ''], text: 'x', isStopped: true });
    expect(through(['aab'], ['aa', 'a', 'b']).given).toEqual(['', 'a', '']);
  });

  it('ends at the same place however the text is cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 24 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(stop, { maxLength: 3 }), fc.array(text, { maxLength: 6 }), (stops, pieces) => {
        const got = through(stops, pieces);
        const truth = slowly(stops, pieces.join(''));
        expect({ text: got.text, isStopped: got.isStopped }).toEqual(truth);
      }),
      { numRuns: 2000 },
    );
  });
});
