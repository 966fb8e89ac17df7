/** Being told of the end of long work: only where it was asked for, allowed, long, and out of sight. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { engineDouble } from './engine-double.ts';
import { createNotifier, type Notifications, WORTH_TELLING_MS } from './notify.ts';
import { titleOf } from './status.ts';
import { createStudio } from './studio.ts';

/** Notifications that are written down, of a person who answers `answer` when asked. */
function system(permission: NotificationPermission, answer: NotificationPermission = permission) {
  const told: string[] = [];
  const world = { permission, asked: 0, isHidden: true };
  const notifications: Notifications = {
    permission: () => world.permission,
    async ask() {
      world.asked++;
      world.permission = answer;
      return answer;
    },
    show: (title, body) => told.push(`${title}: ${body}`),
    isHidden: () => world.isHidden,
  };
  return { notifications, told, world };
}

function bench(of: ReturnType<typeof system> | undefined) {
  const studio = createStudio(engineDouble().engine);
  const notifier = createNotifier(studio, of?.notifications);
  /** Saves for so long, and ends with a word or a failure. */
  const save = async (milliseconds: number, failure?: Error) => {
    const saving = studio.perform('save', async () => {
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      if (failure) throw failure;
      studio.store.setState({ outcome: { tone: 'good', sentence: 'Saved as merged.zip.' } });
    });
    await vi.advanceTimersByTimeAsync(milliseconds + 1000);
    await saving;
  };
  return { studio, notifier, save };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('notifications', () => {
  it('asks for permission at a click only, and tells what came of long work', async () => {
    const person = system('default', 'granted');
    const { notifier, save, studio } = bench(person);
    await save(WORTH_TELLING_MS);
    expect(person.world.asked).toBe(0);
    expect(person.told).toEqual([]);
    await notifier.toggle();
    expect(person.world.asked).toBe(1);
    expect(notifier.store.getState().isWanted).toBe(true);
    studio.store.setState({ checkpoints: [], text: '' });
    await save(WORTH_TELLING_MS);
    expect(person.told).toHaveLength(1);
    expect(person.told[0]).toMatch(/^Saving is done: /);
    await save(WORTH_TELLING_MS, new Error('The disk is full.'));
    expect(person.told[1]).toMatch(/^Saving failed: .*disk is full/);
    await notifier.toggle();
    await save(WORTH_TELLING_MS);
    expect(person.told).toHaveLength(2);
  });

  it('says nothing of short work, nor to a person who looks', async () => {
    const person = system('granted');
    const { notifier, save } = bench(person);
    await notifier.toggle();
    expect(person.world.asked).toBe(0);
    await save(WORTH_TELLING_MS - 1000);
    person.world.isHidden = false;
    await save(WORTH_TELLING_MS);
    expect(person.told).toEqual([]);
  });

  it('says nothing while other work follows at once', async () => {
    const person = system('granted');
    const { notifier, studio } = bench(person);
    await notifier.toggle();
    const long = studio.perform('blend', () => new Promise<void>((resolve) => setTimeout(resolve, WORTH_TELLING_MS)));
    void long.then(() => studio.perform('weigh', () => new Promise(() => {})));
    await vi.advanceTimersByTimeAsync(WORTH_TELLING_MS + 1000);
    expect(studio.store.getState().work?.kind).toBe('weigh');
    expect(person.told).toEqual([]);
  });

  it('is not offered where it was refused or does not exist', async () => {
    expect(bench(undefined).notifier.store.getState().isPossible).toBe(false);
    expect(bench(system('denied')).notifier.store.getState().isPossible).toBe(false);
    const { notifier } = bench(system('default', 'denied'));
    expect(notifier.store.getState().isPossible).toBe(true);
    await notifier.toggle();
    expect(notifier.store.getState()).toEqual({ isPossible: false, isWanted: false });
  });
});

describe('the title', () => {
  it('tells how far work is', async () => {
    const { studio } = bench(undefined);
    void studio.perform('save', async (onProgress) => {
      onProgress({ phase: 'save', bytesDone: 2, bytesTotal: 3 });
      return new Promise(() => {});
    });
    const { work } = studio.store.getState();
    expect(work && titleOf(work)).toBe('66% Saving');
  });
});
