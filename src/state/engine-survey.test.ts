/** Surveys as the page asks for them: of the sample parrots, on the CPU path. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import { newRecipe } from '../recipe/yaml.ts';
import { Engine } from './engine.ts';

const NAMES = ['parrot-base', 'parrot-mirror', 'parrot-shout', 'parrot-spell'];
const NOTHING = () => undefined;

async function parrots(): Promise<Engine> {
  const engine = new Engine({ gpu: null, startKernelWorkers: () => [] });
  const files = NAMES.flatMap((name) =>
    readdirSync(`public/samples/${name}`).map((file) => ({
      path: `${name}/${file}`,
      file: new File([new Uint8Array(readFileSync(`public/samples/${name}/${file}`))], file),
    })),
  );
  const { added } = await engine.add(files);
  expect(added.map(({ name }) => name).sort()).toEqual(NAMES);
  return engine;
}

const textOf = (method: string, models = NAMES.slice(1)) => newRecipe({ method, base: 'parrot-base', models });

describe('a survey by the engine', () => {
  it('is the same for the recipe of any method, and tells what it reads', async () => {
    const engine = await parrots();
    const steps: number[] = [];
    const first = await engine.survey(textOf('varm'), ({ bytesDone }) => steps.push(bytesDone));
    expect(steps.length).toBeGreaterThan(0);
    expect(first.start).toMatchObject({ method: 'task_arithmetic' });
    steps.length = 0;
    for (const { name, models } of METHODS.values()) {
      if (models.max < 3) continue;
      expect(await engine.survey(textOf(name), ({ bytesDone }) => steps.push(bytesDone)), name).toEqual(first);
    }
    expect(steps).toEqual([]);
  });

  it('follows the map without reading again, and gives histograms once there is something to count', async () => {
    const engine = await parrots();
    await expect(engine.histogram(textOf('varm'), null)).rejects.toThrow('measure the models first');
    await engine.weigh(textOf('varm'), NOTHING);
    const steps: number[] = [];
    const survey = await engine.survey(textOf('ties'), ({ bytesDone }) => steps.push(bytesDone));
    expect(steps).toEqual([]);
    const [tensor = ''] = survey.tensors;
    const own = await engine.histogram(textOf('ties'), tensor);
    const all = await engine.histogram(textOf('ties'), null);
    expect(own.models).toEqual(survey.models);
    const total = (counts: Float64Array) => counts.reduce((sum, count) => sum + count, 0);
    expect(total(own.counts) + total(own.unchanged)).toBe(3 * (survey.elements[0] ?? 0));
    expect(total(all.counts) + total(all.unchanged)).toBe(3 * survey.elements.reduce((a, b) => a + b, 0));
    await expect(engine.histogram(textOf('ties'), 'no.such.tensor')).rejects.toThrow('no.such.tensor');
  });

  it('is not stopped by a map that is asked for meanwhile; a newer one takes its place', async () => {
    const engine = await parrots();
    const older = engine.survey(textOf('varm', ['parrot-shout']), NOTHING);
    const [first, map, second] = await Promise.allSettled([
      older,
      engine.weigh(textOf('varm', ['parrot-spell', 'parrot-shout']), NOTHING),
      engine.survey(textOf('varm', ['parrot-mirror']), NOTHING),
    ]);
    expect(first).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } });
    expect(map.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'fulfilled', value: { models: ['parrot-mirror'] } });
  });

  it('of a recipe without a base says so', async () => {
    const engine = await parrots();
    const text = newRecipe({ method: 'linear', base: null, models: NAMES.slice(1) });
    const { insights, start, rmsChange } = await engine.survey(text, NOTHING);
    expect(insights.map(({ kind }) => kind)).toEqual(['no-base']);
    expect(start).toBeNull();
    expect(rmsChange.every(Number.isNaN)).toBe(true);
    await expect(engine.histogram(text, null)).rejects.toThrow('names no base');
  });
});
