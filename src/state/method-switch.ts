/**
 * MethodSwitch: another method for a recipe that exists, so that what comes out can be merged: a base where the method
 * needs one, as many models as it takes, and no parameter that it does not know. Where that takes a choice, it says
 * which; making it is a person's. Pure text to text, on top of `recipe/yaml.ts`.
 */

import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { setBase, setMethod, setModels } from '../recipe/yaml.ts';
import { isTextOnly, likelyBase } from './recipe-edits.ts';

/** What has to be chosen, or opened, before a recipe can have a method. */
export interface SwitchQuestion {
  readonly method: Method;
  /** What the method takes, as a sentence. */
  readonly sentence: string;
  /** The models to choose from; fewer than `least` where others have to be opened first. */
  readonly candidates: readonly string[];
  /** What is proposed: the recipe's own models first. */
  readonly proposed: readonly string[];
  readonly least: number;
  readonly most: number;
}

/** The base that a recipe would have with a method. */
function baseFor(recipe: Recipe, method: Method, open: readonly string[]): string | null {
  if (recipe.base !== null || method.base !== 'required') return recipe.base;
  const models = recipe.models.map(({ model }) => model);
  return likelyBase(open.length > 0 ? open : models);
}

/** What has to be chosen before `method` can be used; null where nothing has. */
export function switchQuestion(recipe: Recipe, method: Method, open: readonly string[]): SwitchQuestion | null {
  if (isTextOnly(recipe)) return null;
  const { min, max } = method.models;
  const base = baseFor(recipe, method, open);
  const models = recipe.models.map(({ model }) => model).filter((model) => model !== base);
  if (models.length >= min && models.length <= max) return null;
  const others = open.filter((name) => name !== base && !models.includes(name));
  const candidates = models.length > max ? models : [...models, ...others];
  return {
    method,
    sentence: `${method.title} takes ${countWords(min, max)}${base !== null && method.base !== 'none' ? ` beside the base, ${base}` : ''}.`,
    candidates,
    proposed: candidates.slice(0, models.length > max ? max : min),
    least: min,
    most: max,
  };
}

const WORDS = ['no', 'one', 'two', 'three', 'four'];

/** `one model`, `exactly two models`, `two models or more`. */
function countWords(min: number, max: number): string {
  const word = (count: number) => WORDS[count] ?? String(count);
  if (min === max) return `${min > 1 ? 'exactly ' : ''}${word(min)} model${min === 1 ? '' : 's'}`;
  return `${word(min)} model${min === 1 ? '' : 's'} or more`;
}

/**
 * The recipe with another method, in one edit. Parameters that both methods have stay.
 * @param models what was chosen where `switchQuestion` asked; null where it did not.
 */
export function withMethod(
  text: string,
  recipe: Recipe,
  method: Method,
  open: readonly string[],
  models: readonly string[] | null = null,
): string {
  if (isTextOnly(recipe)) return setMethod(text, method.name);
  const base = baseFor(recipe, method, open);
  const before = recipe.models.map(({ model }) => model);
  const after = models ?? before.filter((model) => model !== base);
  let out = setMethod(text, method.name);
  if (base !== recipe.base) out = setBase(out, base);
  if (after.length !== before.length || after.some((model, k) => before[k] !== model)) out = setModels(out, after);
  return out;
}

/** Parameters that a recipe sets and `method` does not have: they go with the switch. */
export function droppedParameters(recipe: Recipe, method: Method): string[] {
  const known = { ...method.params, ...method.perModel };
  const set = [recipe.parameters, ...recipe.models.map(({ parameters }) => parameters)].flatMap(Object.keys);
  return [...new Set(set)].filter((name) => !Object.hasOwn(known, name));
}

/** Why one more model cannot be taken in; null where it can. */
export function fullObstacle(recipe: Recipe, method: Method | undefined): string | null {
  const most = method?.models.max ?? Number.POSITIVE_INFINITY;
  // The one model of a method that takes one is replaced.
  if (method === undefined || recipe.models.length < most || most === 1) return null;
  return `${method.title} takes ${countWords(method.models.min, most)}; take one out first.`;
}
