/**
 * The methods that blend directions: their coefficients, from exact Gram matrices, against their references, which see
 * whole tensors; and both against cases calculated by hand.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { karcher } from './karcher.ts';
import { defaults, type LineSums, type Method, type Sums, type Values } from './method.ts';
import { modelStock } from './model_stock.ts';
import { multislerp } from './multislerp.ts';
import { nuslerp } from './nuslerp.ts';
import { slerp } from './slerp.ts';
import { changes, dot } from './sphere.ts';

interface Given {
  readonly base?: readonly number[];
  readonly models: readonly (readonly number[])[];
  readonly params?: Values;
  readonly perModel?: readonly Values[];
  readonly shape?: readonly number[];
}

/** A case as both halves of a declaration take it. */
function inputOf(method: Method, given: Given) {
  const models = given.models.map((model) => Float64Array.from(model));
  const base = given.base ? Float64Array.from(given.base) : null;
  const elements = models[0]?.length ?? 0;
  const shape = given.shape ?? [elements];
  return {
    tensor: 'model.layers.0.mlp.up_proj.weight',
    base,
    models,
    params: { ...defaults(method.params), ...given.params },
    perModel: models.map((_, k) => ({ ...defaults(method.perModel), ...given.perModel?.[k] })),
    rowElements: shape.length < 2 ? elements : elements / (shape[0] ?? 1),
    dimensions: shape.length,
    coefficient: () => Number.NaN,
    random: () => Number.NaN,
  };
}

function referenceOf(method: Method, given: Given): number[] {
  return [...method.reference(inputOf(method, given))];
}

/** Gram matrix of the parts of some vectors that `take` gives. */
function gramOf(vectors: readonly Float64Array[], take: (v: Float64Array) => Float64Array): Float64Array {
  const parts = vectors.map(take);
  return Float64Array.from(parts.flatMap((a) => parts.map((b) => dot(a, b))));
}

/** The coefficients from exact sums. */
function coefficientsOf(method: Method, given: Given): Float64Array {
  const { base, models, params, rowElements, ...others } = inputOf(method, given);
  const elements = models[0]?.length ?? 0;
  const vectors = method.measures === 'sources' && base ? [base, ...models] : changes(base, models);
  const unit = method.statistics(params);
  const rows = elements / rowElements;
  const axis = unit === 'row' || unit === 'column' ? unit : null;
  let lineSums: LineSums | null = null;
  let sums: Sums | null = null;
  if (axis) {
    const lines = axis === 'row' ? rows : rowElements;
    const gram = new Float64Array(vectors.length ** 2 * lines);
    for (let line = 0; line < lines; line++) {
      const isOf = (i: number) => (axis === 'row' ? Math.floor(i / rowElements) : i % rowElements) === line;
      gramOf(vectors, (v) => v.filter((_, i) => isOf(i))).forEach((x, pair) => {
        gram[pair * lines + line] = x;
      });
    }
    lineSums = { axis, lines, lineElements: elements / lines, gram, abs: new Float64Array(vectors.length * lines) };
  } else {
    const empty = new Float64Array(vectors.length);
    sums = { elements, gram: gramOf(vectors, (v) => v), abs: empty, max: empty, changed: empty };
  }
  return method.coefficients({
    ...others,
    models: models.length,
    hasBase: base !== null,
    params,
    elements,
    rowElements,
    sums,
    lineSums,
    passes: new Map(),
  });
}

/** What the kernel does with the coefficients: all of these methods are linear in them. */
function blended(method: Method, given: Given): number[] {
  const { base, models, params, rowElements } = inputOf(method, given);
  const values = coefficientsOf(method, given);
  const unit = method.statistics(params);
  const elements = models[0]?.length ?? 0;
  const lines = unit === 'row' ? elements / rowElements : unit === 'column' ? rowElements : 1;
  const line = (i: number) => (unit === 'row' ? Math.floor(i / rowElements) : unit === 'column' ? i % rowElements : 0);
  const factor = (n: number, i: number) => values[n * lines + line(i)] ?? Number.NaN;
  const vectors = method === slerp ? models : changes(base, models);
  return Array.from({ length: elements }, (_, i) => {
    const start = method === slerp ? factor(models.length, i) * (base?.[i] ?? 0) : (base?.[i] ?? 0);
    return vectors.reduce((sum, v, k) => sum + factor(k, i) * (v[i] ?? 0), start);
  });
}

