import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecipeFault } from '../bytes/fault.ts';
import { METHODS } from './index.ts';
import { defaults, encodeValue, type Evidence, type Method, type Parameters, type Values } from './method.ts';
import { streamKey, uniform } from './random.ts';

type Given = Readonly<Record<string, number | boolean | string>>;

const THINNED = ['ties', 'breadcrumbs', 'breadcrumbs_ties', 'dare_linear', 'dare_ties', 'della', 'della_linear'];
const ALL = [...THINNED, 'task_arithmetic', 'sce', 'ram', 'ramplus_tl'];

function methodOf(name: string): Method {
  const method = METHODS.get(name);
  if (!method) throw new Error(`${name} does not exist`);
  return method;
}

function valuesOf(declared: Parameters, given: Given): Values {
  const own = Object.entries(given).map(([name, value]) => {
    const p = declared[name];
    if (!p) throw new Error(`no parameter ${name}`);
    return [name, encodeValue(p, value)];
  });
  return { ...defaults(declared), ...Object.fromEntries(own) };
}

interface Case {
  readonly base: ArrayLike<number>;
  readonly models: readonly ArrayLike<number>[];
  readonly params?: Given;
  readonly perModel?: readonly Given[];
  readonly rowElements?: number;
  readonly random?: (k: number, i: number) => number;
}

/** The oracle's result at these values; everything not given is at its default. */
function merged(name: string, of: Case): Float64Array {
  const method = methodOf(name);
  const keys = of.models.map((_, k) => streamKey(Number(of.params?.seed ?? 0), 'some.weight', k));
  return method.reference({
    tensor: 'some.weight',
    base: Float64Array.from(of.base),
    models: of.models.map((x) => Float64Array.from(x)),
    params: valuesOf(method.params, of.params ?? {}),
    perModel: of.models.map((_, k) => valuesOf(method.perModel, of.perModel?.[k] ?? {})),
    rowElements: of.rowElements ?? of.base.length,
    dimensions: of.rowElements === undefined ? 1 : 2,
    coefficient: () => Number.NaN,
    random: of.random ?? ((k, i) => uniform(i, keys[k] ?? [0, 0])),
  });
}

function evidence(
  name: string,
  of: { params?: Given; perModel: readonly Given[]; elements: number; totals?: Record<string, number[]> },
): Evidence {
  const method = methodOf(name);
  const passes = Object.entries(of.totals ?? {}).map(([pass, totals]) => {
    const none = new Float64Array(0);
    return [pass, { totals: Float64Array.from(totals), lines: 1, thresholds: none, cuts: none, found: none }] as const;
  });
  return {
    tensor: 'some.weight',
    models: of.perModel.length,
    hasBase: true,
    params: valuesOf(method.params, of.params ?? {}),
    perModel: of.perModel.map((values) => valuesOf(method.perModel, values)),
    elements: of.elements,
    rowElements: of.elements,
    dimensions: 1,
    sums: null,
    lineSums: null,
    passes: new Map(passes),
  };
}

function passOf(name: string, pass: string) {
  const own = methodOf(name).passes?.find((p) => p.name === pass);
  if (!own) throw new Error(`${name} has no pass ${pass}`);
  return own;
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[]) {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 6));
}

/** Reproducible values in (−1, 1), steps of 2^-10: exact in every format. */
function noise(elements: number, stream: number): Float64Array {
  return Float64Array.from({ length: elements }, (_, i) => Math.floor((uniform(i, [stream, 7]) - 0.5) * 2048) / 1024);
}

