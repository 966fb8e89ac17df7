/** Recommended start: writes the start that a survey recommends into a recipe. Pure text to text, on top of `recipe/yaml.ts`. */

import { METHODS } from '../methods/index.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { clearFiltered, setParameter } from '../recipe/yaml.ts';
import type { RecommendedStart } from './engine-api.ts';
import { withMethod } from './method-switch.ts';
import { isTextOnly } from './recipe-edits.ts';

/** Why a recipe cannot be given this start; null where it can. */
export function startObstacle(recipe: Recipe, start: RecommendedStart): string | null {
  const method = METHODS.get(start.method);
  if (!method) return `This version has no method ${start.method}.`;
  if (isTextOnly(recipe)) return 'A recipe of slices or of several documents is changed in its text.';
  const { min, max } = method.models;
  if (recipe.models.length < min || recipe.models.length > max) {
    return `${method.title} takes another number of models than the recipe has.`;
  }
  return null;
}

/**
 * The recipe with the recommended method and its parameters, and no other: values of parameters that the start leaves at
 * their defaults are removed, by layer and module, too. Models, base, what is muted, and comments stay.
 */
export function withStart(text: string, recipe: Recipe, start: RecommendedStart, open: readonly string[]): string {
  const method = METHODS.get(start.method);
  if (!method || startObstacle(recipe, start) !== null) return text;
  let out = withMethod(text, recipe, method, open);
  const owners = [null, ...recipe.models.map(({ model }) => model)];
  for (const model of owners) {
    const wanted = model === null ? start.parameters : (start.perModel[model] ?? {});
    const declared = model === null ? { ...method.params, ...method.perModel } : method.perModel;
    for (const name of Object.keys(declared)) {
      out = clearFiltered(out, { model, name });
      out = setParameter(out, { model, name, value: wanted[name] ?? null });
    }
  }
  return out;
}

/** `granularity: tensor`, one line for each thing that the start sets; a model's own begin with its name. */
export function startLines({ parameters, perModel }: RecommendedStart): string[] {
  return [
    ...Object.entries(parameters).map(([name, value]) => `${name}: ${value}`),
    ...Object.entries(perModel).flatMap(([model, own]) =>
      Object.entries(own).map(([name, value]) => `${model}, ${name}: ${value}`),
    ),
  ];
}
