/** The map is asked for as finely as it is looked at, and a map of another detail that comes late is not shown. */

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MapDetail } from './engine-api.ts';
import { checkpoint, checkReport, engineDouble, weightsMap } from './engine-double.ts';
import { follow } from './follow.ts';
import { createStudio } from './studio.ts';
import { createView } from './view.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function bench() {
  const double = engineDouble();
  const studio = createStudio(double.engine);
  const view = createView();
  double.answer('check', () => checkReport());
  const follower = follow(studio, view);
  studio.store.setState({ checkpoints: [checkpoint('a'), checkpoint('b')] });
  studio.history.reset('merge_method: linear\nmodels:\n  - model: a\n  - model: b\n');
  await vi.advanceTimersByTimeAsync(500);
  const asked = () => double.of('weigh').map(({ args }) => args[2]);
  const answer = async (index: number, detail: MapDetail) => {
    double.of('weigh')[index]?.resolve({ ...weightsMap(['a', 'b']), detail });
    await vi.advanceTimersByTimeAsync(500);
  };
  const shown = () => studio.store.getState().map?.detail ?? null;
  return { ...double, studio, view, follower, asked, answer, shown };
}

it('asks once for each detail that is chosen, without a check or a change of the recipe', async () => {
  const b = await bench();
  expect(b.asked()).toEqual(['modules']);
  await b.answer(0, 'modules');
  b.view.change({ mapDetail: 'tensors' });
  b.view.change({ centre: 'models' });
  await vi.advanceTimersByTimeAsync(500);
  expect(b.asked()).toEqual(['modules', 'tensors']);
  expect(b.of('check')).toHaveLength(1);
  expect(b.shown()).toBe('modules');
  await b.answer(1, 'tensors');
  expect(b.shown()).toBe('tensors');
  b.follower.stop();
});

it('does not show a map of a detail that is not wanted any more', async () => {
  const b = await bench();
  await b.answer(0, 'modules');
  b.view.change({ mapDetail: 'tensors' });
  b.view.change({ mapDetail: 'groups' });
  await vi.advanceTimersByTimeAsync(500);
  await b.answer(2, 'groups');
  expect(b.shown()).toBe('groups');
  await b.answer(1, 'tensors');
  expect(b.shown()).toBe('groups');
});

it('asks again where the detail changed before there was any map', async () => {
  const b = await bench();
  b.view.change({ mapDetail: 'tensors' });
  await b.answer(0, 'modules');
  expect(b.shown()).toBeNull();
  expect(b.asked()).toEqual(['modules', 'tensors']);
  await b.answer(1, 'tensors');
  expect(b.shown()).toBe('tensors');
});

it('asks at the detail of the view after a change of the recipe, too', async () => {
  const b = await bench();
  await b.answer(0, 'modules');
  b.view.change({ mapDetail: 'groups' });
  await b.answer(1, 'groups');
  b.studio.history.edit('merge_method: linear\nmodels:\n  - model: b\n  - model: a\n');
  await vi.advanceTimersByTimeAsync(500);
  expect(b.asked().at(-1)).toBe('groups');
});
