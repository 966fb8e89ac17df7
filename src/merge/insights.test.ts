/** Insights: what is said of families whose changes are known. Each would be wrong of the others. */

import { describe, expect, it } from 'vitest';
import { insightsOf } from './insights.ts';
import { checkpoint, random } from './test/checkpoints.ts';
import { type Change, familyOf, noise, only, surveyOfFamily } from './test/survey-families.ts';

async function insightsOfFamily(
  changes: Readonly<Record<string, Change>>,
  options?: Parameters<typeof familyOf>[1],
): Promise<Map<string, { sentence: string; models: readonly string[]; filter: string | null }>> {
  const { insights } = await surveyOfFamily(familyOf(changes, options));
  const found = new Map<string, (typeof insights)[number]>();
  for (const own of insights) if (!found.has(own.kind)) found.set(own.kind, own);
  return found;
}

const kindsOf = async (changes: Readonly<Record<string, Change>>) => [...(await insightsOfFamily(changes)).keys()];

describe('insights', () => {
  it('of independent fine-tunes: nearly at right angles, and close to the base', async () => {
    const found = await insightsOfFamily({ a: noise(2), b: noise(3), c: noise(4) });
    expect([...found.keys()]).toEqual(['orthogonal', 'embeddings', 'close']);
    expect(found.get('orthogonal')?.sentence).toMatch(
      /^The changes of a, b and c are nearly at right angles \(cosine (at most 0\.\d\d|below 0\.01)\)/,
    );
    expect(found.get('close')?.sentence).toBe(
      'All 3 models stayed close to base: they changed it by 2 % of its size, as fine-tunes do.',
    );
  });

  it('of two that changed the same: their names and the cosine', async () => {
    const found = await insightsOfFamily({ a: noise(2), b: noise(3), c: (t, i, base) => twin(t, i, base) });
    const same = found.get('same-weights');
    expect(same?.models).toEqual(['b', 'c']);
    expect(same?.sentence).toMatch(/^b and c changed almost the same weights in the same way \(cosine 0\.99\d*\)/);
    expect(found.has('orthogonal')).toBe(false);
  });
  const again = noise(3);
  const little = noise(9, 0.0004);
  const twin: Change = (t, i, base) => again(t, i, base) + little(t, i, base);

  it('of two that share half of their change: neither the same nor at right angles', async () => {
    const [common, commonToo, own, ownToo] = [noise(5), noise(5), noise(6), noise(7)];
    const found = await insightsOfFamily({
      a: (t, i, base) => common(t, i, base) + own(t, i, base),
      b: (t, i, base) => commonToo(t, i, base) + ownToo(t, i, base),
    });
    expect(found.get('shared')?.sentence).toMatch(/^a and b share part of their change \(cosine 0\.[45]\d\)\.$/);
    expect(found.has('same-weights') || found.has('orthogonal') || found.has('opposed')).toBe(false);
  });

  it('of two that pull in opposite directions: how much, and where most', async () => {
    const [own, ownToo] = [noise(5), noise(5)];
    const found = await insightsOfFamily({
      a: own,
      b: (t, i, base) => ownToo(t, i, base) * (/mlp/.test(t) ? -1 : i % 4 === 0 ? 1 : -1),
    });
    const opposed = found.get('opposed');
    expect(opposed?.models).toEqual(['a', 'b']);
    expect(opposed?.filter).toBe('.mlp.');
    expect(opposed?.sentence).toMatch(
      /^a and b pull in opposite directions \(cosine −0\.\d\d\); they moved 8\d % of the weights in opposite directions, most in the MLPs \((100|over 99) %\)\.$/,
    );
    expect(found.has('orthogonal')).toBe(false);
  });

  it('do not take the half of the signs that chance sets against each other for opposition', async () => {
    const { totals } = await surveyOfFamily(familyOf({ a: noise(2), b: noise(3) }));
    expect(totals.conflicts[1]).toBeGreaterThan(0.45);
    expect(await kindsOf({ a: noise(2), b: noise(3) })).not.toContain('opposed');
  });

  it('of changes in different weights of the same tensors: nothing is in the way', async () => {
    const [own, ownToo] = [noise(2), noise(3)];
    const found = await insightsOfFamily({
      a: (t, i, base) => (i % 2 === 0 ? own(t, i, base) : 0),
      b: (t, i, base) => (i % 2 === 1 ? ownToo(t, i, base) : 0),
    });
    expect(found.get('disjoint')?.sentence).toMatch(/^a and b changed different weights\./);
    expect(found.get('sparse')?.sentence).toMatch(
      /^a and b left at least 50 % of the weights exactly as base has them/,
    );
  });

  it('of changes in one part: its modules, layers, and a filter that finds them', async () => {
    const layers = /layers\.([5-9]|10)\.mlp/;
    const found = await insightsOfFamily({ a: only(layers, noise(2)), b: only(layers, noise(3)) }, { layers: 16 });
    const part = found.get('only-part');
    expect(part?.sentence).toBe('a and b changed only the MLPs of layers 5–10; the rest is exactly as in base.');
    expect(part?.models).toEqual(['a', 'b']);
    const all = await insightsOfFamily({ a: only(/mlp/, noise(2)) });
    expect(all.get('only-part')).toMatchObject({
      sentence: 'a changed only the MLPs; the rest is exactly as in base.',
      filter: '.mlp.',
    });
    const query = await insightsOfFamily({ a: only(/q_proj/, noise(2)), b: only(/lm_head/, noise(3)) });
    expect(query.get('only-part')?.sentence).toMatch(/^a changed only q_proj; the rest/);
    expect(query.has('embeddings')).toBe(false);
    const mixed = await insightsOfFamily({ a: only(/layers\.2\.(mlp|self_attn)|lm_head/, noise(2)) });
    expect(mixed.get('only-part')?.sentence).toMatch(
      /^a changed only (the attention weights and the MLPs|the MLPs and the attention weights) of layer 2 and lm_head;/,
    );
  });

  it('of a change that lies mostly in one kind of module', async () => {
    const [strong, weak] = [noise(2, 0.02), noise(3, 0.001)];
    const found = await insightsOfFamily({
      a: (t, i, base) => (/self_attn/.test(t) ? strong : weak)(t, i, base),
    });
    expect(found.get('mostly-part')).toMatchObject({ filter: '.self_attn.', models: ['a'] });
    expect(found.get('mostly-part')?.sentence).toMatch(
      /^a changed the attention weights most: by squares over 99 % .* in 3\d % of the weights\.$/,
    );
  });

  it('of one tensor that holds much of the change', async () => {
    const [strong, weak] = [noise(2, 0.04), noise(3, 0.005)];
    const found = await insightsOfFamily({
      a: (t, i, base) => (t === 'model.layers.2.mlp.up_proj.weight' ? strong : weak)(t, i, base),
      b: noise(4),
    });
    expect(found.get('one-tensor')).toMatchObject({ filter: 'model.layers.2.mlp.up_proj.weight', models: ['a'] });
    expect(found.get('one-tensor')?.sentence).toMatch(
      /by squares (7[5-9]|8[0-4]) % of the change lies there, in 5\.\d % of the weights/,
    );
  });

  it('of a model that is the base, and of one that is not of its family', async () => {
    const [same] = (await surveyOfFamily(familyOf({ a: () => 0, b: noise(3) }))).insights;
    expect(same).toMatchObject({ kind: 'unchanged', models: ['a'], tone: 'warning' });
    const next = random(77);
    const found = await insightsOfFamily({ a: (_t, _i, base) => (next() - 0.5) / 4 - base, b: noise(3) });
    expect([...found.keys()][0]).toBe('not-siblings');
    expect(found.get('not-siblings')?.sentence).toMatch(
      /^a and base are not siblings: the difference is 1\.4 times the base’s own size/,
    );
    expect(found.has('close')).toBe(false);
    const away = noise(5, 0.15);
    expect([...(await insightsOfFamily({ a: away, b: noise(3) })).keys()]).toContain('far-from-base');
  });

  it('of two strangers: not that they share a change, though their differences from the base do', async () => {
    const [one, other] = [random(77), random(78)];
    const found = await insightsOfFamily({
      a: (_t, _i, base) => (one() - 0.5) / 4 - base,
      b: (_t, _i, base) => (other() - 0.5) / 4 - base,
    });
    expect(found.get('not-siblings')?.models).toEqual(['a', 'b']);
    expect(found.has('shared')).toBe(false);
  });

  it('of a small model of another run whose norms are the same: that it is none of the family', async () => {
    // Where a base has norms of 1, they hold most of its size; no training run moves them far.
    const norm = (tensor: string) => /norm/.test(tensor);
    const [base, other] = [random(78), random(77)];
    const found = await insightsOfFamily(
      { a: (tensor, _i, own) => (norm(tensor) ? 0 : (other() - 0.5) / 4 - own) },
      { baseOf: (tensor) => (norm(tensor) ? 4 : (base() - 0.5) / 4) },
    );
    expect([...found.keys()][0]).toBe('not-siblings');
    expect(found.get('not-siblings')?.sentence).toMatch(
      / 1\.[345] times the base’s own size in half of the weights or more\./,
    );
    expect(found.has('close') || found.has('embeddings')).toBe(false);
  });

  it('of a model that moved much further than the next', async () => {
    const found = await insightsOfFamily({ a: noise(2), b: noise(3, 0.04), c: noise(4) });
    expect(found.get('unequal')?.models).toEqual(['b']);
    expect(found.get('unequal')?.sentence).toMatch(
      /^b moved (7\.[789]|8\.[012]) times as far from base as the next, [ac]\./,
    );
  });

  it('of NaN: whose, where, before everything else; the other tensors are surveyed', async () => {
    const [base, a, b] = familyOf({ a: noise(2), b: noise(3) });
    if (!base || !a || !b) throw new Error('no family');
    const values = new Map([...a.tensors].map(([name, { elements }]) => [name, new Float64Array(elements).fill(0.1)]));
    values.get('model.layers.1.mlp.up_proj.weight')?.fill(Number.NaN, 3, 4);
    const shapes = Object.fromEntries([...a.tensors].map(([name, { shape }]) => [name, shape]));
    const survey = await surveyOfFamily([base, checkpoint({ name: 'a', values, shapes }), b]);
    expect(survey.insights[0]).toMatchObject({
      kind: 'broken',
      models: ['a'],
      filter: 'model.layers.1.mlp.up_proj.weight',
    });
    const sick = survey.tensors.indexOf('model.layers.1.mlp.up_proj.weight');
    expect(survey.rmsChange.slice(2 * sick, 2 * sick + 2)).toEqual(new Float64Array([Number.NaN, Number.NaN]));
    expect([...survey.rmsChange].filter(Number.isNaN)).toHaveLength(2);
    expect(survey.totals.rmsChange.every(Number.isFinite)).toBe(true);
  });

  it('are at most eight, whatever there is to say, and name what they are about', async () => {
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, k) => [`m${k}`, noise(k % 3, 0.002 * (k + 1) ** 2)]));
    const survey = await surveyOfFamily(familyOf({ ...many, same: () => 0 }));
    expect(survey.insights.length).toBeGreaterThan(3);
    expect(survey.insights.length).toBeLessThanOrEqual(8);
    for (const { sentence, models, filter } of survey.insights) {
      expect(sentence).toMatch(/^.+[.]$/);
      expect(sentence).not.toMatch(/NaN|undefined|Infinity/);
      expect(models.every((model) => survey.models.includes(model))).toBe(true);
      if (filter !== null) expect(survey.tensors.some((name) => name.includes(filter))).toBe(true);
    }
  });

  it('say that there is no base, and nothing else, where nothing is a change', () => {
    const unknown = new Float64Array(2).fill(Number.NaN);
    const totals = {
      rmsChange: [Number.NaN],
      relativeChange: [Number.NaN],
      unchangedShare: [Number.NaN],
      cosines: [Number.NaN],
      conflicts: [Number.NaN],
    };
    const found = insightsOf(
      {
        ...{
          base: null,
          models: ['a'],
          tensors: ['x', 'y'],
          layers: Int32Array.of(-1, -1),
          modules: Int32Array.of(0, 1),
          shapes: Int32Array.of(0, 0),
          shapeNames: ['4'],
          dtypes: Int32Array.of(0, 0),
          dtypeNames: ['F32'],
        },
        ...{ moduleNames: ['x', 'y'], elements: Float64Array.of(4, 4), baseRms: unknown, rmsChange: unknown },
        ...{ relativeChange: unknown, maxChange: unknown, unchangedShare: unknown, conflictShare: unknown, totals },
        ...{ cosines: new Float64Array(), conflicts: new Float64Array() },
      },
      [],
    );
    expect(found.map(({ kind }) => kind)).toEqual(['no-base']);
  });
});
