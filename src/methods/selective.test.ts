/**
 * The methods that choose or score single elements and columns, against cases calculated by hand: their references, and
 * what their declarations make of passes whose totals are calculated here in float64.
 */

import { describe, expect, it } from 'vitest';
import { arceeFusion } from './arcee_fusion.ts';
import { defaults, type Evidence, type Method, type PassResult, type Values } from './method.ts';
import { nearswap } from './nearswap.ts';
import { passthrough } from './passthrough.ts';
import { widen } from './widen.ts';

interface Given {
  readonly base?: readonly number[];
  readonly models: readonly (readonly number[])[];
  readonly params?: Values;
  readonly perModel?: readonly Values[];
  readonly shape?: readonly number[];
  readonly tensor?: string;
}

/** A case as `reference` takes it. */
function inputOf(method: Method, given: Given) {
  const elements = given.models[0]?.length ?? 0;
  const shape = given.shape ?? [elements];
  return {
    tensor: given.tensor ?? 'model.layers.0.mlp.up_proj.weight',
    base: given.base ? Float64Array.from(given.base) : null,
    models: given.models.map((model) => Float64Array.from(model)),
    params: { ...defaults(method.params), ...given.params },
    perModel: given.models.map((_, k) => ({ ...defaults(method.perModel), ...given.perModel?.[k] })),
    rowElements: shape.length < 2 ? elements : elements / (shape[0] ?? 1),
    dimensions: shape.length,
    coefficient: () => Number.NaN,
    random: () => Number.NaN,
  };
}

/** What is known of a case before any pass. */
function evidenceOf(method: Method, given: Given, passes: ReadonlyMap<string, PassResult>): Evidence {
  const { base, models, ...others } = inputOf(method, given);
  const elements = models[0]?.length ?? 0;
  return { ...others, models: models.length, hasBase: base !== null, elements, sums: null, lineSums: null, passes };
}

function referenceOf(method: Method, given: Given): number[] {
  return [...method.reference(inputOf(method, given))];
}

function expectClose(got: ArrayLike<number>, want: readonly number[], tolerance = 1e-12): void {
  expect(got.length).toBe(want.length);
  want.forEach((x, i) => {
    expect(Math.abs((got[i] ?? Number.NaN) - x), `element ${i}: ${got[i]} instead of ${x}`).toBeLessThanOrEqual(
      tolerance,
    );
  });
}

function passResult(totals: Float64Array, lines: number, thresholds = new Float64Array()): PassResult {
  return { totals, lines, thresholds, cuts: new Float64Array(), found: new Float64Array() };
}

describe('nearswap', () => {
  it('swaps what is near, and moves the rest by t', () => {
    const given = { base: [1, 1, 1, 1], models: [[1, 1.1, 2, -3]], params: { t: 0.5 } };
    expectClose(referenceOf(nearswap, given), [1, 1.1, 1.5, 0.5]);
  });

  it('never moves away from the model, nor without end where both are the same', () => {
    expectClose(referenceOf(nearswap, { base: [1, 1], models: [[2, 1]], params: { t: -1 } }), [1, 1]);
    expectClose(referenceOf(nearswap, { base: [1], models: [[1]], params: { t: 0 } }), [1]);
    // Distances below 1e-6 count as 1e-6.
    expectClose(referenceOf(nearswap, { base: [0], models: [[1e-7]], params: { t: 5e-7 } }), [0.5e-7], 1e-20);
  });
});

describe('passthrough', () => {
  it('changes nothing unless a factor is set, and then nothing but the size', () => {
    const models = [[1, -0, Number.POSITIVE_INFINITY, 3e-40]];
    expect(referenceOf(passthrough, { models })).toEqual(models[0]);
    expect(referenceOf(passthrough, { models: [[2, -4]], perModel: [{ scale: -0.5 }] })).toEqual([-1, 2]);
    const shown = (scale: number) =>
      passthrough.coefficients(evidenceOf(passthrough, { models: [[1]], perModel: [{ scale }] }, new Map()))[0];
    expect(shown(Number.NaN)).toBe(1);
    expect(shown(0)).toBe(0);
  });
});

