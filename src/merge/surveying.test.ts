/** Surveys by the real pass against plain loops in float64; what they cost; and what they are of. */

import { describe, expect, it, vi } from 'vitest';
import { decode } from '../formats/codec.ts';
import { BLENDED_DTYPES, isBlended } from '../formats/dtype.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { FIRST_SIZE_EXPONENT, SIZE_BINS } from '../methods/kernel.ts';
import { newRecipe, parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { pairOf, sumChanges } from './change-sums.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { emptySums, Statistics } from './statistics.ts';
import { figuresOf, histogramOf, survey, surveyRecipe } from './surveying.ts';
import { checkpoint, family, TINY_LLAMA, valuesOf } from './test/checkpoints.ts';
import { surveyedLineup } from './test/survey-families.ts';

const blendOver = (isKept = true) =>
  new Blend(new CpuArithmetic([], 4000), { budgetBytes: 2 ** 28, keepsSources: isKept });

const recipeOf = (method: string, models: number) =>
  newRecipe({ method, base: 'base', models: Array.from({ length: models }, (_, k) => `tune-${k + 1}`) });

const ownLineup = (text: string, checkpoints: readonly Checkpoint[]) => {
  const { lineup, findings } = check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
  if (!lineup) throw new Error(findings.map(({ message }) => message).join('; '));
  return lineup;
};

async function valuesIn(own: Checkpoint, name: string): Promise<Float64Array> {
  const entry = own.tensors.get(name);
  if (!entry || !isBlended(entry.dtype)) throw new Error(`no ${name}`);
  return decode(await entry.file.slice(entry.start, entry.end), entry.dtype);
}

const near = (got: number | undefined, want: number) =>
  expect(Math.abs((got ?? Number.NaN) - want)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(want)));

