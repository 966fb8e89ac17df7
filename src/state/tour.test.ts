import { describe, expect, it } from 'vitest';
import { createTour, TOUR_STEPS } from './tour.ts';
import { createView } from './view.ts';

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

function kept(text: string | null = null) {
  const texts = new Map<string, string>(text === null ? [] : [['tour', text]]);
  return {
    texts,
    read: async (key: string) => texts.get(key) ?? null,
    write: async (key: string, value: string) => {
      texts.set(key, value);
    },
  };
}

describe('the tour', () => {
  it('has at most four steps, each about another part of the page', () => {
    expect(TOUR_STEPS.length).toBeLessThanOrEqual(4);
    expect(new Set(TOUR_STEPS.map(({ place }) => place)).size).toBe(TOUR_STEPS.length);
  });

  it('goes on, back, and ends after the last step', () => {
    const view = createView();
    const tour = createTour(view, undefined);
    view.change({ centre: 'models' });
    tour.start();
    expect(view.store.getState()).toMatchObject({ tourStep: 0, centre: 'mixer' });
    tour.step(-1);
    expect(view.store.getState().tourStep).toBe(0);
    tour.step(1);
    expect(view.store.getState().tourStep).toBe(1);
    for (let i = 1; i < TOUR_STEPS.length; i++) tour.step(1);
    expect(view.store.getState().tourStep).toBeNull();
    tour.step(1);
    expect(view.store.getState().tourStep).toBeNull();
  });

  it('is offered until it was taken or declined, at later visits too', async () => {
    for (const how of ['start', 'decline'] as const) {
      const place = kept();
      const tour = createTour(createView(), place);
      await settled();
      expect(tour.store.getState().isOffered).toBe(true);
      tour[how]();
      expect(tour.store.getState().isOffered).toBe(false);
      await settled();
      const later = createTour(createView(), place);
      await settled();
      expect(later.store.getState().isOffered, how).toBe(false);
    }
  });

  it('is not offered again where it was taken before the memory was read', async () => {
    const tour = createTour(createView(), kept());
    tour.start();
    await settled();
    expect(tour.store.getState().isOffered).toBe(false);
  });

  it('is offered where the browser keeps nothing', async () => {
    const refuses = {
      read: () => Promise.reject(new Error('private')),
      write: () => Promise.reject(new Error('private')),
    };
    const tour = createTour(createView(), refuses);
    await settled();
    expect(tour.store.getState().isOffered).toBe(true);
    tour.decline();
    await settled();
    expect(tour.store.getState().isOffered).toBe(false);
  });
});
