/** The language: every construct, and random programs of them, against an interpreter of one element at a time. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bool, f32, Interpreter, u32, type Surroundings } from './test/interpreter.ts';
import { decodedOf, mergedBy, numbersFor, pieceOf } from './test/kernel-bench.ts';

const MODELS = 3;
const P = 0.75;

/** Values among which all comparisons come out both ways, with edges. */
function sources(elements: number, seed: number): Float32Array[] {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const edges = [0, -0, 1, -1, 0.5, 2, 1e-40, 3e38, Number.POSITIVE_INFINITY, Number.NaN];
  return Array.from({ length: MODELS + 1 }, () =>
    Float32Array.from({ length: elements }, () =>
      next() < 0.1 ? (edges[Math.floor(next() * edges.length)] ?? 0) : (next() - 0.5) * 4,
    ),
  );
}

function compare(text: string, elements = 37, seed = 1): void {
  const piece = pieceOf(sources(elements, seed), { hasBase: true });
  const values = decodedOf(piece);
  const numbers = numbersFor(MODELS, { params: { p: P, mode: 1 } });
  const at = (s: number, i: number) => values[s]?.[i] ?? 0;
  const world: Surroundings = {
    constants: { MODELS: u32(MODELS), HAS_BASE: bool(true), MODE_ONE: f32(0), MODE_TWO: f32(1) },
    accessors: {
      base: (i) => f32(at(0, i as number)),
      model: (k, i) => f32(at(1 + (k as number), i as number)),
      delta: (k, i) => f32(at(1 + (k as number), i as number) - at(0, i as number)),
      coefficient: (n) => f32((n as number) + 0.5),
      param_p: () => f32(P),
      param_mode: () => f32(1),
      weight_of: (k) => f32((k as number) + 1),
      is_set: (v) => bool((v as number) > -3e38),
      row_elements: () => u32(elements),
    },
  };
  const got = mergedBy(text, piece, numbers);
  const oracle = new Interpreter([{ name: 'oracle', text }], world);
  for (let i = 0; i < elements; i++) {
    const want = oracle.call('merge', [u32(i)]);
    if (!want || Array.isArray(want)) throw new Error('merge gives one number');
    if (!Object.is(got[i], want.value)) {
      expect.fail(`element ${i}: ${got[i]} instead of ${want.value} of\n${text}`);
    }
  }
}

