/** Every method's kernels, from the declarations alone: compiled, against the interpreter, for all of their choices. */

import { describe, expect, it } from 'vitest';
import { METHODS, shaderText } from '../methods/index.ts';
import type { KernelNumbers, Lines, Slots } from '../methods/kernel.ts';
import { defaults, type Method, type Pass, type Values } from '../methods/method.ts';
import { uniform } from '../methods/random.ts';
import { CpuKernels, type Ranks } from './kernels.ts';
import { bool, f32, Interpreter, u32, type Surroundings, type Typed } from './test/interpreter.ts';
import { decodedOf, linesFor, pieceOf } from './test/kernel-bench.ts';

const ELEMENTS = 45;
const ROW = 9;

function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** Every combination of the choices and switches that a method has, with its numbers in the middle of their ranges. */
function* settings(method: Method): Generator<Values> {
  const names = Object.entries(method.params).filter(([, p]) => p.kind === 'choice' || p.kind === 'boolean');
  const counts = names.map(([, p]) => (p.kind === 'choice' ? p.options.length : 2));
  const total = Math.min(
    48,
    counts.reduce((a, b) => a * b, 1),
  );
  for (let n = 0; n < total; n++) {
    const values: Record<string, number> = { ...defaults(method.params) };
    for (const [name, p] of Object.entries(method.params)) {
      if (p.kind === 'number' && (n % 2 === 1 || p.default === null)) values[name] = (p.min + p.max) / 2;
      if (p.kind === 'number' && p.default === null && n % 2 === 0) values[name] = Number.NaN;
    }
    let rest = n;
    names.forEach(([name], i) => {
      values[name] = rest % (counts[i] ?? 1);
      rest = Math.floor(rest / (counts[i] ?? 1));
    });
    yield values;
  }
}

function numbersOf(method: Method, models: number, params: Values, seed: number): KernelNumbers {
  const next = randomFrom(seed);
  const lines = (over: 'tensor' | 'row' | 'column', width: number): Lines =>
    linesFor(over, width, { tensor: 1, row: ELEMENTS / ROW, column: ROW }[over], () => next());
  const over = method.coefficientsOver?.(params) ?? (method.statistics(params) === 'row' ? 'row' : 'tensor');
  const perModel = Array.from({ length: models }, () => {
    const own: Record<string, number> = { ...defaults(method.perModel) };
    for (const [name, p] of Object.entries(method.perModel)) {
      if (p.kind === 'number' && p.default !== null) own[name] = p.min + next() * (p.max - p.min);
    }
    return own;
  });
  const slots = new Map<string, Slots>();
  const found = new Map<string, Lines>();
  for (const pass of method.passes ?? []) {
    if (pass.isNeeded && !pass.isNeeded(params, perModel, 't')) continue;
    if (pass.kind === 'select') {
      const count = pass.slots(models);
      const bits = Uint32Array.from({ length: count }, () => bitsOf(next() * 0.5));
      slots.set(pass.name, { bits, cuts: Uint32Array.from({ length: count }, () => next() * ELEMENTS) });
    }
    if (pass.finds) found.set(pass.name, lines(pass.finds.over, pass.finds.width(models)));
  }
  const coefficients = lines(over, models + (method.extraCoefficients ?? 0));
  return { params, perModel, coefficients, found, slots, streams: perModel.map((_, k) => [k, seed] as const) };
}

const WORD = new Uint32Array(1);
const FLOAT = new Float32Array(WORD.buffer);

function bitsOf(value: number): number {
  FLOAT[0] = value;
  return WORD[0] ?? 0;
}

/** The accessors in plain terms. */
function surroundings(
  method: Method,
  numbers: KernelNumbers,
  sources: readonly Float32Array[],
  hasBase: boolean,
  ranks: Ranks,
  add: (q: number, value: number) => void,
): Surroundings {
  const models = hasBase ? sources.slice(1) : sources;
  const base = (i: number) => (hasBase ? (sources[0]?.[i] ?? 0) : 0);
  const model = (k: number, i: number) => models[k]?.[i] ?? 0;
  const along = (lines: Lines | undefined, n: number, i: number): Typed => {
    if (!lines) return f32(0);
    const line = lines.lines === 1 ? 0 : lines.over === 'row' ? Math.floor(i / ROW) : i % ROW;
    return f32(lines.values[n * lines.lines + line] ?? 0);
  };
  const number = (value: number | undefined) => f32(value === undefined || Number.isNaN(value) ? -3.4028234e38 : value);
  const accessors: Record<string, (...args: number[]) => Typed | null> = {
    base: (i = 0) => f32(base(i)),
    model: (k = 0, i = 0) => f32(model(k, i)),
    delta: (k = 0, i = 0) => f32(model(k, i) - base(i)),
    coefficient: (n = 0, i = 0) => along(numbers.coefficients, n, i),
    is_set: (v = 0) => bool(v > -3e38),
    random: (k = 0, i = 0) => f32(uniform(i, numbers.streams[k] ?? [0, 0])),
    rank: (k = 0, i = 0) => u32(ranks[k]?.[i] ?? 0),
    row_elements: () => u32(ROW),
    add: (q = 0, value = 0) => {
      add(q, value);
      return null;
    },
  };
  const constants: Record<string, Typed> = { MODELS: u32(models.length), HAS_BASE: bool(hasBase) };
  for (const [name, p] of Object.entries(method.params)) {
    accessors[`param_${name}`] = () => number(numbers.params[name]);
    if (p.kind === 'choice') {
      p.options.forEach((option, n) => {
        constants[`${name}_${option}`.toUpperCase()] = f32(n);
      });
    }
  }
  for (const name of Object.keys(method.perModel)) {
    accessors[`${name}_of`] = (k = 0) => number(numbers.perModel[k]?.[name]);
  }
  for (const pass of method.passes ?? []) {
    accessors[`found_${pass.name}`] = (n = 0, i = 0) => along(numbers.found.get(pass.name), n, i);
    accessors[`is_top_${pass.name}`] = (slot = 0, key = 0, i = 0) => {
      const slots = numbers.slots.get(pass.name);
      if (!slots) return bool(true);
      const [bits, limit] = [bitsOf(key), slots.bits[slot] ?? 0];
      return bool(bits > limit || (bits === limit && i < (slots.cuts[slot] ?? 0)));
    };
  }
  return { constants, accessors };
}

