/** What is read from a survey: where the change is, how large, in words, as CSV; and its start in a recipe. */

import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { newRecipe, parseRecipe, setFilteredValue, setParameter } from '../recipe/yaml.ts';
import type { RecommendedStart } from './engine-api.ts';
import { startLines, startObstacle, withStart } from './recommended-start.ts';
import { surveyCsv } from './survey-csv.ts';
import { histogramOf, surveyOf } from './survey-double.ts';
import { cosineFigure, shareFigure, sizeFigure } from './survey-figures.ts';
import { histogramText, histogramView, powerOfTwo } from './survey-histogram.ts';
import { largestChange, profileOf } from './survey-profile.ts';

const NAMES = [
  'embed.weight',
  'layers.0.attn.q.weight',
  'layers.0.attn.k.weight',
  'layers.0.norm1.weight',
  'layers.0.norm2.weight',
  'layers.3.attn.q.weight',
  'layers.3.mlp.up.weight',
];

describe('figures', () => {
  it('never write a share as 0 or 100 % that is not', () => {
    expect([0, 1e-9, 0.0421, 0.99999, 1, 12.5, Number.NaN].map(shareFigure)).toEqual([
      ...['0 %', '< 0.01 %', '4.21 %', '> 99.99 %', '100 %', '1250 %', '–'],
    ]);
  });

  it('keep sizes and cosines short', () => {
    expect([0, 0.012345, 1.5e-5, 123456, -0.5, Number.NaN].map(sizeFigure)).toEqual([
      ...['0', '0.0123', '1.50e-5', '1.23e5', '−0.500', '–'],
    ]);
    expect([1, -0.001, -0.126, Number.NaN].map(cosineFigure)).toEqual(['1.00', '0.00', '−0.13', '–']);
  });
});

describe('profileOf', () => {
  it('pools tensors by layer and module as lengths, norms together and last, and those outside the layers alone', () => {
    const rms = [1, 3, 4, 0.1, 0.1, 2, 7];
    const elements = Float64Array.from([10, 10, 30, 1, 1, 10, 10]);
    const profile = profileOf(surveyOf(NAMES, ['a', 'b'], (t, m) => (rms[t] ?? 0) * (m + 1), { elements }));
    expect(profile.groups.map(({ name }) => name)).toEqual(['attn', 'mlp', 'norms', 'outside the layers']);
    const [attention, mlp, norms, outside] = profile.groups;
    expect(attention?.bars).toEqual(['layer 0', 'layer 3']);
    const pooled = Math.sqrt((10 * 9 + 30 * 16) / 40);
    for (const [i, value] of [pooled, 2, 2 * pooled, 4].entries()) expect(attention?.values[i]).toBeCloseTo(value, 12);
    expect([...(mlp?.values ?? [])]).toEqual([Number.NaN, 7, Number.NaN, 14]);
    expect(norms?.values[0]).toBeCloseTo(0.1, 12);
    expect(outside).toMatchObject({ bars: ['embed.weight'] });
    expect([...(outside?.values ?? [])]).toEqual([1, 2]);
    expect(profile.top).toBe(14);
  });

  it('lets neighbouring layers of a very deep model share a bar, by the same rule', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `layers.${i}.mlp.weight`);
    const [group] = profileOf(surveyOf(names, ['a'], (t) => t)).groups;
    expect(group?.bars).toHaveLength(125);
    expect([group?.bars[0], group?.bars.at(-1)]).toEqual(['layers 0–7', 'layers 992–999']);
    const squares = [8, 9, 10, 11, 12, 13, 14, 15].reduce((sum, rms) => sum + rms * rms, 0);
    expect(group?.values[1]).toBeCloseTo(Math.sqrt(squares / 8), 12);
    expect(profileOf(surveyOf(names.slice(0, 128), ['a'])).groups[0]?.bars.at(-1)).toBe('layer 127');
  });

  it('leaves out what was not measured', () => {
    const profile = profileOf(surveyOf(NAMES, ['a'], (t) => (t === 1 ? Number.NaN : 0.5)));
    expect(profile.groups[0]?.values[0]).toBe(0.5);
  });
});

describe('largestChange', () => {
  it('names the tensor, or nothing where nothing was measured', () => {
    const own = surveyOf(NAMES, ['a', 'b'], (t, m) => (m === 0 ? Number.NaN : t === 3 ? 9 : 1));
    expect(largestChange(own, 0)).toBeNull();
    expect(largestChange(own, 1)).toEqual({ tensor: 'layers.0.norm1.weight', value: 36 });
  });
});