describe('a survey', () => {
  it.each(BLENDED_DTYPES)('of %s has the figures of plain loops, tensor by tensor and altogether', async (dtype) => {
    const [base, ...models] = family(3, dtype);
    if (!base) throw new Error('no base');
    const made = await blendOver().survey(surveyedLineup(recipeOf('varm', 3), [base, ...models]));
    const count = models.length;
    const all = { dots: new Map<string, number>(), elements: 0, base: 0, opposed: new Map<string, number>() };
    for (const [t, name] of made.tensors.entries()) {
      const origin = await valuesIn(base, name);
      const deltas = await Promise.all(
        models.map(async (own) => (await valuesIn(own, name)).map((v, i) => v - (origin[i] ?? 0))),
      );
      const n = origin.length;
      const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);
      near(made.baseRms[t], Math.sqrt(dot(origin, origin) / n));
      expect(made.elements[t]).toBe(n);
      all.elements += n;
      all.base += dot(origin, origin);
      deltas.forEach((own, k) => {
        const at = t * count + k;
        near(made.rmsChange[at], Math.sqrt(dot(own, own) / n));
        near(made.relativeChange[at], Math.sqrt(dot(own, own) / dot(origin, origin)));
        near(made.maxChange[at], Math.max(...own.map(Math.abs)));
        near(made.unchangedShare[at], own.filter((v) => v === 0).length / n);
        for (let j = 0; j <= k; j++) {
          const other = deltas[j] ?? own;
          const opposed = own.filter((v, i) => v * (other[i] ?? 0) < 0).length;
          const key = `${j} ${k}`;
          all.dots.set(key, (all.dots.get(key) ?? 0) + dot(own, other));
          all.opposed.set(key, (all.opposed.get(key) ?? 0) + opposed);
          if (j === k) continue;
          const pair = (t * count * (count - 1)) / 2 + pairOf(j, k);
          const lengths = Math.sqrt(dot(own, own) * dot(other, other));
          if (lengths === 0) expect(made.cosines[pair]).toBeNaN();
          else near(made.cosines[pair], dot(own, other) / lengths);
          near(made.conflicts[pair], opposed / n);
        }
      });
      const contested = origin.filter((_, i) =>
        deltas.some((a) => deltas.some((b) => (a[i] ?? 0) < 0 && (b[i] ?? 0) > 0)),
      );
      near(made.conflictShare[t], contested.length / n);
    }
    const squares = (k: number) => all.dots.get(`${k} ${k}`) ?? 0;
    models.forEach((_, k) => {
      near(made.totals.rmsChange[k], Math.sqrt(squares(k) / all.elements));
      near(made.totals.relativeChange[k], Math.sqrt(squares(k) / all.base));
      for (let j = 0; j < k; j++) {
        const cosine = (all.dots.get(`${j} ${k}`) ?? 0) / Math.sqrt(squares(j) * squares(k));
        for (const at of [j * count + k, k * count + j]) {
          near(made.totals.cosines[at], cosine);
          near(made.totals.conflicts[at], (all.opposed.get(`${j} ${k}`) ?? 0) / all.elements);
        }
      }
    });
    expect(made.models).toEqual(['tune-1', 'tune-2', 'tune-3']);
    expect(made.layers[made.tensors.indexOf('model.layers.1.mlp.up_proj.weight')]).toBe(1);
    expect(made.moduleNames[made.modules[made.tensors.indexOf('model.layers.1.mlp.up_proj.weight')] ?? -1]).toBe('mlp');
    expect(made.layers[made.tensors.indexOf('lm_head.weight')]).toBe(-1);
  });

  it('comes of the pass that the map needs: nothing is read again, whatever the method, but for the sum of lines', async () => {
    for (const method of ['varm', 'ties', 'task_arithmetic', 'sce', 'model_stock']) {
      const models = family(2);
      const blend = blendOver(false);
      await blend.map(ownLineup(recipeOf(method, 2), models));
      const read = models.map(({ file }) => file.bytesRead);
      const made = await blend.survey(surveyedLineup(recipeOf(method, 2), models));
      expect(made.conflictShare.every(Number.isFinite)).toBe(true);
      expect(
        models.map(({ file }) => file.bytesRead),
        method,
      ).toEqual(read);
      await blend.dispose();
    }
  });

  it('comes of a blend that measures anyway, and not of a save', async () => {
    const text = recipeOf('varm', 2);
    const [blended, saved] = [family(2), family(2)];
    const blend = blendOver(false);
    await blend.blend(ownLineup(text, blended));
    const read = blended.map(({ file }) => file.bytesRead);
    expect(blend.isSurveyDue(surveyedLineup(text, blended))).toBe(false);
    await blend.survey(surveyedLineup(text, blended));
    expect(blended.map(({ file }) => file.bytesRead)).toEqual(read);
    const arithmetic = new CpuArithmetic([]);
    const measure = vi.spyOn(arithmetic, 'measure');
    const other = new Blend(arithmetic, { budgetBytes: 2 ** 28, keepsSources: false });
    for await (const _ of other.pieces(ownLineup(text, saved), false)) void _;
    expect(measure).toHaveBeenCalled();
    for (const [, , kind] of measure.mock.calls) expect(kind.isSurveyed).not.toBe(true);
    expect(other.isSurveyDue(surveyedLineup(text, saved))).toBe(true);
  });

  it('reads sources where a live blend keeps them, and leaves them there', async () => {
    const models = family(2);
    const blend = blendOver();
    await blend.blend(ownLineup(recipeOf('linear', 2), models));
    const linear = models.map(({ file }) => file.bytesRead);
    await blend.survey(surveyedLineup(recipeOf('linear', 2), models));
    const read = models.map(({ file }) => file.bytesRead);
    // The base had no part in the average.
    expect(read[0]).toBe(models[0]?.totalBytes);
    expect(linear[0]).toBe(0);
    const kept = blend.sourceBytes;
    expect(kept).toBeGreaterThan(0);
    const changed = `${recipeOf('linear', 2)}out_dtype: float16\n`;
    await blend.blend(ownLineup(changed, models));
    expect(models.map(({ file }) => file.bytesRead)).toEqual(read);
  });

  it('is the same for every method over the same checkpoints, with and without their weights', async () => {
    const models = family(2);
    const blend = blendOver();
    const first = await blend.survey(surveyedLineup(recipeOf('varm', 2), models));
    for (const method of ['linear', 'ties', 'dare_ties', 'karcher', 'multislerp']) {
      const text = recipeOf(method, 2).replace(/weight: .*/, 'weight: 0.25');
      expect(await blend.survey(surveyedLineup(text, models))).toEqual(first);
    }
  });

  it('takes muted models in: they are open, and may come back', () => {
    const text = recipeOf('varm', 2).replace('- model: tune-1', '- model: tune-1\n    muted: true');
    expect(ownLineup(text, family(2)).models).toHaveLength(1);
    expect(surveyedLineup(text, family(2)).models.map(({ name }) => name)).toEqual(['tune-1', 'tune-2']);
  });

  it('has no figures where there is no base, and where shapes differ', async () => {
    expect(surveyRecipe(parseRecipe(newRecipe({ method: 'linear', base: null, models: ['a', 'b'] })))).toBeNull();
    const own = ownLineup(newRecipe({ method: 'linear', base: null, models: ['tune-1', 'tune-2'] }), family(2));
    const made = await blendOver().survey(own);
    expect(made.rmsChange.every(Number.isNaN)).toBe(true);
    expect(made.totals.rmsChange.every(Number.isNaN)).toBe(true);
    expect(made.insights.map(({ kind }) => kind)).toEqual(['no-base']);
    expect(made.start).toBeNull();
  });

  it('of layers from several models has figures where there is a base, for the models that are there', async () => {
    const models = family(2);
    const text = `merge_method: task_arithmetic\nbase_model: base\nslices:
  - sources: [{model: base, layer_range: [0, 1]}, {model: tune-1, layer_range: [0, 1]}]
  - sources: [{model: base, layer_range: [1, 2]}, {model: tune-2, layer_range: [1, 2]}]
`;
    const made = await blendOver().survey(surveyedLineup(text, models));
    const at = made.tensors.indexOf('model.layers.1.mlp.up_proj.weight');
    const [own, other] = [made.models.indexOf('tune-2'), made.models.indexOf('tune-1')];
    expect(made.rmsChange[2 * at + own]).toBeGreaterThanOrEqual(0);
    expect(made.rmsChange[2 * at + other]).toBeNaN();
    expect(made.cosines[at]).toBeNaN();
    expect(made.start).toBeNull();
  });

  it('says which tensors cannot be measured and surveys the others, also where the method could not merge', async () => {
    const sick = 'model.layers.0.mlp.up_proj.weight';
    const base = valuesOf(TINY_LLAMA, 1);
    const values = new Map(valuesOf(TINY_LLAMA, 2, base)).set(
      sick,
      new Float64Array(40 * 24).fill(Number.POSITIVE_INFINITY),
    );
    const models = [checkpoint({ name: 'base', values: base }), checkpoint({ name: 'tune-1', values })];
    const blend = blendOver();
    const made = await blend.survey(surveyedLineup(recipeOf('varm', 1), models));
    const at = made.tensors.indexOf(sick);
    expect(made.rmsChange[at]).toBeNaN();
    expect([...made.rmsChange].filter(Number.isNaN)).toHaveLength(1);
    expect(made.insights[0]).toMatchObject({ kind: 'broken', models: ['tune-1'], filter: sick });
    expect(blend.isSurveyDue(surveyedLineup(recipeOf('varm', 1), models))).toBe(false);
    expect(blend.histogram(surveyedLineup(recipeOf('varm', 1), models), sick)).toBeNull();
  });

  it('tells a change of a base of zeros from no change', async () => {
    const zeros = new Map(Object.entries(TINY_LLAMA).map(([name, [a = 1, b = 1]]) => [name, new Float64Array(a * b)]));
    const moved = new Map([...zeros].map(([name, own]) => [name, name === 'lm_head.weight' ? own.map(() => 1) : own]));
    const models = [checkpoint({ name: 'base', values: zeros }), checkpoint({ name: 'tune-1', values: moved })];
    const made = await blendOver().survey(surveyedLineup(recipeOf('varm', 1), models));
    expect(made.relativeChange[made.tensors.indexOf('lm_head.weight')]).toBe(Number.POSITIVE_INFINITY);
    expect(made.relativeChange[made.tensors.indexOf('model.norm.weight')]).toBe(0);
    expect(JSON.stringify([made.insights, made.start])).not.toMatch(/NaN|Infinity/);
  });
});

