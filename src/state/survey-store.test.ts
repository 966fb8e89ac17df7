/** When the page asks for a survey, and what becomes of answers that come late, wrong or not at all. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CancelledFault, MalformedFault, MissingFault } from '../bytes/fault.ts';
import { setMethod, setParameter } from '../recipe/yaml.ts';
import type { Survey } from './engine-api.ts';
import { checkpoint, checkReport, engineDouble, weightsMap } from './engine-double.ts';
import { AUTO_MEASURE_BYTES } from './follow.ts';
import { histogramOf, surveyOf } from './survey-double.ts';
import { createWorkbench } from './workbench.ts';

const INFO = { place: 'gpu', reason: 'WebGPU.', budgetBytes: 2e9, maxBudgetBytes: 16e9, precision: 'auto' } as const;
const NO_FILE = [{ path: 'x/model.safetensors', file: new File([], 'model.safetensors') }];
const MODELS = ['tiny-shout', 'tiny-spell'];
const TENSORS = ['embed.weight', 'layers.0.mlp.up.weight'];

/** A workbench with an open family, whose survey and histogram calls wait for the test. */
async function bench(plan = {}, open = ['tiny-base', ...MODELS]) {
  const double = engineDouble();
  const downloads: { readonly name: string; readonly file: File }[] = [];
  const workbench = createWorkbench(double.engine, {
    fetch: () => Promise.reject(new Error('no network in tests')),
    pickFolder: null,
    download: (file, name) => downloads.push({ file, name }),
    copy: async () => undefined,
  });
  double.answer('start', () => INFO);
  double.of('start')[0]?.resolve(INFO);
  double.answer('check', () => checkReport(plan));
  double.answer('weigh', () => weightsMap(MODELS));
  double.answer('cancel', () => undefined);
  double.answer('add', () => ({ added: open.map((name) => checkpoint(name)), faults: [] }));
  await workbench.studio.open(NO_FILE);
  await settle();
  const state = () => workbench.survey.store.getState();
  const asked = () => double.of('survey').length;
  const reply = async (survey: Survey = surveyOf(TENSORS, MODELS)) => {
    double.of('survey').at(-1)?.resolve(survey);
    await settle();
    return survey;
  };
  return { ...double, ...workbench, state, asked, reply, downloads };
}

const settle = () => vi.advanceTimersByTimeAsync(500);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('asking', () => {
  it('waits until the view is in front, and then asks for the newest text once', async () => {
    const { view, asked, of, studio, state, reply } = await bench();
    expect(asked()).toBe(0);
    view.change({ centre: 'models' });
    expect(asked()).toBe(1);
    expect(of('survey')[0]?.args[0]).toBe(studio.store.getState().text);
    expect(state().isBusy).toBe(true);
    const survey = await reply();
    expect(state()).toMatchObject({ survey, isBusy: false, awaitsMeasure: false, fault: null });
    view.change({ centre: 'mixer' });
    view.change({ centre: 'models' });
    await settle();
    expect(asked()).toBe(1);
  });

  it('does not ask again for a weight or another method, and does for other models', async () => {
    const { view, asked, studio, reply } = await bench();
    view.change({ centre: 'models' });
    await reply();
    studio.edit((text) => setParameter(text, { model: 'tiny-shout', name: 'weight', value: 0.5 }));
    await settle();
    studio.edit((text) => setMethod(text, 'ties'));
    await settle();
    expect(asked()).toBe(1);
    studio.include('tiny-spell', false);
    await settle();
    expect(asked()).toBe(2);
  });

  it('lets the follower go first: a survey under the newest models only', async () => {
    const b = await bench();
    b.view.change({ centre: 'models' });
    await b.reply();
    b.studio.include('tiny-spell', false);
    // The old map is still there.
    expect(b.asked()).toBe(1);
    await settle();
    expect(b.asked()).toBe(2);
    expect(b.of('weigh').length).toBeGreaterThan(1);
  });

  it('takes the latest answer, and keeps the one before until it is there', async () => {
    const { view, of, studio, state, reply } = await bench();
    view.change({ centre: 'models' });
    const first = await reply();
    studio.include('tiny-spell', false);
    await settle();
    expect(state()).toMatchObject({ survey: first, isBusy: true });
    studio.include('tiny-spell', true);
    await settle();
    const [, second, third] = of('survey');
    const newest = surveyOf(TENSORS, MODELS);
    third?.resolve(newest);
    await settle();
    second?.resolve(surveyOf(['late'], ['tiny-shout']));
    await settle();
    expect(state().survey).toBe(newest);
  });

  it('goes when everything is closed', async () => {
    const { view, studio, state, reply, answer } = await bench();
    answer('remove', () => undefined);
    view.change({ centre: 'models' });
    await reply();
    for (const name of ['tiny-base', ...MODELS]) await studio.close(name);
    await settle();
    expect(state()).toMatchObject({ survey: null, isBusy: false, awaitsMeasure: false });
  });
});

