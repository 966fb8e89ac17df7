/**
 * Stages: several recipes in one text, where the result of one is a model of another. Finds which recipe makes the
 * result and in which order the others are needed. Not how an inner result is read: that is `merge/stage.ts`.
 */

import { type DocumentPath, quoted } from './document.ts';
import { listed } from './parameter-value.ts';
import type { Recipe } from './recipe.ts';

/** Something wrong between recipes: in which of them, and where. */
export interface StageIssue {
  /** Index of the recipe in the text. */
  readonly index: number;
  readonly path: DocumentPath;
  readonly message: string;
}

const MAX_STAGES = 64;

/** The names in a recipe that may mean other recipes' results. */
function named(recipe: Recipe): string[] {
  const { base, models, tokenizer } = recipe;
  const lender = tokenizer?.source.kind === 'model' ? [tokenizer.source.model] : [];
  return [...(base === null ? [] : [base]), ...models.map(({ model }) => model), ...lender];
}

/**
 * The recipe that makes the result, with the others as its stages, each after those that it needs. The result is the
 * recipe without a name, or the one that no other needs.
 */
export function linkStages(recipes: readonly Recipe[]): {
  readonly recipe: Recipe | null;
  readonly issues: readonly StageIssue[];
} {
  const issues: StageIssue[] = [];
  const add = (index: number, path: DocumentPath, message: string): void => {
    issues.push({ index, path, message });
  };
  if (recipes.length > MAX_STAGES) {
    add(MAX_STAGES, [], `A text may hold ${MAX_STAGES} recipes, and this one has ${recipes.length}.`);
    return { recipe: null, issues };
  }
  const indexOf = new Map<string, number>();
  recipes.forEach(({ name }, index) => {
    if (name === undefined) return;
    if (indexOf.has(name)) add(index, ['name'], `Two recipes are called ${quoted(name)}; give each a name of its own.`);
    else indexOf.set(name, index);
  });
  const unnamed = recipes.flatMap(({ name }, index) => (name === undefined ? [index] : []));
  for (const index of unnamed.slice(1)) {
    add(
      index,
      [],
      "More than one recipe has no 'name'; only the last step, whose result is written, may go without one.",
    );
  }
  const needs = recipes.map((own) => [...new Set(named(own).flatMap((name) => indexOf.get(name) ?? []))]);
  const needed = new Set(needs.flat());
  if (issues.length > 0) return { recipe: null, issues };

  const order: number[] = [];
  const state = new Map<number, 'open' | 'done'>();
  let hasCycle = false;
  const visit = (index: number, path: readonly number[]): void => {
    if (state.get(index) === 'done' || hasCycle) return;
    if (state.get(index) === 'open') {
      hasCycle = true;
      const round = [...path.slice(path.indexOf(index)), index].map((own) =>
        quoted(recipes[own]?.name ?? 'the result'),
      );
      add(index, [], `These recipes need each other’s results in a circle: ${round.join(' needs ')}.`);
      return;
    }
    state.set(index, 'open');
    for (const next of needs[index] ?? []) visit(next, [...path, index]);
    state.set(index, 'done');
    order.push(index);
  };
  recipes.forEach((_, index) => visit(index, []));
  if (hasCycle) return { recipe: null, issues };

  const ends = recipes.flatMap((_, index) => (needed.has(index) ? [] : [index]));
  const [end = 0] = unnamed.length > 0 ? unnamed : ends;
  const others = ends.filter((index) => index !== end);
  if (others.length > 0) {
    const names = others.map((index) => quoted(recipes[index]?.name ?? ''));
    const [first = 0] = others;
    add(
      first,
      ['name'],
      unnamed.length > 0
        ? `No recipe uses the result of ${listed(names)}; name it as a model where it is needed, or remove it.`
        : `The text must have one result, and ${listed([quoted(recipes[end]?.name ?? ''), ...names])} are not used by another recipe; merge them one by one.`,
    );
    return { recipe: null, issues };
  }
  const result = recipes[end];
  if (result === undefined) return { recipe: null, issues };
  const stages = order.filter((index) => index !== end).flatMap((index) => recipes[index] ?? []);
  return { recipe: { ...result, ...(stages.length === 0 ? {} : { stages }) }, issues };
}
