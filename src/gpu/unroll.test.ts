/** Writing loops out: the same statements in the same order, as many as there are models, and not without end. */

import { describe, expect, it } from 'vitest';
import { unrolled } from './unroll.ts';

/** The calls that a text makes, in order, as a reader of its constants would see them. */
function calls(text: string): string[] {
  const names = new Map<string, string>();
  return [...text.matchAll(/const (\w+) = (\d+)u;|visit\((\w+), (\w+)\);|last\(\);/g)].flatMap(
    ([all, name, value, a, b]) => {
      if (name !== undefined && value !== undefined) names.set(name, value);
      else if (a !== undefined && b !== undefined) return [`${names.get(a) ?? a},${names.get(b) ?? b}`];
      else return [all];
      return [];
    },
  );
}

const NESTED = `
fn merge(i: u32) -> f32 {
  for (var a = 0u; a < MODELS; a++) { // the outer {
    if (a > 0u) {
      for (var b = 0u; b < MODELS; b++) {
        visit(a, b);
      }
    }
    visit(a, i);
  }
  last();
}`;

describe('loops over the models', () => {
  it('are written out in order, within one another, and what follows stays', () => {
    const text = unrolled(NESTED, 2);
    expect(text).not.toContain('for (');
    expect(calls(text)).toEqual(['0,0', '0,1', '0,i', '1,0', '1,1', '1,i', 'last();']);
  });

  it('stay loops where writing them out would take too many copies', () => {
    const text = unrolled(NESTED, 4);
    expect(text.match(/for \(var b/g)).toHaveLength(4);
    expect(calls(text)).toEqual(
      [...Array.from({ length: 4 }, (_, a) => ['b', 'i'].map((x) => `${a},${x}`)), 'last();'].flat(),
    );
    expect(unrolled(NESTED, 5)).toContain('for (var a');
  });

  it('are the only loops that change', () => {
    const text = 'for (var n = 0u; n < 4u; n++) { visit(n, i); } for (var k = 1u; k < MODELS; k++) { visit(k, i); }';
    expect(unrolled(text, 3)).toBe(text);
  });

  it('refuse a text that is not whole', () => {
    expect(() => unrolled('for (var k = 0u; k < MODELS; k++) { visit(k, i);', 3)).toThrow(/not closed/);
  });
});