describe('what reads much', () => {
  const LARGE = { readBytes: AUTO_MEASURE_BYTES + 1 };

  it('waits for the button, which measures the map first and the survey after it', async () => {
    const { view, asked, state, survey, of, studio } = await bench(LARGE);
    view.change({ centre: 'models' });
    expect(state()).toMatchObject({ awaitsMeasure: true, survey: null });
    expect(asked()).toBe(0);
    const measured = survey.measure();
    await settle();
    await measured;
    expect(of('weigh')).toHaveLength(1);
    expect(asked()).toBe(1);
    expect(studio.store.getState().awaitsMeasure).toBe(false);
    expect(state()).toMatchObject({ awaitsMeasure: false, isBusy: true });
  });

  it('waits, too, where the map came without reading', async () => {
    const { view, asked, state, survey, studio } = await bench(LARGE);
    // Without a base nothing is a change, and linear looks at none.
    studio.edit(() => 'merge_method: linear\nmodels:\n  - model: tiny-shout\n  - model: tiny-spell\n');
    await settle();
    view.change({ centre: 'models' });
    expect(state().awaitsMeasure).toBe(true);
    expect(asked()).toBe(0);
    const measured = survey.measure();
    await settle();
    expect(asked()).toBe(1);
    expect(state().isBusy).toBe(true);
    void measured;
  });
});

describe('failures', () => {
  it('are a sentence, and asking again is a button', async () => {
    const { view, state, of, asked, survey, studio } = await bench();
    view.change({ centre: 'models' });
    of('survey')[0]?.reject(new MissingFault('The file has moved; open it again.'));
    await settle();
    expect(state()).toMatchObject({ survey: null, isBusy: false, awaitsMeasure: true });
    expect(state().fault?.message).toBe('The file has moved; open it again.');
    studio.edit((text) => setParameter(text, { model: 'tiny-shout', name: 'weight', value: 0.5 }));
    await settle();
    expect(asked()).toBe(1);
    void survey.measure();
    await settle();
    expect(asked()).toBe(2);
    expect(state()).toMatchObject({ isBusy: true, fault: null });
  });

  it('of the map do not keep the survey away: it tells of a broken tensor, and of all the others', async () => {
    const { view, asked, survey, answer, state } = await bench({ readBytes: AUTO_MEASURE_BYTES + 1 });
    answer('weigh', () => {
      throw new MalformedFault('up_proj holds NaN in tiny-shout, so it cannot be measured.');
    });
    view.change({ centre: 'models' });
    const measured = survey.measure();
    await settle();
    expect(asked()).toBe(1);
    expect(state().isBusy).toBe(true);
    void measured;
  });

  it('of being stopped are not begun again by themselves', async () => {
    const { view, state, of, asked } = await bench();
    view.change({ centre: 'models' });
    of('survey')[0]?.reject(new CancelledFault('Stopped.'));
    await settle();
    expect(asked()).toBe(1);
    expect(state().awaitsMeasure).toBe(true);
  });
});

describe('histograms', () => {
  it('come of all tensors with the survey, and of the chosen one; the latest choice wins', async () => {
    const { view, state, of, survey, reply } = await bench();
    view.change({ centre: 'models' });
    await reply();
    expect(of('histogram').map(({ args }) => args[1])).toEqual([null]);
    const all = histogramOf(MODELS);
    of('histogram')[0]?.resolve(all);
    await settle();
    expect(state().overall).toEqual({ tensor: null, histogram: all, fault: null });

    void survey.choose('embed.weight');
    void survey.choose('layers.0.mlp.up.weight');
    expect(state().chosen).toEqual({ tensor: 'layers.0.mlp.up.weight', histogram: null, fault: null });
    const [, first, second] = of('histogram');
    const own = histogramOf(MODELS);
    second?.resolve(own);
    await settle();
    first?.resolve(histogramOf(['late']));
    await settle();
    expect(state().chosen).toEqual({ tensor: 'layers.0.mlp.up.weight', histogram: own, fault: null });
    await survey.choose(null);
    expect(state().chosen).toBeNull();
  });

  it('say why there is none', async () => {
    const { view, state, answer, survey, reply } = await bench();
    answer('histogram', () => {
      throw new MissingFault('The changes of embed.weight were not measured.');
    });
    view.change({ centre: 'models' });
    await reply();
    await survey.choose('embed.weight');
    expect(state().chosen?.fault?.message).toMatch(/not measured/);
    expect(state().overall.fault?.message).toMatch(/not measured/);
  });
});

describe('what follows from a survey', () => {
  const start = { method: 'ties', parameters: { density: 0.4 }, perModel: {}, reason: 'They contradict each other.' };

  it('is a start that is used and undone in one step', async () => {
    const { view, commands, studio, reply } = await bench();
    expect(commands.useRecommended.isEnabled()).toBe(false);
    view.change({ centre: 'models' });
    await reply(surveyOf(TENSORS, MODELS, undefined, { start }));
    expect(commands.useRecommended.isEnabled()).toBe(true);
    const before = studio.store.getState().text;
    await commands.useRecommended.perform();
    expect(studio.store.getState().recipe).toMatchObject({ method: 'ties', parameters: { density: { value: 0.4 } } });
    expect(commands.useRecommended.isEnabled()).toBe(false);
    expect(commands.useRecommended.obstacle?.()).toBe('The recipe is as recommended.');
    studio.history.undo();
    expect(studio.store.getState().text).toBe(before);
    expect(commands.useRecommended.isEnabled()).toBe(true);
  });

  it('is a file with a line for each tensor', async () => {
    const { view, commands, reply, downloads } = await bench();
    expect(commands.exportSurvey.isEnabled()).toBe(false);
    view.change({ centre: 'models' });
    await reply();
    await commands.exportSurvey.perform();
    const [handed] = downloads;
    expect(handed?.name).toBe('survey.csv');
    expect((await handed?.file.text())?.trimEnd().split('\n')).toHaveLength(TENSORS.length + 1);
  });
});
