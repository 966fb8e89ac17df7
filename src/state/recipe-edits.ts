/**
 * Recipe edits that a person makes with more than one step of the document at once: the first recipe, another
 * base, a model in or out. Pure text to text, on top of `recipe/yaml.ts`.
 */

import { METHODS } from '../methods/index.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { newRecipe, setBase, setModels } from '../recipe/yaml.ts';

const FIRST_METHOD = 'varm';

/** True where a recipe's models are layers of models or results of other recipes, which only its text can change. */
export function isTextOnly(recipe: Recipe): boolean {
  return recipe.modules !== undefined || (recipe.stages?.length ?? 0) > 0;
}

/** The checkpoint that is most likely the base: the first whose name says so, else the first. */
export function likelyBase(names: readonly string[]): string | null {
  return names.find((name) => /base/i.test(name)) ?? names[0] ?? null;
}

/** The recipe that the page proposes; empty where there is nothing to merge yet. */
export function proposedRecipe(names: readonly string[], base: string | null = likelyBase(names)): string {
  const models = names.filter((name) => name !== base);
  return base === null || models.length === 0 ? '' : newRecipe({ method: FIRST_METHOD, base, models });
}

/** Makes another checkpoint the base; the old base takes its place among the models, where the method has room. */
export function withBase(text: string, recipe: Recipe, base: string): string {
  if (recipe.base === base) return text;
  const models = recipe.models.map(({ model }) => model);
  const place = models.indexOf(base);
  const rest = models.filter((model) => model !== base);
  const hasRoom = rest.length < mostModels(recipe);
  if (recipe.base !== null && !rest.includes(recipe.base) && hasRoom) {
    rest.splice(place < 0 ? rest.length : place, 0, recipe.base);
  }
  return setBase(setModels(text, rest), base);
}

/** Most models that a recipe's method takes. */
function mostModels(recipe: Recipe): number {
  return METHODS.get(recipe.method)?.models.max ?? Number.POSITIVE_INFINITY;
}

/** Fewest models that a recipe's method takes. */
function leastModels(recipe: Recipe): number {
  return METHODS.get(recipe.method)?.models.min ?? 1;
}

/** Takes a model into the blend or out of it. Where the method takes one model only, it takes that one's place. */
export function withModel(text: string, recipe: Recipe, model: string, isIn: boolean): string {
  const models = recipe.models.map((m) => m.model);
  if (models.includes(model) === isIn) return text;
  const most = mostModels(recipe);
  if (isIn && models.length >= most) return most === 1 ? setModels(text, [model]) : text;
  return setModels(text, isIn ? [...models, model] : models.filter((name) => name !== model));
}

/** The recipe after checkpoints were opened: proposed where there was none, else with the new ones as models. */
export function afterOpening(
  text: string,
  recipe: Recipe | null,
  open: readonly string[],
  added: readonly string[],
): string {
  if (text.trim() === '') return proposedRecipe(open);
  // Where models stand in slices, only a person can say where another one goes.
  if (recipe === null || recipe.modules || recipe.stages) return text;
  const known = new Set([recipe.base, ...recipe.models.map(({ model }) => model)]);
  // A recipe about checkpoints that are not open was opened first: what it names is now coming in.
  const room = mostModels(recipe) - recipe.models.length;
  const fresh = isTextOnly(recipe) ? [] : added.filter((name) => !known.has(name)).slice(0, Math.max(0, room));
  if (fresh.length === 0) return text;
  return setModels(text, [...recipe.models.map(({ model }) => model), ...fresh]);
}

/** The recipe after a checkpoint was closed. */
export function afterClosing(text: string, recipe: Recipe | null, open: readonly string[], closed: string): string {
  if (recipe === null || isTextOnly(recipe)) return text;
  if (open.length < 2) return '';
  const rest = recipe.models.map(({ model }) => model).filter((model) => model !== closed);
  if (recipe.base !== closed) return rest.length < leastModels(recipe) ? proposedRecipe(open) : setModels(text, rest);
  const base = likelyBase(open);
  const models = rest.filter((model) => model !== base);
  if (base === null || models.length < leastModels(recipe)) return proposedRecipe(open);
  return setBase(setModels(text, models), base);
}
