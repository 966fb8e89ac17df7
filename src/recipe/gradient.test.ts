import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { setEntry, writtenNumbers } from './filter-list.ts';
import { filtersInPlaces, layersOf, layerValues } from './filter-reach.ts';
import {
  type Curve,
  CURVE_SHAPES,
  curveOf,
  curveValue,
  decimalsFor,
  gradientOf,
  roundedTo,
  shapedCurve,
  withoutPoint,
  withPointAt,
  withPointValue,
} from './gradient.ts';
import { parseRecipe } from './yaml.ts';

const values = (most: number) =>
  fc.array(
    fc.integer({ min: -2000, max: 2000 }).map((n) => n / 1000),
    { minLength: 2, maxLength: most },
  );
const isFlat = (list: readonly number[]) => list.every((value) => value === list[0]);

/** What the merge gives the layers of a model whose `weight` is this list. */
function merged(list: readonly number[], layers: number): number[] {
  const recipe = parseRecipe(
    `merge_method: linear\nmodels:\n- model: a\n  parameters: {weight: [${list.join(', ')}]}\n- model: b\n`,
  );
  const linear = METHODS.get('linear');
  if (!linear) throw new Error('linear is missing');
  const names = Array.from({ length: layers }, (_, n) => `model.layers.${n}.mlp.up_proj.weight`);
  const sampled = layersOf(names, null, filtersInPlaces(recipe, 'weight'));
  return layerValues(recipe, linear, { model: 'a', name: 'weight' }, sampled).map(({ value }) => value);
}

describe('a list as a curve', () => {
  it('comes back as it was, however long it is', () => {
    fc.assert(
      fc.property(values(40), (list) => {
        expect(gradientOf(curveOf(list, 3), 3)).toEqual(isFlat(list) ? [list[0]] : list);
      }),
    );
  });

  it('comes back as it was with more decimals than are written here', () => {
    const list = [0.123456, 1 / 3, 0.5];
    expect(gradientOf(curveOf(list, 3), 3)).toEqual(list);
    const long = Array.from({ length: 30 }, (_, i) => Math.sin(i));
    expect(gradientOf(curveOf(long, 3), 3)).toEqual(long);
  });

  it('is drawn where the merge has it, at every layer', () => {
    fc.assert(
      fc.property(values(9), fc.integer({ min: 2, max: 40 }), (list, layers) => {
        const curve = curveOf(list, 3);
        merged(list, layers).forEach((value, n) => {
          expect(curveValue(curve, n / (layers - 1))).toBeCloseTo(value, 10);
        });
      }),
    );
  });

  it('has a point for every value of a short list, and for the bends of a long one', () => {
    expect(curveOf([0, 0.5, 1], 3).points).toHaveLength(3);
    const hill = Array.from({ length: 25 }, (_, i) => roundedTo(1 - Math.abs(i - 12) / 12, 3));
    expect(curveOf(hill, 3).points.map(({ at }) => at)).toEqual([0, 12, 24]);
  });
});

describe('points', () => {
  it('one more leaves every layer where it was', () => {
    fc.assert(
      fc.property(values(9), fc.integer({ min: 2, max: 40 }), fc.nat(), (list, layers, where) => {
        const curve = curveOf(list, 3);
        const layer = where % layers;
        const { curve: more, index } = withPointAt(curve, layer, layers, 3);
        const point = more.points[index];
        expect(point && Math.abs((point.at / more.steps) * (layers - 1) - layer)).toBeLessThanOrEqual(0.5);
        const before = merged(gradientOf(curve, 3), layers);
        const after = merged(gradientOf(more, 3), layers);
        // Two roundings to three decimals at most lie between them.
        after.forEach((value, n) => expect(Math.abs(value - (before[n] ?? Number.NaN))).toBeLessThanOrEqual(0.00101));
        if (more.steps !== curve.steps) expect(more.steps).toBeLessThanOrEqual(Math.max(layers - 1, 1));
      }),
    );
  });

  it('one more and one less is what it was', () => {
    const hill = shapedCurve('hill', 0, 1, 0.5);
    const { curve, index } = withPointAt(hill, 6, 24, 3);
    expect(gradientOf(curve, 3)).toEqual([0, 0.5, 1, 0.5, 0]);
    expect(curve.points.map(({ at }) => at)).toEqual([0, 1, 2, 4]);
    const raised = withPointValue(curve, index, 0.9);
    expect(gradientOf(raised, 3)).toEqual([0, 0.9, 1, 0.5, 0]);
    expect(withoutPoint(raised, index)).toEqual(hill);
  });

  it('a list is never longer than the model is deep, and takes the point of the layer that is there', () => {
    let curve: Curve = shapedCurve('ramp up', 0, 1, 0.5);
    for (const layer of [3, 7, 11, 17, 20]) {
      const more = withPointAt(curve, layer, 24, 3);
      curve = withPointValue(more.curve, more.index, 0.2);
      expect(gradientOf(curve, 3).length).toBeLessThanOrEqual(24);
    }
    expect(withPointAt(curve, 11, 24, 3).curve).toBe(curve);
  });

  it('the ends stay', () => {
    const ramp = shapedCurve('ramp up', 0, 1, 0.5);
    expect(withoutPoint(ramp, 0)).toBe(ramp);
    expect(withoutPoint(ramp, 1)).toBe(ramp);
    expect(withPointAt(ramp, 0, 1, 3).curve).toBe(ramp);
  });
});

