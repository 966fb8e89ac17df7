/** What kernels may not hold: refused with the line, and with what is wrong. */

import { describe, expect, it } from 'vitest';
import { KernelError } from './kernel-error.ts';
import { mergedBy, numbersFor, pieceOf, waves } from './test/kernel-bench.ts';

describe('what is outside the subset', () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['while', 'fn merge(i: u32) -> f32 {\n  while (true) {}\n return 0.0; }', /tested\.wgsl:2: 'while' is outside/],
    ['a vector', 'fn merge(i: u32) -> f32 {\n var v: vec2<f32>;\n return 0.0; }', /:2: the type 'vec2' is outside/],
    [
      'the index in arithmetic',
      'fn merge(i: u32) -> f32 {\n\n return f32(i + 1u); }',
      /:3: the element's index may only be handed through/,
    ],
    [
      'a bound that is not constant',
      'fn merge(i: u32) -> f32 { var s = 0.0;\n for (var k = 0u; f32(k) < model(0u, i); k++) { s += 1.0; }\n return s; }',
      /:2: the bounds of a for/,
    ],
    [
      'an index that is not constant',
      'fn merge(i: u32) -> f32 { var v: array<f32, 2>;\n return v[u32(model(0u, i))]; }',
      /:2: an array's index has to be a constant/,
    ],
    [
      'an index out of range',
      'fn merge(i: u32) -> f32 { var v: array<f32, 2>;\n return v[2]; }',
      /:2: index 2 is outside/,
    ],
    [
      'a model out of range',
      'fn merge(i: u32) -> f32 {\n return model(3u, i); }',
      /:2: the model of 'model' is 3, and there are 3/,
    ],
    [
      'mixed types',
      'fn merge(i: u32) -> f32 {\n return model(0u, i) * MODELS; }',
      /:2: '\*' has f32 on one side and u32/,
    ],
    ['an unknown name', 'fn merge(i: u32) -> f32 {\n return modle(0u, i); }', /:2: 'modle' is not known/],
    ['an unknown variable', 'fn merge(i: u32) -> f32 {\n return y; }', /:2: 'y' is not declared/],
    [
      'recursion',
      'fn f(x: f32) -> f32 {\n return f(x); }\nfn merge(i: u32) -> f32 { return f(0.0); }',
      /:2: 'f' calls itself/,
    ],
    ['assigning a let', 'fn merge(i: u32) -> f32 { let x = 1.0;\n x = 2.0; return x; }', /:2: 'x' is not a var/],
    ['add in merge', 'fn merge(i: u32) -> f32 {\n add(0u, 1.0); return 0.0; }', /:2: 'add' belongs to sums/],
    ['no merge', 'fn other(i: u32) -> f32 { return 0.0; }', /fn merge is missing/],
    ['another result', 'fn merge(i: u32) -> u32 { return 1u; }', /has to return f32/],
    ['a stray character', 'fn merge(i: u32) -> f32 {\n return 1.0 ? 2.0; }', /:2: '\?' is not WGSL/],
    ['an open end', 'fn merge(i: u32) -> f32 {\n return 1.0;', /:2: '}' is expected before the end/],
  ];
  it.each(refused)('%s', (_, text, message) => {
    const piece = pieceOf(waves(4, 4), { hasBase: true });
    const run = () => mergedBy(text, piece, numbersFor(3));
    expect(run).toThrow(KernelError);
    expect(run).toThrow(message);
  });
});
