/**
 * YAML: a recipe's text to a Recipe, with every complaint at its line and column. Changing the text is `edit.ts`
 * (passed on here, so that the text has one door); what a recipe may say is `schema.ts`.
 */

import { RecipeFault } from '../bytes/fault.ts';
import {
  MAX_RECIPE_CHARS,
  openDocument,
  pathText,
  type Problem,
  type RecipeDocument,
  splitDocuments,
} from './document.ts';
import type { Recipe } from './recipe.ts';
import { readRecipe } from './schema.ts';
import { linkStages } from './stages.ts';

export type { Problem } from './document.ts';
export {
  clearFiltered,
  setBase,
  setDtype,
  setFilteredValue,
  setFilteredValues,
  setMethod,
  setModels,
  setMuted,
  setParameter,
} from './edit.ts';
export { newRecipe } from './new-recipe.ts';
export { modelNameObstacle } from './schema.ts';

const EMPTY = "The recipe is empty; begin with 'merge_method: NAME' and 'models:'.";

/** One recipe of a text; `position` finds the places that its paths mean. */
function diagnoseOne(text: string): {
  recipe: Recipe | null;
  problems: Problem[];
  position: RecipeDocument['position'];
} {
  const opened = openDocument(text);
  const { position } = opened;
  if (opened.problems.length > 0) return { recipe: null, problems: [...opened.problems], position };
  if (opened.data === null || opened.data === undefined) {
    return { recipe: null, problems: [{ message: EMPTY, line: 1, column: 1, suggestion: null, path: '' }], position };
  }
  const { recipe, issues } = readRecipe(opened.data);
  const problems = issues.map(
    ({ path, part, message, suggestion }): Problem => ({
      message: suggestion === null ? message : `${message} Did you mean '${suggestion}'?`,
      ...position(path, part),
      suggestion,
      path: pathText(path),
    }),
  );
  return { recipe, problems, position };
}

/**
 * Reads a text of one recipe or of several ('---' between them), and returns everything that is wrong with it, in the
 * order of the text; never throws. Of several, the recipe is the one that makes the result, the others its stages.
 */
export function diagnoseRecipe(text: string): { recipe: Recipe | null; problems: readonly Problem[] } {
  const isTooLong = text.length > MAX_RECIPE_CHARS;
  const read = (isTooLong ? [text] : splitDocuments(text)).map(diagnoseOne);
  const problems = read.flatMap((own) => own.problems);
  const recipes = read.flatMap((own) => own.recipe ?? []);
  let recipe = read.length === 1 ? (recipes[0] ?? null) : null;
  if (read.length > 1 && recipes.length === read.length && problems.length === 0) {
    const linked = linkStages(recipes);
    recipe = linked.recipe;
    for (const { index, path, message } of linked.issues) {
      const place = read[index]?.position(path) ?? { line: 1, column: 1 };
      problems.push({ message, ...place, suggestion: null, path: pathText(path) });
    }
  }
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { recipe: problems.length === 0 ? recipe : null, problems };
}

/** A RecipeFault of the first problem, with its position; `details.problems` has them all. */
export function faultOf(problems: readonly Problem[]): RecipeFault {
  const [first] = problems;
  if (first === undefined) return new RecipeFault('The recipe cannot be used.');
  const { message, ...where } = first;
  const more = problems.length - 1;
  const rest = more === 0 ? '' : ` (${more === 1 ? 'One more problem follows' : `${more} more problems follow`}.)`;
  return new RecipeFault(`Recipe, line ${where.line}, column ${where.column}: ${message}${rest}`, {
    ...where,
    problems,
  });
}

/**
 * Reads a recipe. Throws a RecipeFault whose `details` hold `line` and `column` (from 1), `suggestion`, `path` and
 * all `problems`.
 */
export function parseRecipe(text: string): Recipe {
  const { recipe, problems } = diagnoseRecipe(text);
  if (recipe === null) throw faultOf(problems);
  return recipe;
}