function expectClose(got: readonly number[], want: readonly number[], tolerance = 1e-9): void {
  expect(got.length).toBe(want.length);
  want.forEach((x, i) => {
    expect(Math.abs((got[i] ?? Number.NaN) - x), `element ${i}: ${got[i]} instead of ${x}`).toBeLessThanOrEqual(
      tolerance,
    );
  });
}

/** Both halves come to this. */
function expectBoth(method: Method, given: Given, want: readonly number[]): void {
  expectClose(referenceOf(method, given), want);
  expectClose(blended(method, given), want);
}

const HALF = Math.SQRT1_2;

describe('slerp', () => {
  it('walks a quarter circle', () => {
    expectBoth(slerp, { base: [2, 0], models: [[0, 4]], params: { t: 0.5 } }, [2 * HALF, 4 * HALF]);
    expectBoth(slerp, { base: [2, 0], models: [[0, 4]], params: { t: 0 } }, [2, 0]);
    expectBoth(slerp, { base: [2, 0], models: [[0, 4]], params: { t: 1 } }, [0, 4]);
  });

  it('takes the straight line between collinear vectors, also between opposite ones', () => {
    expectBoth(slerp, { base: [1, 2, 2], models: [[2, 4, 4]], params: { t: 0.25 } }, [1.25, 2.5, 2.5]);
    expectBoth(slerp, { base: [1, 2, 2], models: [[-1, -2, -2]], params: { t: 0.5 } }, [0, 0, 0]);
  });

  it('treats a zero vector as one at a right angle', () => {
    const t = 0.3;
    const factor = Math.sin((t * Math.PI) / 2);
    expectBoth(slerp, { base: [0, 0], models: [[3, 4]], params: { t } }, [3 * factor, 4 * factor]);
    expectBoth(slerp, { base: [0, 0], models: [[0, 0]], params: { t } }, [0, 0]);
  });

  it('takes scalars for vectors of one element', () => {
    expectBoth(slerp, { base: [2], models: [[4]], params: { t: 0.5 }, shape: [] }, [3]);
  });

  it('goes beyond its ends', () => {
    expectBoth(slerp, { base: [1, 0], models: [[0, 1]], params: { t: 2 } }, [-1, 0]);
  });
});

describe('nuslerp', () => {
  const weights = [{ weight: 0.5 }, { weight: 0.5 }];

  it('walks between two models, and between changes from a base', () => {
    const models = [
      [2, 0],
      [0, 4],
    ];
    expectBoth(nuslerp, { models, perModel: weights }, [2 * HALF, 4 * HALF]);
    const moved = models.map((model) => model.map((x) => x + 10));
    expectBoth(nuslerp, { base: [10, 10], models: moved, perModel: weights }, [10 + 2 * HALF, 10 + 4 * HALF]);
  });

  it('divides its shares by their sum, and is at the middle where they cancel', () => {
    const models = [
      [1, 0],
      [0, 1],
    ];
    expectBoth(nuslerp, { models, perModel: [{ weight: 0 }, { weight: 7 }] }, [0, 1]);
    expectBoth(nuslerp, { models, perModel: [{ weight: 1 }, { weight: -1 }] }, [HALF, HALF]);
  });

  it('takes rows, columns, or a vector as one', () => {
    const models = [
      [2, 0, 1, 1],
      [0, 4, 3, 3],
    ];
    const rows = { nuslerp_flatten: 0, nuslerp_row_wise: 0 };
    const columns = { nuslerp_flatten: 0, nuslerp_row_wise: 1 };
    // The first row lies at a right angle, the second is collinear.
    expectBoth(nuslerp, { models, perModel: weights, params: rows, shape: [2, 2] }, [2 * HALF, 4 * HALF, 2, 2]);
    const turned = [
      [2, 1, 0, 1],
      [0, 3, 4, 3],
    ];
    const wanted = [2 * HALF, 2, 4 * HALF, 2];
    expectBoth(nuslerp, { models: turned, perModel: weights, params: columns, shape: [2, 2] }, wanted);
    const whole = referenceOf(nuslerp, { models, perModel: weights });
    expectBoth(nuslerp, { models, perModel: weights, params: rows }, whole);
    expectBoth(nuslerp, { models, perModel: weights, params: columns }, whole);
  });

  it('takes the straight line between opposite vectors, also where rounding hides that they are', () => {
    const opposite = {
      models: [
        [1, 2],
        [-3, -6],
      ],
      perModel: weights,
    };
    expectBoth(nuslerp, opposite, [-1, -2]);
    expectBoth(
      nuslerp,
      {
        ...opposite,
        models: [
          [1, 2],
          [-3, -6.0001],
        ],
      },
      [-1, -2.00005],
    );
  });

  it('keeps the base where nothing changed', () => {
    expectBoth(
      nuslerp,
      {
        base: [1, 2],
        models: [
          [1, 2],
          [1, 2],
        ],
      },
      [1, 2],
    );
  });
});