describe('arcee_fusion', () => {
  const passes = new Map((arceeFusion.passes ?? []).map((pass) => [pass.name, pass]));

  it('takes the changes that stand out', () => {
    const base = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
    // |δ| of 1, 2, 3, 4, 5, 6, 7 and 30 thousandths: sorted[1] = 2, sorted[3] = 4, sorted[5] = 6, so that 10 is asked for.
    const model = base.map((x, i) => x + (i === 7 ? 0.03 : 0.001 * (i + 1)));
    const want = base.map((x, i) => (i === 7 ? (model[i] ?? 0) : x));
    expect(referenceOf(arceeFusion, { base, models: [model] })).toEqual(want);
  });

  it('takes all of a tensor whose changes are equally important', () => {
    expect(referenceOf(arceeFusion, { base: [1], models: [[2]] })).toEqual([2]);
    expect(referenceOf(arceeFusion, { base: [1], models: [[2]], shape: [] })).toEqual([2]);
    expect(referenceOf(arceeFusion, { base: [1, 2], models: [[1, 2]] })).toEqual([1, 2]);
    // Rows of one element have no divergence.
    expect(referenceOf(arceeFusion, { base: [1, 2, 3], models: [[5, 2, 9]], shape: [3, 1] })).toEqual([5, 2, 9]);
    // Three quarters unchanged: all quartiles are zero, and so is what has to be reached.
    expect(referenceOf(arceeFusion, { base: [1, 2, 3, 4, 5], models: [[1, 2, 3, 4, 6]] })).toEqual([1, 2, 3, 4, 6]);
  });

  it('asks for the elements from each quartile on', () => {
    const pass = passes.get('importance');
    if (pass?.kind !== 'select') throw new Error('no selection');
    const counts = (elements: number) =>
      pass
        .select({ ...evidenceOf(arceeFusion, { base: [0], models: [[0]] }, new Map()), elements })
        .map(({ count }) => count);
    // sorted[floor(q (n − 1))] is the smallest of the n − floor(q (n − 1)) largest.
    expect(counts(8)).toEqual([7, 5, 3]);
    expect(counts(1)).toEqual([1, 1, 1]);
    expect(counts(2)).toEqual([2, 2, 2]);
    const found = new Map([['importance', passResult(new Float64Array(), 1, Float64Array.of(2, 4, 6))]]);
    expect([...(pass.finds?.from(evidenceOf(arceeFusion, { base: [0], models: [[0]] }, found)) ?? [])]).toEqual([10]);
  });

  it('finds shifts, masses and divergences of rows', () => {
    const given = { base: [0, 1, -3, -2], models: [[0.5, 1, -2, -1]], shape: [2, 2] };
    const found = (name: string, totals: readonly number[]) => {
      const results = new Map([[name, passResult(Float64Array.from(totals), 2)]]);
      return passes.get(name)?.finds?.from(evidenceOf(arceeFusion, given, results)) ?? new Float64Array();
    };
    // The shader's map: 1 + x from zero on, 1 / (1 − x) below.
    expectClose(found('top', [1 + 1, 1 / (1 + 1)]), [1, -1]);
    const before = [Math.exp(-1) + 1, Math.exp(-2) + Math.exp(-1)];
    const after = [Math.exp(-0.5) + 1, Math.exp(-1) + 1];
    const change = before.map((x, row) => (after[row] ?? 0) - x);
    const ratios = before.map((x, row) => Math.log((after[row] ?? 0) / x));
    expectClose(found('mass', [...before, ...after, ...change]), [...before.map((x) => 1 / x), ...ratios]);
    expect([...found('mass', [0, 0, 0, 0, 0, 0])].every(Number.isFinite)).toBe(true);
    expectClose(found('divergence', [3e-30, 6e-30]), [0.5, 1]);
    expectClose(found('divergence', [0, 0]), [0, 0]);
  });
});

