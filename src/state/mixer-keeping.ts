/**
 * Mixer keeping: what is locked keeps its weight under edits that reach over much of the recipe at once: presets, faders
 * of a model or a group, curves, another method, the recommended start. Pure; which gestures these are is for those who
 * call `Studio.sweep`. What a hand does on the map leaves locked cells alone by itself (`mixer-edits.ts`).
 */

import { METHODS } from '../methods/index.ts';
import { keepValues, type ReadRecipe } from '../recipe/kept-values.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { diagnoseRecipe } from '../recipe/yaml.ts';
import type { WeightsMap } from './engine-api.ts';
import { beginnings, lockCount, type Locks } from './mixer-locks.ts';
import { isTextOnly } from './recipe-edits.ts';

/** An edit of the whole recipe with what is locked put back. */
export interface Swept {
  readonly text: string;
  /** Cells of the map that would have changed and do not, each as a line of its own. */
  readonly kept: readonly string[];
  /** The same for those that change all the same. */
  readonly lost: readonly string[];
  /** Why nothing could be kept; null where all could, or nothing was to be. */
  readonly obstacle: string | null;
}

/** What the page knows when an edit comes. */
export interface Page {
  readonly locks: Locks;
  /** The tensors that the recipe merges; empty while nothing can be merged. */
  readonly tensors: readonly string[];
  readonly map: WeightsMap | null;
}

/** To four decimals, as a weight is told that a person did not type. */
function told(weight: number): number {
  return Math.round(weight * 1e4) / 1e4;
}

function readOf(text: string, recipe: Recipe | null): ReadRecipe | null {
  const method = recipe ? METHODS.get(recipe.method) : undefined;
  return recipe && method && !isTextOnly(recipe) ? { text, recipe, method } : null;
}

/** Which cell of the map a tensor lies in, by the beginnings of its name. */
function cellFinder(map: WeightsMap | null): (tensor: string) => WeightsMap['cells'][number] | null {
  const cells = new Map((map?.cells ?? []).flatMap((cell) => cell.filters.map((filter) => [filter, cell] as const)));
  return (tensor) => {
    for (const filter of beginnings(tensor)) {
      const cell = cells.get(filter);
      if (cell) return cell;
    }
    return null;
  };
}

/**
 * The text after an edit, with what is locked as it was before.
 * @param before the text that was edited, and the recipe that it was.
 */
export function keepLocked(before: { text: string; recipe: Recipe }, after: string, page: Page): Swept {
  const nothing: Swept = { text: after, kept: [], lost: [], obstacle: null };
  const { locks, tensors, map } = page;
  if (after === before.text || lockCount(locks) === 0 || tensors.length === 0) return nothing;
  const was = readOf(before.text, before.recipe);
  const is = readOf(after, diagnoseRecipe(after).recipe);
  if (!was || !is) return nothing;
  const name = was.method.handle;
  if (name === null) return nothing;
  if (is.method.handle !== name) {
    const instead = is.method.handle === null ? 'sets no weight by hand' : `sets ${is.method.handle} instead`;
    return { ...nothing, obstacle: `Locks hold ${name}, and ${is.method.title} ${instead}: nothing could be kept.` };
  }
  const cellOf = cellFinder(map);
  const { text, kept, lost } = keepValues(was, is, {
    name,
    held: new Map([...locks].filter(([, filters]) => filters.size > 0)),
    tensors,
    shown: (model, tensor) => told(cellOf(tensor)?.weights[map?.models.indexOf(model) ?? -1] ?? Number.NaN),
  });
  const places = (own: typeof kept) => [
    ...new Set(
      own.map(({ model, tensor }) => {
        const cell = cellOf(tensor);
        return `${model}\n${cell ? `${cell.row}\n${cell.column}` : tensor}`;
      }),
    ),
  ];
  return { text, kept: places(kept), lost: places(lost), obstacle: null };
}

/** What has to be said of an edit that locks had to do with; null where they had not. */
export function sweptSentence({ kept, lost, obstacle }: Pick<Swept, 'kept' | 'lost' | 'obstacle'>): string | null {
  if (obstacle !== null) return obstacle;
  const sentences: string[] = [];
  if (kept.length > 0) {
    sentences.push(
      kept.length === 1 ? '1 locked cell kept its weight.' : `${kept.length} locked cells kept their weights.`,
    );
  }
  if (lost.length > 0) {
    sentences.push(`${lost.length === 1 ? '1 locked cell' : `${lost.length} locked cells`} could not be kept.`);
  }
  return sentences.length === 0 ? null : sentences.join(' ');
}