describe('multislerp', () => {
  it('gives the mean direction at the mean length', () => {
    const models = [
      [2, 0],
      [0, 4],
    ];
    expectBoth(multislerp, { models, params: { eps: 0 } }, [3 * HALF, 3 * HALF]);
    const moved = models.map((model) => model.map((x) => x - 1));
    expectBoth(multislerp, { base: [-1, -1], models: moved, params: { eps: 0 } }, [3 * HALF - 1, 3 * HALF - 1]);
  });

  it('takes weights as they are where that is asked for', () => {
    const models = [
      [2, 0],
      [0, 4],
    ];
    expectBoth(multislerp, { models, params: { normalize_weights: 0, eps: 0 } }, [6 * HALF, 6 * HALF]);
  });

  it('keeps what no model changed', () => {
    const base = [1, -2, 3];
    expectBoth(multislerp, { base, models: [base, base, base] }, base);
  });

  it('takes the straight line where directions cancel', () => {
    expectBoth(
      multislerp,
      {
        models: [
          [3, 0],
          [-1, 0],
        ],
      },
      [1, 0],
    );
    const third = Math.sqrt(3) / 2;
    expectBoth(
      multislerp,
      {
        models: [
          [1, 0],
          [-0.5, third],
          [-0.5, -third],
        ],
      },
      [0, 0],
    );
  });

  it('turns all of the change into the direction of the only model that changed', () => {
    const base = [1, 1];
    expectBoth(multislerp, { base, models: [base, [4, 5], base], params: { eps: 0 } }, [2, 1 + 4 / 3]);
  });
});

describe('karcher', () => {
  it('gives the middle of two directions at the mean length', () => {
    expectBoth(
      karcher,
      {
        models: [
          [2, 0],
          [0, 4],
        ],
      },
      [3 * HALF, 3 * HALF],
    );
  });

  it('gives the middle of three, where the mean of the vectors is not', () => {
    // On a circle the Karcher mean is at the mean angle.
    const at = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    expectBoth(karcher, { models: [at(0), at(0), at(90)], params: { tol: 1e-12, max_iter: 50 } }, at(30));
  });

  it('leaves out zero vectors, but counts their length', () => {
    expectBoth(
      karcher,
      {
        models: [
          [2, 0],
          [0, 0],
          [0, 0],
          [0, 2],
        ],
      },
      [HALF, HALF],
    );
    expectBoth(
      karcher,
      {
        models: [
          [0, 0],
          [0, 0],
        ],
      },
      [0, 0],
    );
  });

  it('stays at the first of opposite directions', () => {
    expectBoth(
      karcher,
      {
        models: [
          [1, 0],
          [-3, 0],
        ],
      },
      [2, 0],
    );
  });

  it('gives identical models back', () => {
    expectBoth(
      karcher,
      {
        models: [
          [1, -2, 3],
          [1, -2, 3],
          [1, -2, 3],
        ],
      },
      [1, -2, 3],
    );
    expectBoth(karcher, { models: [[5], [5]], shape: [] }, [5]);
  });
});

