import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { boolean, choice, defineMethod, ignored, type Method, number } from '../methods/method.ts';
import type { ParameterValue, Recipe } from './recipe.ts';
import { layerCountOf, resolveValues } from './resolve.ts';
import { parseRecipe } from './yaml.ts';

const method: Method = defineMethod({
  name: 'probe',
  title: 'Probe',
  family: 'Weighted sums',
  summary: 'For tests.',
  paper: null,
  inMergekit: false,
  base: 'none',
  models: { min: 1, max: 9 },
  params: {
    g: number({ min: 0, max: 1, default: 0.25, help: '' }),
    on: boolean({ default: true, help: '' }),
    pick: choice({ options: { x: '', y: '', z: '' }, default: 'y', help: '' }),
    none: ignored(''),
  },
  perModel: {
    w: number({ min: 0, max: 1, default: 1, help: '' }),
    s: number({ min: 0, max: 1, default: null, help: '' }),
  },
  handle: 'w',
  statistics: () => null,
  coefficients: () => new Float64Array(),
  reference: () => new Float64Array(),
});

const everywhere = (value: Extract<ParameterValue, { form: 'everywhere' }>['value']): ParameterValue => ({
  form: 'everywhere',
  value,
});

const recipe = (top: Recipe['parameters'], ...own: Recipe['parameters'][]): Recipe => ({
  method: 'probe',
  base: null,
  models: (own.length > 0 ? own : [{}]).map((parameters, i) => ({ model: `m${i}`, parameters })),
  parameters: top,
  outDtype: null,
});

const at = (r: Recipe, tensor: string, layers = 32) => resolveValues(r, method, tensor, layers);
const layer = (n: number, rest = 'mlp.up_proj.weight') => `model.layers.${n}.${rest}`;

describe('resolveValues', () => {
  it('gives defaults in kernel form, without what is ignored', () => {
    expect(at(recipe({}), layer(3))).toEqual({
      params: { g: 0.25, on: 1, pick: 1 },
      perModel: [{ w: 1, s: Number.NaN }],
    });
  });

  it('interpolates [0, 0.5, 1] over 32 layers as mergekit does', () => {
    const r = recipe({ g: everywhere([0, 0.5, 1]) });
    const values = Array.from({ length: 32 }, (_, n) => at(r, layer(n)).params.g ?? Number.NaN);
    expect(values.map((v) => v.toFixed(3))).toEqual(Array.from({ length: 32 }, (_, n) => (n / 31).toFixed(3)));
    expect(values[0]).toBe(0);
    expect(values[31]).toBe(1);
    expect(values[15]?.toFixed(3)).toBe('0.484');
    expect(values[16]?.toFixed(3)).toBe('0.516');
  });

  it('gives tensors outside layers the first value and a single layer the last', () => {
    const r = recipe({ g: everywhere([0.1, 0.2, 0.9]) });
    for (const name of ['lm_head.weight', 'model.embed_tokens.weight', 'model.norm.weight']) {
      expect(at(r, name).params.g).toBe(0.1);
    }
    expect(at(r, layer(0), 1).params.g).toBe(0.9);
    expect(at(r, layer(99), 32).params.g).toBe(0.9);
  });

  it('takes one-value lists, and steps through words', () => {
    expect(at(recipe({ g: everywhere([0.7]) }), layer(9)).params.g).toBe(0.7);
    const r = recipe({ pick: everywhere(['x', 'y', 'z']) });
    expect([0, 1, 2, 3, 4].map((n) => at(r, layer(n), 5).params.pick)).toEqual([0, 0, 1, 1, 2]);
  });

  it('turns interpolated switches on wherever they are not exactly zero', () => {
    const r = recipe({ on: everywhere([false, true]) });
    expect([0, 1, 2].map((n) => at(r, layer(n), 3).params.on)).toEqual([0, 1, 1]);
  });

  it('takes the first entry whose filter is in the name', () => {
    const r = recipe({
      g: {
        form: 'filtered',
        entries: [
          { filter: 'mlp', value: [0, 1] },
          { filter: 'layers.2.', value: 0.4 },
          { filter: '*', value: 0.6 },
          { filter: null, value: 0.8 },
        ],
      },
    });
    expect(at(r, layer(2), 5).params.g).toBe(0.5);
    expect(at(r, layer(2, 'self_attn.q_proj.weight')).params.g).toBe(0.4);
    expect(at(r, 'lm_head.weight').params.g).toBe(0.6);
  });

  it('falls from the model to the top level to the default', () => {
    const r = recipe(
      { w: { form: 'filtered', entries: [{ filter: 'mlp', value: 0.3 }] }, s: everywhere(0.9) },
      { w: { form: 'filtered', entries: [{ filter: 'layers.1.', value: 0.1 }] } },
      { w: everywhere(0), s: everywhere(0) },
    );
    const w = (name: string) => at(r, name).perModel.map((values) => values.w);
    expect(w(layer(1))).toEqual([0.1, 0]);
    expect(w(layer(2))).toEqual([0.3, 0]);
    expect(w('lm_head.weight')).toEqual([1, 0]);
    expect(at(r, 'lm_head.weight').perModel.map((values) => values.s)).toEqual([0.9, 0]);
  });

  it('is fast enough to be asked for every tensor of a large model', () => {
    const varm = METHODS.get('varm');
    if (!varm) throw new Error('varm is missing');
    const entries = Array.from(
      { length: 300 },
      (_, i) => `      - {filter: model.layers.${i}.mlp., value: 0.5}\n`,
    ).join('');
    const models = ['a', 'b', 'c'].map((m) => `- model: ${m}\n  parameters:\n    share:\n${entries}`).join('');
    const parsed = parseRecipe(`merge_method: varm\nbase_model: base\nmodels:\n${models}`);
    const start = process.cpuUsage();
    for (let i = 0; i < 10_000; i++) resolveValues(parsed, varm, layer(i % 100, 'self_attn.q_proj.weight'), 100);
    // Of processor time, in microseconds: other programs may take what the clock shows.
    expect(process.cpuUsage(start).user).toBeLessThan(5e6);
  });
});

describe('layerCountOf', () => {
  it('counts from the highest number', () => {
    expect(layerCountOf([])).toBe(0);
    expect(layerCountOf(['lm_head.weight'])).toBe(0);
    expect(layerCountOf([layer(0), layer(11), layer(3), 'transformer.h.2.ln.weight'])).toBe(12);
  });
});
