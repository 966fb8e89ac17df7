/**
 * Mixer mutes: mute and solo of models as edits of the recipe. Solo is all the others muted; what was muted before is
 * remembered here, in the page, until the mutes are changed by other means.
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { METHODS } from '../methods/index.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { setMuted } from '../recipe/yaml.ts';
import { isTextOnly } from './recipe-edits.ts';
import type { Studio } from './studio.ts';

/** The model that is heard alone, and which were muted before it was. */
export interface Solo {
  readonly model: string;
  readonly mutedBefore: readonly string[];
}

/** The models that are muted. */
export function mutedModels(recipe: Recipe): string[] {
  return recipe.models.flatMap(({ model, isMuted }) => (isMuted ? [model] : []));
}

/** Whether a solo still stands: its model takes part, and no other does. */
export function isStanding(solo: Solo, recipe: Recipe): boolean {
  return (
    recipe.models.length > 1 &&
    recipe.models.every(({ model, isMuted }) => (model !== solo.model) === (isMuted === true))
  );
}

/** Why a model cannot be muted; null where it can. */
export function muteObstacle(recipe: Recipe, model: string): string | null {
  const heard = recipe.models.filter((own) => !own.isMuted && own.model !== model).length;
  return tooFew(recipe, heard);
}

/** Why a model cannot be heard alone; null where it can. */
export function soloObstacle(recipe: Recipe): string | null {
  if (recipe.models.length < 2) return 'It is alone already.';
  return tooFew(recipe, 1);
}

function tooFew(recipe: Recipe, heard: number): string | null {
  if (isTextOnly(recipe)) return 'This recipe says in its text which model takes part where.';
  const method = METHODS.get(recipe.method);
  const least = Math.max(1, method?.models.min ?? 1);
  if (heard >= least) return null;
  return least === 1
    ? 'One model must take part.'
    : `${method?.title ?? 'This method'} needs ${least} models that take part.`;
}

/** Mutes a model, or lets it take part again. */
export function withMute(text: string, recipe: Recipe, model: string): string {
  const isMuted = mutedModels(recipe).includes(model);
  if (!isMuted && muteObstacle(recipe, model) !== null) return text;
  return setMuted(text, [model], !isMuted);
}

/** Mutes exactly the models named. */
export function withMutes(text: string, recipe: Recipe, muted: readonly string[]): string {
  const now = mutedModels(recipe);
  const unmuted = setMuted(
    text,
    now.filter((model) => !muted.includes(model)),
    false,
  );
  return setMuted(
    unmuted,
    muted.filter((model) => !now.includes(model)),
    true,
  );
}

export interface Mutes {
  /** The model that is heard alone by its Solo button; null where none is. */
  readonly store: StoreApi<{ readonly solo: Solo | null }>;
  readonly toggleMute: (model: string) => void;
  /** Mutes all the others; once more brings back the mutes that were there before. */
  readonly toggleSolo: (model: string) => void;
  readonly unmuteAll: () => void;
}

/** Mute and solo over a studio's recipe. */
export function createMutes(studio: Studio): Mutes {
  const store = createStore<{ readonly solo: Solo | null }>()(() => ({ solo: null }));
  const recipeNow = () => {
    const { recipe, problems } = studio.store.getState();
    return problems.length > 0 ? null : recipe;
  };

  studio.store.subscribe(({ recipe }, before) => {
    const { solo } = store.getState();
    // Mutes that were changed by other means are what the person wants now.
    if (recipe !== before.recipe && solo && (!recipe || !isStanding(solo, recipe))) store.setState({ solo: null });
  });

  return {
    store,
    toggleMute(model) {
      const recipe = recipeNow();
      if (recipe) studio.edit((text) => withMute(text, recipe, model));
    },
    toggleSolo(model) {
      const recipe = recipeNow();
      if (!recipe) return;
      const { solo } = store.getState();
      const names = recipe.models.map((own) => own.model);
      if (solo?.model === model) {
        const back = solo.mutedBefore.filter((own) => names.includes(own));
        studio.edit((text) => withMutes(text, recipe, back));
        store.setState({ solo: null });
        return;
      }
      if (soloObstacle(recipe) !== null) return;
      const mutedBefore = solo?.mutedBefore ?? mutedModels(recipe);
      const others = names.filter((own) => own !== model);
      studio.edit((text) => withMutes(text, recipe, others));
      store.setState({ solo: { model, mutedBefore } });
    },
    unmuteAll() {
      const recipe = recipeNow();
      if (recipe) studio.edit((text) => withMutes(text, recipe, []));
    },
  };
}