describe('a histogram', () => {
  it('counts every element of a tensor, and of all of them together, once', async () => {
    const models = family(2, 'BF16');
    const lineup = surveyedLineup(recipeOf('varm', 2), models);
    const blend = blendOver();
    expect(blend.histogram(lineup, null)).toBeNull();
    const made = await blend.survey(lineup);
    const whole = blend.histogram(lineup, null);
    expect(whole).toMatchObject({ models: ['tune-1', 'tune-2'], firstExponent: FIRST_SIZE_EXPONENT, bins: SIZE_BINS });
    const pooled = new Float64Array(2 * SIZE_BINS);
    for (const [t, name] of made.tensors.entries()) {
      const own = blend.histogram(lineup, name);
      own?.counts.forEach((count, i) => {
        pooled[i] = (pooled[i] ?? 0) + count;
      });
      for (const k of [0, 1]) {
        const counted = own?.counts.slice(k * SIZE_BINS, (k + 1) * SIZE_BINS).reduce((a, b) => a + b, 0) ?? 0;
        expect(counted + (own?.unchanged[k] ?? 0)).toBe(made.elements[t]);
        // The largest change lies in the last bin that counts any.
        const last = own?.counts.slice(k * SIZE_BINS, (k + 1) * SIZE_BINS).findLastIndex((n) => n > 0) ?? -1;
        if (last >= 0) expect(Math.floor(Math.log2(made.maxChange[2 * t + k] ?? 0))).toBe(FIRST_SIZE_EXPONENT + last);
      }
    }
    expect(whole?.counts).toEqual(pooled);
    expect(blend.histogram(lineup, 'no.such.tensor')).toBeNull();
  });
});