describe('widen', () => {
  /** Totals of the pass as the kernel sums them, over columns or rows. */
  function totalsOf(given: Given, byRows: boolean): PassResult {
    const { base, models, rowElements } = inputOf(widen, given);
    const elements = models[0]?.length ?? 0;
    const lines = byRows ? elements / rowElements : rowElements;
    const totals = new Float64Array((1 + 2 * models.length) * lines);
    const add = (q: number, line: number, value: number) => {
      totals[q * lines + line] = (totals[q * lines + line] ?? 0) + value;
    };
    for (let i = 0; i < elements; i++) {
      const line = byRows ? Math.floor(i / rowElements) : i % rowElements;
      const origin = base?.[i] ?? 0;
      add(0, line, origin * origin);
      models.forEach((model, k) => {
        const change = (model[i] ?? 0) - origin;
        add(1 + 2 * k, line, origin * change);
        add(2 + 2 * k, line, change * change);
      });
    }
    return passResult(totals, lines);
  }

  /** Models × lines: what the pass finds. */
  function scoresOf(given: Given): Float64Array {
    const pass = (widen.passes ?? []).find(({ isNeeded }) => isNeeded?.({}, [], inputOf(widen, given).tensor));
    if (!pass) throw new Error('no pass');
    const evidence = evidenceOf(widen, given, new Map([[pass.name, totalsOf(given, pass.name === 'tokens')]]));
    return pass.finds?.from(evidence) ?? new Float64Array();
  }

  /** Softmax of two significances, the first one’s part. */
  const share = (own: number, other: number) => Math.exp(own) / (Math.exp(own) + Math.exp(other));

  // Columns of the base are (1, 0), (0, 1), (2, 0), (0, 2). The first model lengthens the last column and turns the
  // first; the second does so the other way round.
  const base = [1, 0, 2, 0, 0, 1, 0, 2];
  const first = [1, 0, 2, 0, 0.5, 1, 0, 3];
  const second = [2, 0, 2, 0.5, 0, 1, 0, 2];

  it('scores columns by rank, and counts those above the average fully', () => {
    const given = { base, models: [first, second], shape: [2, 4] };
    // Ranks of length among four: model one 2 (√1.25 − 1), 0, 1, 3; model two 3, 0, 1, 2. Of direction: one 3, 0, 1, 2;
    // two 0, 1, 2, 3. Above the mean rank of 1.5 all counts.
    const length = [
      [1, 0.5, 0.5, 1],
      [1, 0.5, 0.5, 1],
    ];
    const direction = [
      [1, share(0, 0.25), share(0.25, 0.5), 1],
      [share(0, 0.75), share(0.25, 0), 1, 1],
    ];
    const want = length.flatMap((own, k) => own.map((x, c) => (x + (direction[k]?.[c] ?? 0)) / 2));
    expectClose(scoresOf(given), want);
    const merged = base.map((x, i) =>
      [first, second].reduce((sum, model, k) => sum + (want[k * 4 + (i % 4)] ?? 0) * ((model[i] ?? 0) - x), x),
    );
    expectClose(referenceOf(widen, given), merged);
  });

  it('takes tokens for columns in embeddings', () => {
    const turned = (v: readonly number[]) => [0, 4, 1, 5, 2, 6, 3, 7].map((i) => v[i] ?? 0);
    const plain = { base, models: [first, second], shape: [2, 4] };
    const given = {
      base: turned(base),
      models: [turned(first), turned(second)],
      shape: [4, 2],
      tensor: 'model.embed_tokens.weight',
    };
    expectClose(scoresOf(given), [...scoresOf(plain)]);
    expectClose(referenceOf(widen, given), turned(referenceOf(widen, plain)));
  });

  it('goes by the size of each change in vectors', () => {
    const given = {
      base: [1, 1, 1],
      models: [
        [1.3, 1, 0.9],
        [1, 1.2, 0.9],
      ],
    };
    const want = [1, share(0, 0.2), share(0.1, 0.1), share(0, 0.3), 1, share(0.1, 0.1)];
    expectClose(scoresOf(given), want);
    const unequal = { ...given, params: { above_average_value_ratio: 10, score_calibration_value: 5 } };
    expectClose(scoresOf(unequal).slice(0, 1), [share(0.3, 0)]);
    const loud = { ...given, params: { above_average_value_ratio: 1, score_calibration_value: 0.25 } };
    expectClose(scoresOf(loud).slice(0, 1), [0.25]);
  });

  it('does not let rounding decide between equal changes', () => {
    const models = [
      [1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1],
      [1, 1, 1, 1, 1, 1, 1],
    ];
    const scores = scoresOf({ base: [1, 1, 1, 1, 1, 1, 1], models });
    expectClose(
      scores.slice(0, 7),
      Array.from({ length: 7 }, () => share(0.1, 0)),
      1e-12,
    );
  });

  it('gives numbers for zero columns, one model, one element, and nothing changed', () => {
    const zero = {
      base: [0, 1, 0, 1],
      models: [
        [1, 0, 0, 0],
        [0, 1, 0, 1],
      ],
      shape: [2, 2],
    };
    expect(scoresOf(zero).every(Number.isFinite)).toBe(true);
    expect(referenceOf(widen, zero).every(Number.isFinite)).toBe(true);
    expectClose(referenceOf(widen, { base: [1], models: [[3]], shape: [] }), [3]);
    expectClose(referenceOf(widen, { base: [1, 2, 3, 4], models: [[2, 2, 2, 2]], shape: [2, 2] }), [2, 2, 2, 2]);
    expectClose(
      referenceOf(widen, {
        base: [1, 2],
        models: [
          [1, 2],
          [1, 2],
        ],
        shape: [1, 2],
      }),
      [1, 2],
    );
  });

  it('shows how much of each change is added', () => {
    const given = { base, models: [first, second], shape: [2, 4] };
    const found = scoresOf(given);
    const passes = new Map([['columns', { ...totalsOf(given, false), found }]]);
    const mean = (k: number) => found.subarray(4 * k, 4 * k + 4).reduce((sum, x) => sum + x, 0) / 4;
    expectClose(widen.coefficients(evidenceOf(widen, given, passes)), [mean(0), mean(1)]);
    expectClose(widen.coefficients(evidenceOf(widen, given, new Map())), [0, 0]);
  });
});
