/**
 * Survey store: the newest survey of the recipe's models, and histograms of their changes. It asks while the Models view
 * is in front and the models changed, never for a weight; latest wins. Not what can be read from a survey
 * (`survey-table.ts`, `survey-profile.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type FaultReport, toReport } from '../bytes/fault.ts';
import type { Recipe } from '../recipe/recipe.ts';
import type { ChangeHistogram, Survey } from './engine-api.ts';
import { AUTO_MEASURE_BYTES, type Follower, readingOf } from './follow.ts';
import type { Studio } from './studio.ts';
import { anotherTurn, inTurns } from './in-turns.ts';
import { profiling, type SurveyProfile } from './survey-profile.ts';
import type { View } from './view.ts';

/** A histogram, of one tensor or of all. */
export interface HistogramState {
  /** Null for all tensors together. */
  readonly tensor: string | null;
  /** Null until it is there. */
  readonly histogram: ChangeHistogram | null;
  readonly fault: FaultReport | null;
}

export interface SurveyState {
  /** The newest; it stays while a newer one is made. Null where there is none. */
  readonly survey: Survey | null;
  /** Where its changes are; there is one where there is a survey. */
  readonly profile: SurveyProfile | null;
  /** True while `survey` is being made. */
  readonly isBusy: boolean;
  /** True where it would read much and waits for the button. */
  readonly awaitsMeasure: boolean;
  /** Why the newest could not be made. */
  readonly fault: FaultReport | null;
  /** Of all tensors together. */
  readonly overall: HistogramState;
  /** Of the tensor that is looked at; null while none is. */
  readonly chosen: HistogramState | null;
}

export interface SurveyStore {
  readonly store: StoreApi<SurveyState>;
  /** Makes the survey also where it reads much, and the weights map with it where that waits, too. */
  readonly measure: () => Promise<void>;
  /** Looks at a tensor, or with null at none. */
  readonly choose: (tensor: string | null) => Promise<void>;
  readonly stop: () => void;
}

const OVERALL: HistogramState = { tensor: null, histogram: null, fault: null };
const NOTHING: SurveyState = {
  survey: null,
  profile: null,
  isBusy: false,
  awaitsMeasure: false,
  fault: null,
  overall: OVERALL,
  chosen: null,
};

/** What a survey is of. */
interface Subject {
  readonly key: string;
  readonly checkpoints: unknown;
}

/** What a survey depends on: not the method, not a weight. */
function keyOf(recipe: Recipe): string {
  const { base, models, modules, stages, tokenizer } = recipe;
  return JSON.stringify([base, models.map(({ model }) => model), modules, stages, tokenizer]);
}

/** The page draws before it and after it, too. */
async function profileInTurns(survey: Survey): Promise<SurveyProfile> {
  await anotherTurn();
  const profile = await inTurns(profiling(survey));
  await anotherTurn();
  return profile;
}