describe('a survey of a hundred thousand tensors', () => {
  /** A lineup and statistics of some tensors in layers, that count how often they are asked. */
  function counted(count: number) {
    let asked = 0;
    const tensors = Array.from({ length: count }, (_, n): BlendTensor => {
      const name = `model.layers.${Math.floor(n / 100)}.experts.${n % 100}.up_proj.weight`;
      return {
        get name() {
          asked++;
          return name;
        },
        ...{ shape: [4], elements: 4, rowElements: 4, hasBase: true, sources: [], dtypes: [], modelOf: [0, 1, 2] },
        ...{ params: {}, perModel: [], out: 'F32' },
      };
    });
    const models = ['a', 'b', 'c'].map((name) => checkpoint({ name, values: new Map() }));
    const [base] = models;
    if (!base) throw new Error('no base');
    const lineup: Lineup = {
      ...{
        recipe: parseRecipe(recipeOf('varm', 3)),
        tensors,
        models,
        base,
        donor: base,
        copied: [],
        order: [],
        layers: 0,
      },
      method: ownLineup(recipeOf('task_arithmetic', 3), family(3)).method,
      changes: { restacked: [], vocabularyRows: null, isTied: null, movedTokens: new Map(), files: null },
    };
    const statistics = new Statistics();
    tensors.forEach((tensor, n) => {
      const { name } = tensor;
      // One in ten changed, so that there is a part to be named.
      const size = n % 100 < 10 ? 1 + n : 0;
      const sums = { ...emptySums(3), elements: 4 };
      for (const k of [0, 1, 2]) {
        sums.gram[4 * k] = size;
        sums.changed[k] = size > 0 ? 4 : 0;
      }
      statistics.keep(name, sums);
      statistics.keepChanges(name, sumChanges(new Float64Array(), 3, new Float64Array(3 * SIZE_BINS)));
      if (n % 1000 === 999) statistics.keepUnmeasurable(name, `${name} holds NaN`, ['a']);
    });
    asked = 0;
    return { lineup, statistics, asked: () => asked };
  }

  it('walks over them a fixed number of times, however many they are', () => {
    const perTensor = [1000, 100_000].map((count) => {
      const { lineup, statistics, asked } = counted(count);
      const made = survey(lineup, statistics);
      expect(made.tensors).toHaveLength(count);
      expect(made.moduleNames).toEqual(['experts']);
      expect(made.shapeNames).toEqual(['4']);
      expect(made.insights.map(({ kind }) => kind)).toContain('broken');
      expect(histogramOf(lineup, statistics, null)?.models).toHaveLength(3);
      return asked() / count;
    });
    expect(perTensor[1]).toBe(perTensor[0]);
    expect(perTensor[1]).toBeLessThan(12);
  });

  it('has columns that cross to the page as they are', () => {
    const { lineup, statistics } = counted(1000);
    const made = figuresOf(lineup, statistics);
    expect(structuredClone(made)).toEqual(made);
  });
});