describe('shapes', () => {
  it('are short lists', () => {
    expect(CURVE_SHAPES.map((shape) => gradientOf(shapedCurve(shape, 0, 1, 0.4), 3))).toEqual([
      [0.4],
      [0, 1],
      [1, 0],
      [0, 1, 0],
      [1, 0, 1],
    ]);
  });
});

describe('decimals', () => {
  it('go one beyond the step', () => {
    expect([1, 0.5, 0.05, 0.01, 0.005, 0.0001, 1e-9].map(decimalsFor)).toEqual([1, 2, 3, 3, 4, 5, 10]);
    expect(Object.is(roundedTo(-0.0001, 3), 0)).toBe(true);
  });
});

describe('a curve in the text', () => {
  const TEXT = `# mine
merge_method: linear
models:
  - model: a # first
    parameters:
      weight:
        # by part
        - filter: mlp # the MLPs
          value: [0, 0.5, 1] # up
        - filter: q_proj
          value: 0.3
        - value: 1
  - model: b
`;
  const address = { model: 'a', name: 'weight', filter: 'mlp' };

  it('is read, and written in its place', () => {
    expect(writtenNumbers(parseRecipe(TEXT), address)).toEqual([0, 0.5, 1]);
    const out = setEntry(TEXT, { ...address, values: [0.2, 0.5, 1] });
    expect(out).toBe(TEXT.replace('[0, 0.5, 1]', '[0.2, 0.5, 1]'));
    expect(setEntry(out, { ...address, values: [0, 0.5, 1] })).toBe(TEXT);
    expect(setEntry(TEXT, { ...address, values: [0, 0.5, 1] })).toBe(TEXT);
  });

  it('keeps the comment of a plain value that becomes a list over the layers', () => {
    const plain =
      'merge_method: linear\nmodels:\n  - model: a\n    parameters:\n      weight: 0.5 # half\n  - model: b\n';
    const everywhere = { ...address, filter: null };
    const curve = setEntry(plain, { ...everywhere, values: [0, 1] });
    expect(curve).toBe(plain.replace('0.5', '[0, 1]'));
    expect(setEntry(curve, { ...everywhere, values: [0.5] })).toBe(plain);
    const part = setEntry(plain, { ...address, values: [0, 1] });
    expect(part.match(/# half/g)).toHaveLength(1);
    expect(setEntry(part, { ...address, values: null })).toBe(plain);
  });

  it('goes from text to curve to text without a change', () => {
    fc.assert(
      fc.property(values(14), fc.constantFrom('mlp', 'q_proj', 'norm', null), (list, filter) => {
        const at = { ...address, filter };
        const text = setEntry(TEXT, { ...at, values: list });
        const read = writtenNumbers(parseRecipe(text), at) ?? [];
        expect(read).toEqual(list);
        expect(setEntry(text, { ...at, values: read })).toBe(text);
        for (const comment of ['# mine', '# first', '# by part', '# the MLPs']) expect(text).toContain(comment);
      }),
    );
  });
});