/** Starts surveying what a studio has open. */
export function createSurveyStore(studio: Studio, follower: Follower, view: View): SurveyStore {
  const store = createStore<SurveyState>()(() => NOTHING);
  const { getState: get, setState: set } = store;
  const page = studio.store.getState;
  /** Rises with everything that makes an answer under way stale. */
  let turn = 0;
  let look = 0;
  /** The models that the newest map is about: the follower has found them fit, and is done with them. */
  let settled: Subject | null = null;
  /** What the newest survey is about, or was asked about. */
  let asked: Subject | null = null;
  /** The text that the newest survey was made from. */
  let surveyedText = '';
  let allowedKey: string | null = null;

  function here(): Subject | null {
    const { recipe, checkpoints } = page();
    return recipe === null ? null : { key: keyOf(recipe), checkpoints };
  }

  const isSame = (a: Subject | null, b: Subject | null) =>
    a !== null && b !== null && a.key === b.key && a.checkpoints === b.checkpoints;

  /** Asks where something is to be asked now. */
  function consider(): void {
    const { recipe, checkpoints, problems, check, awaitsMeasure } = page();
    if (recipe === null || checkpoints.length === 0 || (check !== null && check.plan === null)) {
      if (problems.length === 0) clear();
      return;
    }
    if (view.store.getState().centre !== 'models' || problems.length > 0) return;
    const now = here();
    if (isSame(asked, now)) return;
    if (awaitsMeasure) {
      hold();
      return;
    }
    if (!check?.plan || !isSame(settled, now)) return;
    // The map's figures and the survey's are of one pass; a map that needed none has read nothing.
    const isRead = readingOf(recipe) !== null || allowedKey === now?.key;
    if (isRead || check.plan.readBytes <= AUTO_MEASURE_BYTES) void ask();
    else hold();
  }

  function hold(): void {
    turn++;
    if (!get().awaitsMeasure || get().survey !== null) set({ ...NOTHING, awaitsMeasure: true });
  }

  function clear(): void {
    turn++;
    asked = null;
    if (get() !== NOTHING) set(NOTHING, true);
  }

  async function ask(): Promise<void> {
    const mine = ++turn;
    asked = here();
    const { text } = page();
    set({ isBusy: true, awaitsMeasure: false, fault: null });
    let fault: FaultReport | null = null;
    const survey = await studio.perform('weigh', async (onProgress) => {
      try {
        return await studio.engine.survey(text, onProgress);
      } catch (thrown) {
        fault = toReport(thrown);
        throw thrown;
      }
    });
    if (mine !== turn) return;
    if (survey === null) {
      // What was stopped is not begun again by itself.
      set({ ...NOTHING, fault, awaitsMeasure: true });
      return;
    }
    // To unpack a large one takes a while, and so do pooling and showing it: turns for each.
    const profile = await profileInTurns(survey);
    if (mine !== turn) return;
    surveyedText = text;
    const tensor = get().chosen?.tensor ?? null;
    set({ survey, profile, isBusy: false, overall: OVERALL });
    const overall = await histogram(null);
    if (mine !== turn) return;
    set({ overall });
    if (tensor !== null) await choose(survey.tensors.includes(tensor) ? tensor : null);
  }

  async function histogram(tensor: string | null): Promise<HistogramState> {
    try {
      return { tensor, histogram: await studio.engine.histogram(surveyedText, tensor), fault: null };
    } catch (thrown) {
      return { tensor, histogram: null, fault: toReport(thrown) };
    }
  }

  async function choose(tensor: string | null): Promise<void> {
    const mine = ++look;
    if (tensor === null || get().survey === null) {
      set({ chosen: null });
      return;
    }
    // The one before stays while this is fetched: nothing blinks.
    set({ chosen: { ...OVERALL, tensor } });
    const chosen = await histogram(tensor);
    if (mine === look && get().survey !== null) set({ chosen });
  }

  const stops = [
    studio.store.subscribe((state, before) => {
      if (state.map !== before.map) settled = state.map === null ? null : here();
      const { text, checkpoints, map, awaitsMeasure, check } = state;
      const isNews =
        text !== before.text ||
        checkpoints !== before.checkpoints ||
        map !== before.map ||
        check !== before.check ||
        awaitsMeasure !== before.awaitsMeasure;
      if (isNews) consider();
    }),
    view.store.subscribe((state, before) => {
      if (state.centre !== before.centre) consider();
    }),
  ];

  return {
    store,
    async measure() {
      allowedKey = here()?.key ?? null;
      // The map comes with it, and the survey after the map.
      if (page().awaitsMeasure) await follower.measure();
      // Where weights cannot be measured, for NaN in one tensor, say, the survey tells of it and of all the others.
      const isTried = !page().awaitsMeasure || page().fault !== null;
      if (!get().isBusy && get().awaitsMeasure && isTried) await ask();
    },
    choose,
    stop() {
      turn++;
      for (const stop of stops) stop();
    },
  };
}
