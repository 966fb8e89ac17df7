/** The recommended start: which method for which family, and always one that exists, can be had, and is in range. */

import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { openCheckpoints } from '../formats/open.ts';
import { METHODS } from '../methods/index.ts';
import type { RecommendedStart, Survey } from './survey.ts';
import { random } from './test/checkpoints.ts';
import { type Change, familyOf, noise, surveyOfFamily } from './test/survey-families.ts';

/** Holds a start to what its method declares. */
function holds({ models, start }: Survey): RecommendedStart {
  if (!start) throw new Error('nothing is recommended');
  const method = METHODS.get(start.method);
  if (!method) throw new Error(`${start.method} does not exist`);
  expect(models.length).toBeGreaterThanOrEqual(method.models.min);
  expect(models.length).toBeLessThanOrEqual(method.models.max);
  const within = (name: string, value: unknown, isOwn: boolean) => {
    const declared = (isOwn ? method.perModel : method.params)[name];
    if (declared?.kind !== 'number' || typeof value !== 'number') throw new Error(`${start.method} has no ${name}`);
    expect(value).toBeGreaterThanOrEqual(declared.min);
    expect(value).toBeLessThanOrEqual(declared.max);
    // As a slider would set it.
    expect(Math.abs(value / declared.step - Math.round(value / declared.step))).toBeLessThan(1e-6);
  };
  for (const [name, value] of Object.entries(start.parameters)) within(name, value, false);
  for (const [model, own] of Object.entries(start.perModel)) {
    expect(models).toContain(model);
    for (const [name, value] of Object.entries(own)) within(name, value, true);
  }
  expect(start.reason).toMatch(/^.{20,260}\.$/);
  expect(start.reason).not.toMatch(/NaN|undefined|Infinity/);
  return start;
}

const startOf = async (changes: Readonly<Record<string, Change>>) => holds(await surveyOfFamily(familyOf(changes)));

/** The change of a seed, and a little of its own beside it. */
function near(seed: number, own: number, size: number): Change {
  const [common, little] = [noise(seed), noise(own, size)];
  return (t, i, base) => common(t, i, base) + little(t, i, base);
}

describe('the recommended start', () => {
  it('of independent changes: a sum about as long as one of them', async () => {
    expect(await startOf({ a: noise(2), b: noise(3) })).toMatchObject({
      method: 'task_arithmetic',
      parameters: { lambda: 0.7 },
    });
    const three = await startOf({ a: noise(2), b: noise(3), c: noise(4) });
    expect(three).toMatchObject({ method: 'task_arithmetic', parameters: { lambda: 0.6 } });
    expect(three.reason).toMatch(/right angles \(cosine at most 0\.0\d\), and small \(at most 2 % of the base\)/);
  });

  it('of independent changes of which one is far longer: less of that one', async () => {
    const start = await startOf({ a: noise(2), b: noise(3, 0.04) });
    expect(start).toMatchObject({ method: 'task_arithmetic', parameters: {}, perModel: { b: { weight: 0.15 } } });
    expect((await startOf({ a: noise(2), b: noise(3, 0.5e-4) })).perModel).toEqual({ a: { weight: 0.05 } });
  });

  it('of one fine-tune: half of its change', async () => {
    expect(await startOf({ a: noise(2) })).toMatchObject({
      method: 'task_arithmetic',
      perModel: { a: { weight: 0.5 } },
    });
    expect(await startOf({ a: noise(2), b: () => 0 })).toMatchObject({
      method: 'task_arithmetic',
      perModel: { a: { weight: 0.5 } },
    });
  });

  it('of stages of one run: their average; of relatives: model stock', async () => {
    const run = await startOf({ a: near(2, 3, 0.001), b: near(2, 4, 0.001), c: near(2, 5, 0.001) });
    expect(run.method).toBe('linear');
    const relatives = await startOf({ a: near(2, 3, 0.005), b: near(2, 4, 0.005) });
    expect(relatives.method).toBe('model_stock');
  });

  it('of changes that meet in part: VaRM', async () => {
    const start = await startOf({ a: near(2, 3, 0.01), b: near(2, 4, 0.01), c: near(2, 5, 0.01) });
    expect(start).toMatchObject({ method: 'varm', parameters: {}, perModel: {} });
  });

  it('of changes that pull in opposite directions: TIES, that drops less where little changed', async () => {
    const against = (is: (i: number) => boolean): Record<string, Change> => {
      const [own, ownToo] = [noise(5), noise(5)];
      return {
        a: (t, i, base) => (is(i) ? own(t, i, base) : 0),
        b: (t, i, base) => (is(i) ? ownToo(t, i, base) * (i % 12 === 0 ? 1 : -1) : 0),
      };
    };
    expect(await startOf(against(() => true))).toMatchObject({
      method: 'ties',
      perModel: { a: { density: 0.5 }, b: { density: 0.5 } },
    });
    expect((await startOf(against((i) => i % 3 === 0))).perModel).toMatchObject({ a: { density: 1 } });
  });

  it('of changes in different weights: their sum', async () => {
    const [own, ownToo] = [noise(2), noise(3)];
    const start = await startOf({
      a: (t, i, base) => (/mlp/.test(t) ? own(t, i, base) : 0),
      b: (t, i, base) => (/attn/.test(t) ? ownToo(t, i, base) : 0),
    });
    expect(start).toMatchObject({ method: 'task_arithmetic', parameters: {}, perModel: {} });
  });

  it('of strangers: something on the sphere, with a warning', async () => {
    const stranger = (seed: number): Change => {
      const next = random(seed);
      return (_t, _i, base) => (next() - 0.5) / 4 - base;
    };
    const one = await startOf({ a: stranger(8) });
    expect(one).toMatchObject({ method: 'slerp', parameters: { t: 0.5 } });
    expect(one.reason).toMatch(/may well fail/);
    const two = await startOf({ a: stranger(8), b: noise(3) });
    expect(two.method).toBe('karcher');
    expect(two.reason).toMatch(
      /^a differs from the base by 1[34]\d % of its size: sums of changes will most likely fail/,
    );
  });

  it('is none where nothing changed', async () => {
    expect((await surveyOfFamily(familyOf({ a: () => 0 }))).start).toBeNull();
  });

  it('of the sample parrots: their tricks are independent, and are added up', async () => {
    const names = ['parrot-base', 'parrot-mirror', 'parrot-shout', 'parrot-spell'];
    const folder = 'public/samples';
    const paths = (
      await Promise.all(
        names.map(async (name) => (await readdir(`${folder}/${name}`)).map((file) => `${name}/${file}`)),
      )
    ).flat();
    const files = await Promise.all(
      paths.map(async (path) => ({
        path,
        bytes: memoryBytes(path, new Uint8Array(await readFile(`${folder}/${path}`))),
      })),
    );
    const { checkpoints } = await openCheckpoints(files, []);
    const survey = await surveyOfFamily(names.flatMap((name) => checkpoints.find((own) => own.name === name) ?? []));
    expect(holds(survey)).toMatchObject({ method: 'task_arithmetic', parameters: { lambda: 0.6 } });
    expect(survey.insights.map(({ kind, tone }) => [kind, tone])).toEqual([
      ['orthogonal', 'good'],
      ['embeddings', 'plain'],
      ['close', 'good'],
    ]);
    expect(survey.insights.at(-1)?.sentence).toMatch(/by 3\.3 % to 3\.6 % of its size/);
  });
});