describe('what stays', () => {
  const zeros = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const ramp = [1, -2, 3, -4, 5, -6, 7, -8, 9, -10];

  test('ties keeps the largest floor(density · n)', () => {
    expectClose(
      merged('ties', { base: zeros, models: [ramp], perModel: [{ density: 0.39 }] }),
      [0, 0, 0, 0, 0, 0, 0, -8, 9, -10],
    );
  });

  test('among equal sizes the first are kept', () => {
    const even = [1, -1, 1, 1];
    expectClose(merged('ties', { base: [0, 0, 0, 0], models: [even], perModel: [{ density: 0.5 }] }), [1, -1, 0, 0]);
  });

  test.each(['ties', 'breadcrumbs', 'breadcrumbs_ties'])('%s keeps at least one change of a scalar', (name) => {
    const scalar = (density: number) => merged(name, { base: [1], models: [[3]], perModel: [{ density }] })[0];
    expect(scalar(0.2)).toBe(3);
    expect(scalar(0)).toBe(1);
  });

  test('breadcrumbs drops outliers and the smallest', () => {
    const perModel = [{ density: 0.5, gamma: 0.2 }];
    expectClose(merged('breadcrumbs', { base: zeros, models: [ramp], perModel }), [0, 0, 0, -4, 5, -6, 7, -8, 0, 0]);
  });

  test('breadcrumbs drops fewer outliers where density asks for more than is left', () => {
    const perModel = [{ density: 0.9, gamma: 0.4 }];
    expectClose(merged('breadcrumbs', { base: zeros, models: [ramp], perModel }), [...ramp.slice(0, 9), 0]);
  });

  test('breadcrumbs drops nothing but the smallest where gamma leaves no outlier', () => {
    const perModel = [{ density: 0.5 }];
    expectClose(merged('breadcrumbs', { base: zeros, models: [ramp], perModel }), [0, 0, 0, 0, 0, -6, 7, -8, 9, -10]);
  });

  test('the passes ask for the same counts', () => {
    const perModel = [{ density: 0.5 }, { density: 1 }, { density: 0 }, { density: 0.001 }];
    const ties = passOf('ties', 'magnitude');
    const middle = passOf('breadcrumbs', 'magnitude');
    if (ties.kind !== 'select' || middle.kind !== 'select') throw new Error('not selections');
    expect(ties.select(evidence('ties', { perModel, elements: 200 })).map(({ count }) => count)).toEqual([
      100, 200, 0, 1,
    ]);
    const slots = middle.select(evidence('breadcrumbs', { perModel, elements: 200 }));
    expect(slots.map(({ key }) => key)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    // All but the smallest, then the outliers: two of 200 at the default gamma, none where nothing is thinned out.
    expect(slots.map(({ count }) => count)).toEqual([102, 200, 2, 3, 2, 0, 2, 2]);
    expect(slots.length).toBe(middle.slots(4));
  });

  test.each(THINNED)('%s needs no pass where every density is 1', (name) => {
    const { params, perModel } = evidence(name, { params: { rescale: true }, perModel: [{}, {}], elements: 9 });
    for (const pass of methodOf(name).passes ?? [])
      expect(pass.isNeeded?.(params, perModel, 'some.weight')).toBe(false);
    const thin = evidence(name, { params: { rescale: true }, perModel: [{}, { density: 0.5 }], elements: 9 });
    for (const pass of methodOf(name).passes ?? [])
      expect(pass.isNeeded?.(thin.params, thin.perModel, 'some.weight')).toBe(true);
    const plain = evidence(name, { params: { rescale: false }, perModel: [{}, { density: 0.5 }], elements: 9 });
    expect(passOf(name, 'l1').isNeeded?.(plain.params, plain.perModel, 'some.weight')).toBe(false);
  });
});

describe('rescale', () => {
  test('gives what stays the L1 norm of the whole', () => {
    const params = { rescale: true };
    const perModel = [{ density: 0.5 }];
    expectClose(merged('ties', { base: [1, 1, 1, 1], models: [[2, -1, 4, 5]], params, perModel }), [
      1,
      1,
      1 + 3 * (10 / 7),
      1 + 4 * (10 / 7),
    ]);
  });

  test('the pass finds the same factor, and 1 where there is next to nothing', () => {
    const pass = passOf('ties', 'l1');
    const of = { perModel: [{}, {}, {}], elements: 4, totals: { l1: [10, 1e-8, 3, 7, 1e-8, 0] } };
    expect(Array.from(pass.finds?.from(evidence('ties', of)) ?? [])).toEqual([10 / 7, 1, 1]);
  });

  test.each(['dare_linear', 'della_linear'])('%s: the L1 norm is that of the whole change', (name) => {
    const model = noise(6000, 3);
    const base = new Float64Array(6000);
    const out = merged(name, { base, models: [model], perModel: [{ density: 0.3 }], rowElements: 60 });
    const norm = (values: Float64Array) => values.reduce((sum, v) => sum + Math.abs(v), 0);
    expect(norm(out) / norm(model)).toBeCloseTo(1, 6);
  });

  test('dare by probability divides by the density', () => {
    const params = { rescale_by: 'probability' };
    const random = (_: number, i: number) => (i === 0 ? 0.24 : 0.25);
    const perModel = [{ density: 0.25 }];
    expectClose(merged('dare_linear', { base: [1, 1], models: [[3, 3]], params, perModel, random }), [9, 1]);
  });

  test('della by probability divides by each change’s own', () => {
    const params = { rescale_by: 'probability' };
    const perModel = [{ density: 0.5, epsilon: 0.1 }];
    const of = { base: [0, 0, 0], models: [[3, 1, 2]], params, perModel, random: () => 0 };
    expectClose(merged('della_linear', of), [3 / 0.6, 1 / 0.4, 2 / 0.5]);
  });
});

describe('chance', () => {
  const elements = 40_000;
  const base = new Float64Array(elements);
  const models = [new Float64Array(elements).fill(1), new Float64Array(elements).fill(1)];
  const kept = (name: string, density: number, seed = 0) =>
    merged(name, {
      base,
      models: models.slice(0, 1),
      params: { rescale: false, seed },
      perModel: [{ density }],
      rowElements: 100,
    });

  test.each([
    ['dare_linear', 0.1],
    ['dare_ties', 0.55],
    ['della', 0.5],
    ['della_linear', 0.8],
  ])('%s keeps a share of about %f', (name, density) => {
    const share = kept(name, density).reduce((sum, v) => sum + v, 0) / elements;
    // Four standard deviations.
    expect(Math.abs(share - density)).toBeLessThan(4 * Math.sqrt((density * (1 - density)) / elements));
  });

  test('a seed gives the same merge again, another seed another', () => {
    expect(kept('dare_linear', 0.5, 3)).toEqual(kept('dare_linear', 0.5, 3));
    expect(kept('dare_linear', 0.5, 3)).not.toEqual(kept('dare_linear', 0.5, 4));
  });

  test('models draw independently', () => {
    const perModel = [{ density: 0.5 }, { density: 0.5 }];
    const out = merged('dare_linear', { base, models, params: { rescale: false }, perModel });
    const both = out.filter((v) => v === 2).length / elements;
    expect(both).toBeGreaterThan(0.24);
    expect(both).toBeLessThan(0.26);
  });

  test('della: the probability rises with the rank within the row, ties by index', () => {
    const density = 0.5;
    const epsilon = 0.2;
    const row = [4, -1, 3, 3, 2];
    const expected = [4, 0, 2, 3, 1].map((rank) => density - epsilon + (2 * epsilon * rank) / 4);
    for (const offset of [-1e-6, 1e-6]) {
      const random = (_: number, i: number) => (expected[i % 5] ?? 0) + offset;
      const of = { base: new Float64Array(10), models: [[...row, ...row]], params: { rescale: false } };
      const out = merged('della_linear', { ...of, perModel: [{ density, epsilon }], rowElements: 5, random });
      expectClose(out, offset < 0 ? [...row, ...row] : new Array<number>(10).fill(0));
    }
  });

  test('della: the only element of a row stays with probability density', () => {
    const at = (random: number) =>
      merged('della_linear', {
        base: [0, 0],
        models: [[1, 2]],
        params: { rescale: false },
        perModel: [{ density: 0.5, epsilon: 0.2 }],
        rowElements: 1,
        random: () => random,
      });
    expectClose(at(0.499), [1, 2]);
    expectClose(at(0.501), [0, 0]);
  });

  test.each(['della', 'della_linear'])('%s refuses probabilities beyond 0 and 1, and says what to choose', (name) => {
    const checkAt = (density: number, epsilon: number) =>
      methodOf(name).check?.(evidence(name, { perModel: [{}, { density, epsilon }], elements: 4 }));
    expect(() => checkAt(0.9, 0.15)).toThrow(RecipeFault);
    expect(() => checkAt(0.9, 0.15)).toThrow('epsilon below 0.1 instead of 0.15');
    expect(() => checkAt(0.1, 0.1)).toThrow(RecipeFault);
    for (const [density, epsilon] of [
      [1, 0.15],
      [0, 0.15],
      [0.84, 0.15],
    ] as const) {
      expect(() => checkAt(density, epsilon)).not.toThrow();
    }
  });
});

describe('election', () => {
  const one = (changes: readonly number[], weights: readonly number[], params: Given = {}) =>
    merged('ties', {
      base: [10],
      models: changes.map((change) => [10 + change]),
      params,
      perModel: weights.map((weight) => ({ weight })),
    })[0];

  test('only changes with the sign of the weighted sum count, divided by their weights', () => {
    expect(one([1, 2, -4], [1, 1, 1])).toBe(10 - 4);
    expect(one([1, 2, -4], [2, 2, 1])).toBe(10 + 6 / 4);
    expect(one([1, 2, -4], [2, 2, 1], { normalize: false, lambda: 0.5 })).toBe(10 + 3);
  });

  test('a sum of zero counts as positive, and zeros agree with nobody', () => {
    expect(one([3, -3], [1, 1])).toBe(13);
    expect(one([0, 0], [1, 1])).toBe(10);
    expect(one([0, -2], [1, 1])).toBe(8);
  });

  test('a negative weight turns its model’s vote', () => {
    expect(one([1, 3], [1, -1], { normalize: false })).toBe(10 - 3);
    expect(one([1, 3], [1, -1])).toBe(10 + 3);
  });

  test('agreeing weights that add up to zero divide by one', () => {
    expect(one([1, -2], [1, -1])).toBe(10 + 3);
  });

  test('lambda comes last and may be zero or negative', () => {
    expect(one([3, -3], [1, 1], { lambda: 0 })).toBe(10);
    expect(one([3, -3], [1, 1], { lambda: -1 })).toBe(7);
  });
});

describe('normalize without an election', () => {
  test.each(['task_arithmetic', 'breadcrumbs', 'dare_linear', 'della_linear'])('%s', (name) => {
    const at = (weights: readonly number[]) => ({
      base: [1],
      models: weights.map((_, k) => [3 + k]),
      params: { normalize: true, lambda: 2 },
      perModel: weights.map((weight) => ({ weight })),
    });
    expect(merged(name, at([1, 3]))[0]).toBeCloseTo(1 + (2 * (2 + 9)) / 4, 12);
    // mergekit's guard: weights that add up to nothing are not divided by.
    expect(merged(name, at([1, -1]))[0]).toBeCloseTo(1 + 2 * (2 - 3), 12);
    const perModel = [{ weight: 1 }, { weight: 3 }];
    const of = evidence(name, { params: { normalize: true, lambda: 2 }, perModel, elements: 1 });
    expectClose(methodOf(name).coefficients(of), [0.5, 1.5]);
  });
});

describe('sce', () => {
  test('weighs by squared change, erases the minority', () => {
    // Energies 13 and 5 of 18.
    const of = {
      base: [0, 0],
      models: [
        [2, 3],
        [1, -2],
      ],
    };
    expectClose(merged('sce', of), [(2 * 13 + 1 * 5) / 18, 3]);
    const totals = { energy: [13, 5] };
    const coefficients = methodOf('sce').coefficients(evidence('sce', { perModel: [{}, {}], elements: 2, totals }));
    expectClose(coefficients, [13 / 18, 5 / 18]);
  });

  test('selects of the positions that differ; its two forms', () => {
    // Variances 0, 1, 4, 0.25: half of the three that differ is one position, the third.
    const models = [
      [1, 2, 4, 1],
      [1, 0, 0, 2],
    ];
    const params = { select_topk: 0.5 };
    expectClose(merged('sce', { base: [0, 0, 0, 0], models, params }), [0, 0, 4, 0]);
    expectClose(merged('sce', { base: [0, 0, 0, 0], models, params: { ...params, form: 'fuseai' } }), [1, 2, 4, 1]);
  });

  test('the pass counts a share of the positions that differ', () => {
    const pass = passOf('sce', 'variance');
    if (pass.kind !== 'select') throw new Error('not a selection');
    const of = { params: { select_topk: 0.34 }, perModel: [{}, {}], elements: 100, totals: { varied: [10] } };
    expect(pass.select(evidence('sce', of))).toEqual([{ key: 0, count: 3 }]);
    // mergekit multiplies in float32, where 0.7 · 90 is 63; in float64 it is just below.
    const rounded = { ...of, params: { select_topk: 0.7 }, totals: { varied: [90] } };
    expect(pass.select(evidence('sce', rounded))).toEqual([{ key: 0, count: 63 }]);
  });

  test('a tensor in which no position is selected stays the base', () => {
    const of = {
      base: [1, 2],
      models: [
        [3, 4],
        [3, 4],
      ],
      params: { select_topk: 0.5 },
    };
    expectClose(merged('sce', of), [1, 2]);
  });

  test('small changes weigh like large ones, unless mergekit’s rule is asked for', () => {
    const of = {
      base: [0, 0],
      models: [
        [2e-4, 2e-4],
        [1e-4, 1e-4],
      ],
    };
    const plain = merged('sce', of)[0] ?? 0;
    expect(plain / 1e-4).toBeCloseTo((2 * 4 + 1) / 5, 5);
    const equal = merged('sce', { ...of, params: { equal_when_small: true } })[0] ?? 0;
    expect(equal / 1e-4).toBeCloseTo(1.5, 5);
  });
});

describe('ram', () => {
  const of = {
    base: [1, 1, 1, 1],
    models: [
      [2, 1, 3, 1.000001],
      [4, 2, 1, 1],
    ],
    perModel: [],
  };

  test('averages what is shared, keeps what is not, drops what is too small', () => {
    expectClose(merged('ram', of), [1 + (1 + 3) / 2, 2, 3, 1]);
  });

  test('ramplus_tl scales up what is not shared', () => {
    // Each model shares one change and alone has one: ratio 1, at most alpha.
    expectClose(merged('ramplus_tl', of), [3, 2.02, 1 + 2 * 1.02, 1]);
    expectClose(merged('ramplus_tl', { ...of, params: { r: 0.5, alpha: 3 } }), [3, 1 + 1.5, 1 + 2 * 1.5, 1]);
    const totals = { overlap: [3, 0, 30, 0] };
    const coefficients = methodOf('ramplus_tl').coefficients(
      evidence('ramplus_tl', { perModel: [{}, {}], elements: 40, totals }),
    );
    expectClose(coefficients, [1.01, 1]);
  });
});

describe('all of them', () => {
  const arbitrary = fc.record({
    name: fc.constantFrom(...ALL),
    models: fc.integer({ min: 1, max: 4 }),
    elements: fc.integer({ min: 1, max: 40 }),
    density: fc.constantFrom(0, 0.3, 0.5, 1),
    rescale: fc.boolean(),
    seed: fc.integer({ min: 0, max: 1000 }),
  });

  function caseOf(v: { name: string; models: number; elements: number; density: number; rescale: boolean }): Case {
    const method = methodOf(v.name);
    const has = (declared: Parameters, name: string) => name in declared && declared[name]?.kind !== 'ignored';
    return {
      base: noise(v.elements, 1),
      models: [],
      params: has(method.params, 'rescale') ? { rescale: v.rescale } : {},
      perModel: Array.from({ length: v.models }, () => (has(method.perModel, 'density') ? { density: v.density } : {})),
    };
  }

  test('models that are the base give the base', () => {
    fc.assert(
      fc.property(arbitrary, (v) => {
        const of = caseOf(v);
        expect(merged(v.name, { ...of, models: Array.from({ length: v.models }, () => of.base) })).toEqual(of.base);
      }),
    );
  });

  test('one model whose changes all stay is that model', () => {
    fc.assert(
      fc.property(arbitrary, (v) => {
        const of = caseOf({ ...v, models: 1, density: 1 });
        const model = noise(v.elements, v.seed + 2);
        expectClose(merged(v.name, { ...of, models: [model] }), Array.from(model));
      }),
    );
  });

  test('density 0 leaves the base', () => {
    fc.assert(
      fc.property(arbitrary, (v) => {
        fc.pre(THINNED.includes(v.name));
        const of = caseOf({ ...v, density: 0 });
        const models = Array.from({ length: v.models }, (_, k) => noise(v.elements, v.seed + k + 2));
        expect(merged(v.name, { ...of, models })).toEqual(of.base);
      }),
    );
  });
});
