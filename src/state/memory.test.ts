/** What is held is looked up when it may have changed, and not all the time. */

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createChat } from './chat-store.ts';
import { engineDouble } from './engine-double.ts';
import { watchMemory } from './memory.ts';
import { createStudio } from './studio.ts';

const INFO = { place: 'gpu', reason: 'WebGPU.', budgetBytes: 2e9, maxBudgetBytes: 16e9, precision: 'auto' } as const;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('asks while work runs, once after it, and then no more', async () => {
  const { engine, answer, of } = engineDouble();
  const studio = createStudio(engine);
  const memory = watchMemory(studio, createChat(studio));
  let mergeBytes = 0;
  answer('memory', () => ({ mergeBytes, chatBytes: 7 }));
  studio.store.setState({ engine: INFO });
  await vi.advanceTimersByTimeAsync(5000);
  expect(of('memory')).toHaveLength(0);

  const work = studio.perform('blend', () => new Promise<void>((resolve) => setTimeout(resolve, 3500)));
  await vi.advanceTimersByTimeAsync(1500);
  mergeBytes = 100;
  await vi.advanceTimersByTimeAsync(2500);
  await work;
  expect(memory.getState().use).toEqual({ mergeBytes: 100, chatBytes: 7 });
  const asked = of('memory').length;
  expect(asked).toBeGreaterThanOrEqual(4);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(of('memory').length).toBeLessThanOrEqual(asked + 1);
});

it('keeps what it knew where the engine cannot tell', async () => {
  const { engine, answer } = engineDouble();
  const studio = createStudio(engine);
  const memory = watchMemory(studio, createChat(studio));
  studio.store.setState({ engine: INFO });
  answer('memory', () => ({ mergeBytes: 1, chatBytes: 2 }));
  await studio.perform('open', async () => undefined);
  await vi.advanceTimersByTimeAsync(0);
  answer('memory', () => {
    throw new Error('The engine is gone.');
  });
  await studio.perform('open', async () => undefined);
  await vi.advanceTimersByTimeAsync(0);
  expect(memory.getState().use).toEqual({ mergeBytes: 1, chatBytes: 2 });
});
