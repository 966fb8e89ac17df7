/** Left work: what a person left, in words. Pure. Not the keeping of it (`workspace.ts`). */

import { METHODS } from '../methods/index.ts';
import { listed } from '../recipe/parameter-value.ts';
import { diagnoseRecipe } from '../recipe/yaml.ts';
import { plural } from './figures.ts';
import { droppedNames, type Opening } from './kept-files.ts';
import type { KeptWorkspace } from './workspace-text.ts';

const MOST_NAMED = 4;
const MINUTE_MS = 60_000;

/** What the recipe was, such as `VaRM of m1 and m2 on base, with 2 takes`. */
export function leftSentence({ text, checkpoints, takes }: KeptWorkspace): string {
  const { recipe } = diagnoseRecipe(text);
  const named = (names: readonly string[]) =>
    names.length > MOST_NAMED ? plural(names.length, 'model') : listed(names);
  const what = recipe
    ? `${METHODS.get(recipe.method)?.title ?? recipe.method} of ${named(recipe.models.map(({ model }) => model))}`
    : named(checkpoints.map(({ name }) => name));
  const base = recipe && recipe.base !== null ? ` on ${recipe.base}` : '';
  return `${what}${base}${takes.length > 0 ? `, with ${plural(takes.length, 'take')}` : ''}`;
}

/** How long ago, coarse: `just now`, `5 minutes ago`, `yesterday`. */
export function agoPhrase(ms: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - ms) / MINUTE_MS);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${plural(minutes, 'minute')} ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${plural(hours, 'hour')} ago`;
  const days = Math.floor(hours / 24);
  return days === 1 ? 'yesterday' : `${plural(days, 'day')} ago`;
}

/** What to drop again where the browser cannot find files by itself: folders, or files that came without one. */
export function namesToDrop(openings: readonly Opening[]): readonly string[] {
  return [
    ...new Set(
      openings.flatMap((opening) => {
        const names = droppedNames(opening);
        return names.length > 0 ? names : opening.names;
      }),
    ),
  ];
}

/** What a person is told after the work has come back: what the reload stopped, what is not as it was. */
export function returnSentence(
  left: Pick<KeptWorkspace, 'underWay' | 'hadBlend'>,
  found: { readonly changed: readonly string[]; readonly missing: readonly string[] },
): { readonly tone: 'plain' | 'warning'; readonly sentence: string } {
  const parts: string[] = [];
  if (found.missing.length > 0) {
    const [is, it] = found.missing.length === 1 ? ['is', 'it'] : ['are', 'them'];
    parts.push(`${listed(found.missing.slice(0, MOST_NAMED))} ${is} not there any more: add ${it} again.`);
  }
  if (found.changed.length > 0) {
    const more = found.changed.length > MOST_NAMED ? ` and ${found.changed.length - MOST_NAMED} more` : '';
    parts.push(`${found.changed.slice(0, MOST_NAMED).join(', ')}${more} changed on disk since.`);
  }
  if (left.underWay === 'merge') parts.push('The merge was stopped by the reload. Merge again.');
  else if (left.underWay === 'save to a folder') {
    parts.push(
      'The save was stopped by the reload. What it left in its folder are empty files, which nothing takes for a model: delete them, then save again.',
    );
  } else if (left.underWay === 'save as a zip') {
    parts.push('The save was stopped by the reload and left no file. Save again.');
  } else if (left.hadBlend) parts.push('Merge again to talk to the result.');
  const isWarning = found.missing.length + found.changed.length > 0 || left.underWay !== null;
  return { tone: isWarning ? 'warning' : 'plain', sentence: ['The recipe is as you left it.', ...parts].join(' ') };
}
