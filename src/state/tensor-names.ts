/**
 * TensorNames: the names of the tensors that the recipe merges, for everything on the page that asks which of them a
 * filter finds. They change with the models, not with a slider. Not what was measured of them (`merge/survey.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { indexing } from '../recipe/name-index.ts';
import { inTurns } from './in-turns.ts';
import type { Studio, StudioState } from './studio.ts';

export interface TensorNamesState {
  /** In the result's order; empty while nothing can be merged. */
  readonly names: readonly string[];
}

/** Keeps the names of a studio's recipe, asking the engine whenever other models take part. */
export function createTensorNames(studio: Studio): StoreApi<TensorNamesState> {
  const store = createStore<TensorNamesState>()(() => ({ names: [] }));
  /** With their index, which everything that asks about them begins with: of many names it takes a while. */
  const namesOf = async (text: string) => {
    const names = await studio.engine.tensors(text);
    await inTurns(indexing(names));
    return names;
  };
  let known: string | null = null;
  studio.store.subscribe((state, before) => {
    if (state.check === before.check && state.checkpoints === before.checkpoints) return;
    const key = keyOf(state);
    if (key === known) return;
    known = key;
    if (key === null) {
      store.setState({ names: [] });
      return;
    }
    namesOf(state.text).then(
      (names) => {
        if (known === key) store.setState({ names });
      },
      () => {
        // The pre-flight says what is wrong; the next text that passes it asks again.
        if (known === key) known = null;
      },
    );
  });
  return store;
}

/** What the names follow from; null where the newest text was not found fit to merge. */
function keyOf({ recipe, problems, check, checkpoints }: StudioState): string | null {
  if (recipe === null || problems.length > 0 || !check?.plan) return null;
  const { base, models, modules, stages } = recipe;
  return JSON.stringify([
    checkpoints.map(({ name, elements }) => [name, elements]),
    base,
    models.map(({ model, isMuted }) => [model, isMuted]),
    modules?.map(({ slices }) => slices.map(({ sources }) => sources.map(({ model, layers }) => [model, layers]))),
    stages?.map((stage) => [stage.name, stage.base, stage.models.map(({ model }) => model)]),
    recipe.method,
  ]);
}