describe('model_stock', () => {
  const base = [1, 1];

  it('stays at the base for changes at right angles, and goes all the way for equal ones', () => {
    expectBoth(
      modelStock,
      {
        base,
        models: [
          [3, 1],
          [1, 5],
        ],
      },
      base,
    );
    expectBoth(
      modelStock,
      {
        base,
        models: [
          [3, 2],
          [3, 2],
        ],
      },
      [3, 2],
    );
  });

  it('goes t = N c / (1 + (N − 1) c) of the way', () => {
    // c = 1/2 for two models: t = 2/3.
    const models = [
      [2, 1],
      [1.5, 1 + Math.sqrt(3) / 2],
    ];
    expectBoth(modelStock, { base, models }, [1 + (2 / 3) * 0.75, 1 + ((2 / 3) * Math.sqrt(3)) / 4]);
  });

  it('does so by rows where that is asked for', () => {
    const given = {
      base: [0, 0, 0, 0],
      models: [
        [1, 0, 1, 1],
        [0, 1, 1, 1],
      ],
      params: { filter_wise: 1 },
    };
    expectBoth(modelStock, { ...given, shape: [2, 2] }, [0, 0, 1, 1]);
    const whole = referenceOf(modelStock, { ...given, params: { filter_wise: 0 } });
    expectBoth(modelStock, given, whole);
  });

  it('does not lose the angle between small changes, except with mergekit’s floor', () => {
    const models = [[1 + 1e-5], [1 + 1e-5]];
    expectBoth(modelStock, { base: [1], models }, [1 + 1e-5]);
    const floored = (2 * 1e-4) / (1 + 1e-4);
    expectBoth(modelStock, { base: [1], models, params: { norm_floor: 1e-6 } }, [1 + floored * 1e-5]);
  });

  it('stays at the base where changes balance out, or where there are none', () => {
    expectBoth(
      modelStock,
      {
        base,
        models: [
          [2, 1],
          [-2, 1],
        ],
      },
      base,
    );
    expectBoth(modelStock, { base, models: [base, base, base] }, base);
    expectBoth(modelStock, { base, models: [base, [2, 2]] }, base);
  });
});

describe('coefficients applied linearly are the reference', () => {
  const element = fc.double({ min: -4, max: 4, noNaN: true }).map(Math.fround);
  const tensors = (models: number, base: boolean) =>
    fc
      .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 5 }) })
      .chain(({ rows, columns }) => {
        const vector = fc.array(element, { minLength: rows * columns, maxLength: rows * columns });
        return fc.record({
          shape: fc.constantFrom([rows, columns], [rows * columns]),
          models: fc.array(vector, { minLength: models, maxLength: models }),
          base: base ? vector : fc.constant(undefined),
          weights: fc.array(fc.double({ min: 0.1, max: 2, noNaN: true }), { minLength: models, maxLength: models }),
        });
      });
  const settings: readonly [Method, number, boolean, Values][] = [
    [slerp, 1, true, { t: 0.4 }],
    ...[0, 1].flatMap((nuslerp_flatten) =>
      [0, 1].flatMap((nuslerp_row_wise): [Method, number, boolean, Values][] => [
        [nuslerp, 2, false, { nuslerp_flatten, nuslerp_row_wise }],
        [nuslerp, 2, true, { nuslerp_flatten, nuslerp_row_wise }],
      ]),
    ),
    [multislerp, 3, false, {}],
    [multislerp, 4, true, { normalize_weights: 0 }],
    [karcher, 3, false, {}],
    [modelStock, 3, true, { filter_wise: 0 }],
    [modelStock, 2, true, { filter_wise: 1 }],
  ];

  const named = settings.map(
    (own) => [`${own[0].name} ${JSON.stringify(own[3])}${own[2] ? ' from a base' : ''}`, ...own] as const,
  );
  it.each(named)('%s', (_, method, models, hasBase, params) => {
    fc.assert(
      fc.property(tensors(models, hasBase), ({ base, weights, ...given }) => {
        const full: Given = {
          ...given,
          ...(base ? { base } : {}),
          params,
          perModel: weights.map((weight) => ('weight' in method.perModel ? { weight } : {})),
        };
        const want = referenceOf(method, full);
        expect(want.every(Number.isFinite)).toBe(true);
        // Near its poles an arc multiplies the last bits of float64 by up to 1e9 (angles of 1e-3 squared, twice).
        const size = Math.max(1, ...want.map(Math.abs));
        expectClose(blended(method, full), want, 1e-6 * size);
      }),
      { numRuns: 200 },
    );
  });
});
