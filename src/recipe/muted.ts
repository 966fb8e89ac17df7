/**
 * Muted: which models of a recipe take part in its merge. A muted entry keeps its settings in the text; everything that
 * merges, measures or opens files asks `heardRecipe` and never sees it. Not how it is written: that is `edit.ts`.
 */

import type { Recipe } from './recipe.ts';

/** The recipe as if its muted entries were not there; the very same one where none is muted. `muted` names them. */
export function heardRecipe(recipe: Recipe): Recipe {
  const stages = (recipe.stages ?? []).map(heardModels);
  const own = heardModels(recipe);
  if (own === recipe && stages.every((stage, i) => stage === recipe.stages?.[i])) return recipe;
  const { stages: _, ...rest } = own;
  const needed = neededStages(own, stages);
  return needed.length === 0 ? rest : { ...rest, stages: needed };
}

function heardModels(recipe: Recipe): Recipe {
  const muted = recipe.models.flatMap(({ model, isMuted }) => (isMuted ? [model] : []));
  if (muted.length === 0) return recipe;
  return { ...recipe, models: recipe.models.filter(({ isMuted }) => !isMuted), muted };
}

/** A stage whose result only a muted entry would have used is not needed, nor what it needs itself. */
function neededStages(result: Recipe, stages: readonly Recipe[]): Recipe[] {
  const needed = new Set<string>();
  const need = ({ base, models, tokenizer }: Recipe): void => {
    if (base !== null) needed.add(base);
    for (const { model } of models) needed.add(model);
    if (tokenizer?.source.kind === 'model') needed.add(tokenizer.source.model);
  };
  need(result);
  // Each stage stands after those that it needs.
  const kept = stages.toReversed().filter((stage) => {
    const isNeeded = stage.name !== undefined && needed.has(stage.name);
    if (isNeeded) need(stage);
    return isNeeded;
  });
  return kept.toReversed();
}