const CONSTRUCTS: Readonly<Record<string, string>> = {
  'a weighted sum':
    'fn merge(i: u32) -> f32 { var s = 0.0; for (var k = 0u; k < MODELS; k++) { s += coefficient(k, i) * model(k, i); } return s; }',
  'nested ifs under masks': `fn merge(i: u32) -> f32 {
    var x = 0.0;
    if (model(0u, i) > 0.0) {
      if (model(1u, i) > 0.0) { x = 1.0; } else { x = model(2u, i); if (base(i) < 0.0) { x += 3.0; } }
      x *= 2.0;
    } else if (model(2u, i) > 0.5) { x = -4.0; } else { var y = base(i); y += 1.0; x = y; }
    return x;
  }`,
  'an early return under a mask': `fn merge(i: u32) -> f32 {
    if (model(0u, i) > 1.0) { return 7.0; }
    if (model(1u, i) > 0.0) { if (model(2u, i) > 0.0) { return base(i); } }
    return model(0u, i) * 2.0;
  }`,
  'a return on both sides':
    'fn merge(i: u32) -> f32 { if (delta(0u, i) > 0.0) { return 1.0; } else { return delta(1u, i); } }',
  'an early return where all lanes agree': `fn merge(i: u32) -> f32 {
    let x = model(0u, i);
    if (param_p() > 0.5) { if (x > 0.0) { return 2.0; } return x; }
    return 5.0;
  }`,
  'an agreed return after a masked one': `fn pick(x: f32) -> f32 {
    if (x > 0.5) { return 10.0; }
    if (param_p() < 1.0) { return x; }
    return 20.0;
  }
  fn merge(i: u32) -> f32 { return pick(model(0u, i)) + pick(model(1u, i)); }`,
  'a masked return within an agreed branch within a mask': `fn merge(i: u32) -> f32 {
    var x = 1.0;
    if (model(0u, i) > 0.0) {
      if (param_p() > 0.5) { x = 3.0; return model(1u, i); }
      x = 4.0;
    }
    x += 1.0;
    return x;
  }`,
  'returns from loops': `fn merge(i: u32) -> f32 {
    for (var k = 0u; k < MODELS; k++) { if (model(k, i) > 1.0) { return f32(k) + 0.25; } }
    return -1.0;
  }`,
  'arrays and a sorting network': `fn merge(i: u32) -> f32 {
    var v: array<f32, MODELS>;
    for (var k = 0u; k < MODELS; k++) { v[k] = model(k, i); }
    for (var a = 0u; a + 1u < MODELS; a++) {
      for (var b = 0u; b + 1u < MODELS - a; b++) {
        if (v[b] > v[b + 1u]) { let t = v[b]; v[b] = v[b + 1u]; v[b + 1u] = t; }
      }
    }
    return v[MODELS / 2u];
  }`,
  'arrays by value': `const TABLE = array<f32, 3>(1.5, 2.0, -1.0);
  fn scaled(v: array<f32, MODELS>, by: f32) -> array<f32, MODELS> {
    var out = v;
    for (var k = 0u; k < MODELS; k++) { out[k] *= by; }
    return out;
  }
  fn merge(i: u32) -> f32 {
    var v = array<f32, MODELS>(model(0u, i), model(1u, i), base(i));
    let w = scaled(v, TABLE[2]);
    v = w;
    return v[0] + w[1] - v[2] + TABLE[0u];
  }`,
  booleans: `fn merge(i: u32) -> f32 {
    var seen: array<bool, MODELS>;
    seen[1] = model(1u, i) > 0.0;
    let both = seen[1] && !(model(0u, i) < 0.0) || seen[0];
    let odd = (model(2u, i) > 0.0) != both;
    if (odd == true) { return 1.0; }
    return f32(both) + f32(u32(seen[1]) * 2u);
  }`,
  'integers and bits': `fn merge(i: u32) -> f32 {
    let b = bitcast<u32>(model(0u, i));
    let s = bitcast<i32>(model(1u, i));
    var n = (b >> 7u) ^ (b << (b & 31u)) | (b & 0xffu);
    n += u32(abs(s) % 1000);
    n = n / (b % 7u) + n % 8u + n / 16u - (~b);
    let m = s / (s % 3) + (s >> 2u) - min(s, 5) + max(-s, 3);
    return f32(n % 4096u) + f32(m % 100) + f32(select(1u, 2u, n > b)) + f32(i32(model(2u, i)));
  }`,
  'numbers of all kinds': `const HALF = 1.0 / 3.0;
  const COUNT: u32 = 2 + 3 * 4;
  fn merge(i: u32) -> f32 {
    const LOCAL = HALF * 3.0;
    let x = model(0u, i) * HALF + LOCAL - 1e-3f + .5 + 0x10;
    var y: f32 = 3;
    y -= -x; y /= 2.0; y *= 1.5f; y %= 1.25;
    return y + f32(COUNT) + f32(MODELS);
  }`.replace(' + 0x10', ' + f32(0x10)'),
  'builtin functions': `fn merge(i: u32) -> f32 {
    let x = model(0u, i);
    let y = model(1u, i);
    return sqrt(abs(x)) + floor(y * 3.0) + sign(x) * 4.0 + clamp(y, -0.5, 0.25) + min(x, y) - max(x, 0.0) + ceil(y) - trunc(x * 2.0)
      + select(x, y, x < y);
  }`,
  'NaN in comparisons': `fn merge(i: u32) -> f32 {
    let x = model(0u, i);
    var n = 0.0;
    if (x < 0.0) { n += 1.0; } if (x >= 0.0) { n += 2.0; } if (x == x) { n += 4.0; } if (x != x) { n += 8.0; }
    return n + select(0.0, 16.0, !(x > 1.0));
  }`,
  'parameters, choices and what is not set': `fn merge(i: u32) -> f32 {
    var x = weight_of(2u);
    if (param_mode() == MODE_TWO) { x += model(0u, i); } else { x = 100.0; }
    if (is_set(param_p()) && HAS_BASE) { x *= param_p(); }
    return x;
  }`,
  'variables that are constant on one way only': `fn merge(i: u32) -> f32 {
    var a = 1.0; var b = 2.0; var c = 3.0; var n = 1u;
    if (param_p() > 0.5) { a = model(0u, i); b = 5.0; } else { c = 4.0; n = 2u; }
    if (param_p() > 0.9) { a = 9.0; } else { b = b + 1.0; }
    if (model(1u, i) > 0.0) { c = 7.0; n += 3u; }
    return a + b * 10.0 + c * 100.0 + f32(n) * 1000.0;
  }`,
  'a heavy branch that may be jumped over': `fn heavy(x: f32, i: u32) -> f32 {
    var s = x;
    for (var k = 0u; k < MODELS; k++) { s += model(k, i) * s; s -= delta(k, i) / (s + 2.0); if (s > 100.0) { return s; } }
    return s;
  }
  fn merge(i: u32) -> f32 {
    var x = 1.0;
    if (model(0u, i) > 1.5) { for (var k = 0u; k < MODELS; k++) { x += heavy(x, i) * weight_of(k); if (x < -50.0) { return 3.0; } } }
    return x + delta(2u, i);
  }`,
  'shadowing and blocks': `fn merge(i: u32) -> f32 {
    let x = model(0u, i);
    var y = 0.0;
    { let x = 2.0; y = x; { let x = base(i); y += x; } }
    for (var x = 0u; x < 2u; x++) { y += f32(x); }
    return y + x; /* a comment /* in a comment */ */ // and another
  }`,
};