describe('histogramView', () => {
  it('shows what lies in it as shares of all elements, at least eight bins wide', () => {
    const counts = new Float64Array(64);
    counts[30] = 2;
    counts[31] = 6;
    const view = histogramView({ models: ['a'], firstExponent: -40, bins: 64, counts, unchanged: Float64Array.of(2) });
    expect(view.bins).toBe(8);
    expect(view.unchanged).toEqual([0.2]);
    expect(view.top).toBe(0.6);
    expect(view.shares[31 - 40 - view.firstExponent]).toBe(0.6);
    expect(histogramText(view, 0)).toBe(
      'Most changes, 60.00 % of the elements, are of size 2^-9 to 2^-8; the median change is in 2^-9 to 2^-8; 20.00 % unchanged',
    );
  });

  it('can be narrower than that, and empty', () => {
    expect(histogramView(histogramOf(['a', 'b'])).bins).toBe(4);
    const nothing = histogramView({
      ...{ models: ['a'], firstExponent: -40, bins: 64, counts: new Float64Array(64) },
      unchanged: Float64Array.of(5),
    });
    expect(nothing.top).toBe(0);
    expect(histogramText(nothing, 0)).toBe('100 % unchanged');
  });

  it('writes powers', () => {
    expect([-10, 0, 3].map(powerOfTwo)).toEqual(['2⁻¹⁰', '2⁰', '2³']);
  });
});

describe('surveyCsv', () => {
  it('has every figure in full, quotes what needs it, and no formula', async () => {
    const names = ['=SUM(A1)', 'layers.1.mlp."odd", name', ...Array.from({ length: 2500 }, (_, i) => `t${i}`)];
    const own = surveyOf(names, ['a', 'b'], (t, m) => (t === 1 ? Number.NaN : 1 / 3 + m));
    let turns = 0;
    const parts: string[] = [];
    const pause = async () => {
      turns++;
    };
    for await (const part of surveyCsv(own, pause)) parts.push(part);
    expect(turns).toBe(2);
    const lines = parts.join('').trimEnd().split('\n');
    expect(lines).toHaveLength(names.length + 1);
    expect(lines[0]).toContain('relative change of a,relative change of b');
    expect(lines[0]).toContain('cosine of a and b');
    expect(lines[1]).toMatch(/^'=SUM\(A1\),,/);
    expect(lines[1]).toContain(`,${String(1 / 3)},${String(1 / 3 + 1)},`);
    expect(lines[2]).toMatch(/^"layers\.1\.mlp\.""odd"", name",1,mlp,BF16,8×8,64,1,,,/);
    expect(new Set(lines.slice(3).map((line) => line.split(',').length))).toEqual(
      new Set([lines[0]?.split(',').length]),
    );
  });
});

describe('a recommended start', () => {
  const start: RecommendedStart = {
    method: 'ties',
    parameters: { density: 0.4 },
    perModel: { b: { weight: 0.5 } },
    reason: 'They contradict each other.',
  };
  const fresh = newRecipe({ method: 'varm', base: 'base', models: ['a', 'b'] });

  it('becomes the recipe, whatever was set before, and comments stay', () => {
    const before = `# Mine.\n${setFilteredValue(setParameter(fresh, { model: 'a', name: 'weight', value: 3 }), { model: 'b', name: 'share', filter: 'mlp', value: 0.2 })}`;
    const text = withStart(before, parseRecipe(before), start, ['base', 'a', 'b']);
    const recipe = parseRecipe(text);
    expect(recipe).toMatchObject({ method: 'ties', base: 'base', parameters: { density: { value: 0.4 } } });
    expect(recipe.models).toMatchObject([
      { model: 'a', parameters: {} },
      { model: 'b', parameters: { weight: { value: 0.5 } } },
    ]);
    expect(text).toContain('# Mine.');
    expect(withStart(text, recipe, start, ['base', 'a', 'b'])).toBe(text);
  });

  it('takes back what a method’s own parameters were set to', () => {
    const before = setParameter(fresh, { model: null, name: 'granularity', value: 'tensor' });
    const plain = { ...start, method: 'varm', parameters: {}, perModel: {} };
    expect(parseRecipe(withStart(before, parseRecipe(before), plain, [])).parameters).toEqual({});
  });

  it('is refused where the method takes other models', () => {
    const two = { ...start, method: 'slerp' };
    expect(startObstacle(parseRecipe(fresh), start)).toBeNull();
    const three = parseRecipe(newRecipe({ method: 'varm', base: 'base', models: ['a', 'b', 'c'] }));
    const most = METHODS.get('slerp')?.models.max ?? 0;
    expect(startObstacle(three, two) === null).toBe(most >= 3);
  });

  it('can be read line by line', () => {
    expect(startLines(start)).toEqual(['density: 0.4', 'b, weight: 0.5']);
  });
});