/** Whether two results are the same, but for what exp and log may differ by. */
function isClose(got: number, want: number): boolean {
  if (Number.isNaN(want) || Number.isNaN(got)) return Number.isNaN(want) && Number.isNaN(got);
  return got === want || Math.abs(got - want) <= 1e-5 * Math.max(Math.abs(want), 1e-3);
}

function checkMethod(method: Method, models: number, hasBase: boolean): void {
  const files = [...(method.parts ?? []), method.name].map((name) => ({ name, text: shaderText(name) }));
  const kernels = new CpuKernels();
  let seed = models * 10 + (hasBase ? 1 : 0);
  for (const params of settings(method)) {
    const next = randomFrom(++seed);
    const count = models + (hasBase ? 1 : 0);
    const shared = Float32Array.from({ length: ELEMENTS }, () => next() - 0.5);
    const sources = Array.from({ length: count }, () =>
      shared.map((x) => (next() < 0.3 ? x : x + (next() - 0.5) * 0.3)),
    );
    const dtypes = sources.map((_, s) => (['BF16', 'F32', 'F16'] as const)[s % 3] ?? 'F32');
    const piece = pieceOf(sources, { hasBase, dtypes, rowElements: ROW });
    const numbers = numbersOf(method, models, params, seed);
    const ranks = Array.from({ length: models }, () =>
      Uint32Array.from({ length: ELEMENTS }, () => Math.floor(next() * ROW)),
    );
    const ownRanks = method.ranks ? ranks : null;
    const totals = new Map<number, number>();
    let pass: Pass | null = null;
    const world = surroundings(method, numbers, decodedOf(piece), hasBase, ranks, (q, value) => {
      const before = totals.get(q) ?? 0;
      const isMaximum = pass?.kind === 'sums' && pass.isMaximum;
      totals.set(q, isMaximum ? Math.max(before, value) : before + value);
    });
    const oracle = new Interpreter(files, world);
    const what = `${method.name} of ${models} at ${JSON.stringify(params)}`;
    const got = kernels.merge(piece, method, numbers, 'F32', 'float32', { isAudited: false, ranks: ownRanks }).values;
    for (let i = 0; i < ELEMENTS; i++) {
      const want = oracle.call('merge', [u32(i)]) as Typed;
      if (!isClose(got[i] ?? 0, want.value)) expect.fail(`${what}: element ${i} is ${got[i]} instead of ${want.value}`);
    }
    for (pass of method.passes ?? []) {
      if (pass.kind === 'select') {
        for (let key = 0; key < pass.keys(models); key++) {
          const bits = new Uint32Array(ELEMENTS);
          kernels.keys(piece, method, pass, numbers, ownRanks, key, 0, ELEMENTS, bits);
          const own = new Float32Array(bits.buffer);
          for (let i = 0; i < ELEMENTS; i++) {
            const want = oracle.call(pass.name, [u32(key), u32(i)]) as Typed;
            if (!isClose(own[i] ?? 0, want.value))
              expect.fail(`${what}: key ${key} of ${pass.name} at ${i}: ${own[i]} instead of ${want.value}`);
          }
        }
        continue;
      }
      const { over, quantities } = pass;
      const lines = { tensor: 1, row: ELEMENTS / ROW, column: ROW }[over];
      const sums = kernels.sums(piece, method, pass, numbers, ownRanks);
      for (let line = 0; line < lines; line++) {
        totals.clear();
        for (let i = 0; i < ELEMENTS; i++) {
          const own = over === 'row' ? Math.floor(i / ROW) : over === 'column' ? i % ROW : 0;
          if (own === line) oracle.call(pass.name, [u32(i)]);
        }
        for (let q = 0; q < quantities(models); q++) {
          const sum = sums[q * lines + line] ?? Number.NaN;
          if (!isClose(sum, totals.get(q) ?? 0))
            expect.fail(`${what}: ${pass.name} ${q} is ${sum} instead of ${totals.get(q)}`);
        }
      }
    }
  }
}

describe.each([...METHODS.values()].map((method) => [method.name, method] as const))('%s', (_, method) => {
  const { min, max } = method.models;
  const counts = [...new Set([min, Math.min(max, Math.max(min, 3)), Math.min(max, 16)])];
  const bases = method.base === 'required' ? [true] : method.base === 'none' ? [false] : [true, false];
  it.each(counts.flatMap((count) => bases.map((hasBase) => [count, hasBase] as const)))(
    'of %i models, base: %s',
    (count, hasBase) => checkMethod(method, count, hasBase),
    60_000,
  );
});