describe('constructs', () => {
  it.each(Object.entries(CONSTRUCTS))('%s', (_, text) => {
    for (const elements of [1, 3, 4, 37]) compare(text, elements, elements);
  });
});

/** A random program: nested ifs of all kinds, loops, helpers, early returns. */
function randomProgram(seed: number): string {
  let state = seed >>> 0;
  const next = (limit: number) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return (state >>> 8) % limit;
  };
  const pick = <T>(items: readonly T[]): T => items[next(items.length)] as T;
  const variables = ['a', 'b', 'c'];
  const value = (depth: number): string => {
    if (depth === 0) {
      return pick([
        ...variables,
        'v[1]',
        '0.5',
        '-1.25',
        '3.0',
        'param_p()',
        'weight_of(1u)',
        'model(0u, i)',
        'model(1u, i)',
        'base(i)',
        'delta(2u, i)',
      ]);
    }
    const [x, y] = [value(depth - 1), value(next(depth))];
    return pick([
      `(${x} + ${y})`,
      `(${x} - ${y})`,
      `(${x} * ${y})`,
      `min(${x}, ${y})`,
      `max(${x}, ${y})`,
      `abs(${x})`,
      `select(${x}, ${y}, ${condition(0)})`,
      `(- ${x})`,
    ]);
  };
  const condition = (depth: number): string => {
    const plain = pick([
      `${value(0)} > ${value(0)}`,
      `model(0u, i) < ${value(0)}`,
      'param_p() > 0.5',
      'param_p() > 0.9',
      'MODELS == 3u',
      `${value(0)} != 0.5`,
    ]);
    return depth === 0 ? `(${plain})` : `(${condition(depth - 1)} ${pick(['&&', '||'])} !${condition(0)})`;
  };
  const statements = (depth: number, helper: boolean): string =>
    Array.from({ length: 1 + next(3) }, () => statement(depth, helper)).join('\n');
  const statement = (depth: number, helper: boolean): string => {
    const kind = next(depth > 0 ? 10 : 5);
    if (kind < 3) return `${pick(variables)} ${pick(['=', '+=', '-=', '*='])} ${value(1 + next(2))};`;
    if (kind === 3) return `v[${pick(['0', '1u', 'MODELS - 1u'])}] = ${value(1)};`;
    if (kind === 4) return helper ? `c = a - b;` : `${pick(variables)} = helper(${value(0)}, ${value(0)}, i);`;
    if (kind === 5)
      return `for (var k${depth} = 0u; k${depth} < ${pick(['2u', 'MODELS'])}; k${depth}++) { v[k${depth}] += ${value(1)};\n${statements(depth - 1, helper)} }`;
    if (kind === 6) return `if ${condition(next(2))} { ${statements(depth - 1, helper)}\nreturn ${value(1)}; }`;
    if (kind === 7) return `{ var a = ${value(1)}; b = a; ${statements(depth - 1, helper)} }`;
    return `if ${condition(next(2))} { ${statements(depth - 1, helper)} }${next(2) ? ` else { ${statements(depth - 1, helper)} }` : ''}`;
  };
  const body = (helper: boolean) =>
    `var c = 0.25; var v: array<f32, MODELS>;\n${statements(3, helper)}\nreturn a + b * 0.5 + c + v[0] + v[1] + v[2];`;
  return `fn helper(x: f32, y: f32, i: u32) -> f32 { var a = x; var b = y;\n${body(true)} }
fn merge(i: u32) -> f32 { var a = model(0u, i); var b = 1.0;\n${body(false)} }`;
}

describe('random programs', () => {
  it('do in four lanes what they do in one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => compare(randomProgram(seed), 23, seed)),
      { numRuns: 100 },
    );
  });
});
