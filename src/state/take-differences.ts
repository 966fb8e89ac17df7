/**
 * Take differences: how one recipe differs from another, in words. A pure function over two texts. What is compared is
 * what the recipes mean; comments and layout are named only where nothing else differs.
 */

import { METHODS } from '../methods/index.ts';
import { listed } from '../recipe/parameter-value.ts';
import type { Gradient, ParameterValues, Recipe } from '../recipe/recipe.ts';
import { diagnoseRecipe } from '../recipe/yaml.ts';
import { plural } from './figures.ts';

/** More models than these are counted instead of named. */
const MOST_NAMED = 3;

/** What changes from `before` to `after`, such as `method VaRM → TIES; without m2; 3 weights differ`. */
export function takeDifferences(before: string, after: string): string {
  if (before === after) return 'the same recipe';
  const [a, b] = [diagnoseRecipe(before).recipe, diagnoseRecipe(after).recipe];
  if (!a || !b) return 'the text differs';
  const parts = [...methodParts(a, b), ...modelParts(a, b), ...valueParts(a, b), ...otherParts(a, b)];
  return parts.length > 0 ? parts.join('; ') : 'only comments or layout differ';
}

function methodParts(a: Recipe, b: Recipe): string[] {
  if (a.method === b.method) return [];
  const title = (name: string) => METHODS.get(name)?.title ?? name;
  return [`method ${title(a.method)} → ${title(b.method)}`];
}

function modelParts(a: Recipe, b: Recipe): string[] {
  const parts: string[] = [];
  if (a.base !== b.base) parts.push(`base ${a.base ?? 'none'} → ${b.base ?? 'none'}`);
  const names = (recipe: Recipe) => recipe.models.map(({ model }) => model);
  const [were, are] = [names(a), names(b)];
  const came = are.filter((name) => !were.includes(name));
  const went = were.filter((name) => !are.includes(name));
  if (came.length > 0) parts.push(`with ${named(came)}`);
  if (went.length > 0) parts.push(`without ${named(went)}`);
  const stayed = (list: readonly string[], others: readonly string[]) => list.filter((name) => others.includes(name));
  if (stayed(were, are).join('\n') !== stayed(are, were).join('\n')) parts.push('models in another order');
  const isMuted = (recipe: Recipe, name: string) => recipe.models.find(({ model }) => model === name)?.isMuted === true;
  const both = stayed(are, were);
  const muted = both.filter((name) => isMuted(b, name) && !isMuted(a, name));
  const heard = both.filter((name) => isMuted(a, name) && !isMuted(b, name));
  if (muted.length > 0) parts.push(`${named(muted)} muted`);
  if (heard.length > 0) parts.push(`${named(heard)} no more muted`);
  return parts;
}

function named(names: readonly string[]): string {
  return names.length > MOST_NAMED ? plural(names.length, 'model') : listed(names);
}

/** Values by parameter, of models that both recipes have. What came or went with a model says that already. */
function valueParts(a: Recipe, b: Recipe): string[] {
  const isShared = (name: string) => [a, b].every(({ models }) => models.some(({ model }) => model === name));
  const [were, are] = [valuesOf(a, isShared), valuesOf(b, isShared)];
  const changed = new Map<string, Changed>();
  for (const key of new Set([...were.keys(), ...are.keys()])) {
    const [from, to] = [were.get(key), are.get(key)];
    if (JSON.stringify(from?.value) === JSON.stringify(to?.value)) continue;
    const { name = '', model = null } = to ?? from ?? {};
    changed.set(name, { count: (changed.get(name)?.count ?? 0) + 1, model, from: from?.value, to: to?.value });
  }
  return [...changed].map(([name, { count, model, from, to }]) =>
    count === 1 && !Array.isArray(from) && !Array.isArray(to)
      ? `${words(name)}${model === null ? '' : ` of ${model}`} ${figure(from)} → ${figure(to)}`
      : `${count} ${count === 1 ? 'curve' : 'values'} of ${words(name)}${count === 1 ? ' differs' : ' differ'}`,
  );
}

/** What changed of one parameter: how often, and where and how the last time. */
interface Changed {
  readonly count: number;
  readonly model: string | null;
  readonly from: Gradient | undefined;
  readonly to: Gradient | undefined;
}

function words(parameter: string): string {
  return parameter.replaceAll('_', ' ');
}

function figure(value: Gradient | undefined): string {
  if (value === undefined) return 'unset';
  return typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value);
}

interface NamedValue {
  readonly name: string;
  /** Null where it holds for all. */
  readonly model: string | null;
  readonly value: Gradient;
}

/** Every value that a recipe writes, by where it stands: its model, its parameter and its filter. */
function valuesOf(recipe: Recipe, isShared: (model: string) => boolean): ReadonlyMap<string, NamedValue> {
  const values = new Map<string, NamedValue>();
  const take = (model: string | null, parameters: ParameterValues) => {
    for (const [name, value] of Object.entries(parameters)) {
      const entries = value.form === 'everywhere' ? [{ filter: null, value: value.value }] : value.entries;
      for (const entry of entries) {
        // Of two entries with one filter the first holds.
        const key = JSON.stringify([model, name, entry.filter === '*' ? null : entry.filter]);
        if (!values.has(key)) values.set(key, { name, model, value: entry.value });
      }
    }
  };
  take(null, recipe.parameters);
  for (const { model, parameters } of recipe.models) if (isShared(model)) take(model, parameters);
  return values;
}

function otherParts(a: Recipe, b: Recipe): string[] {
  const parts: string[] = [];
  const differs = (one: unknown, other: unknown) => JSON.stringify(one) !== JSON.stringify(other);
  if (a.outDtype !== b.outDtype) parts.push(`saved as ${b.outDtype ?? 'stored'} instead of ${a.outDtype ?? 'stored'}`);
  if (differs(a.modules, b.modules)) parts.push('slices differ');
  if (differs(a.stages, b.stages)) parts.push('the recipes that it builds on differ');
  if (differs(a.tokenizer, b.tokenizer)) parts.push('tokenizer differs');
  if (differs(a.chatTemplate, b.chatTemplate)) parts.push('chat template differs');
  return parts;
}
