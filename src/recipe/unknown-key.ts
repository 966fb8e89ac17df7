/**
 * Unknown key: what is said of a word that stands where it means nothing: a typo, a parameter outside `parameters`, a
 * parameter of another scope, or a word of mergekit's that is not used here.
 */

import type { Method } from '../methods/method.ts';
import { type DocumentPath, quoted } from './document.ts';
import { MERGEKIT_KEYS } from './mergekit.ts';
import { nearest } from './nearest.ts';
import { listed } from './parameter-value.ts';
import { RECIPE_KEYS } from './recipe.ts';
import type { SchemaIssue } from './schema-issue.ts';

/** A place where parameters or other keys stand, with its keys. */
interface Scope {
  /** As it stands in a sentence: "… is not a key of …". */
  readonly what: string;
  /** As it stands in a sentence: "put it under 'parameters:' of …". */
  readonly owner: string;
  readonly keys: readonly string[];
  /** Whether its parameters are those of one model. */
  readonly isModel: boolean;
}

const MODEL: Scope = {
  what: 'an entry of models',
  owner: 'this model',
  keys: ['model', 'muted', 'parameters'],
  isModel: true,
};
const SOURCE: Scope = {
  what: 'a source of a slice',
  owner: 'this source',
  keys: ['model', 'layer_range', 'parameters'],
  isModel: true,
};
const SLICE: Scope = {
  what: 'a slice',
  owner: 'this slice',
  keys: ['sources', 'base_model', 'parameters'],
  isModel: false,
};
const MODULE: Scope = {
  what: 'a module',
  owner: 'this module',
  keys: ['slices', 'models', 'parameters'],
  isModel: false,
};
const TOKENIZER: Scope = {
  what: 'tokenizer',
  owner: 'the recipe',
  keys: ['source', 'tokens', 'pad_to_multiple_of'],
  isModel: false,
};
const TOKEN: Scope = { what: 'a token', owner: 'the recipe', keys: ['source', 'force'], isModel: false };
const TOP: Scope = {
  what: 'a recipe',
  owner: 'the recipe',
  keys: RECIPE_KEYS,
  isModel: false,
};

/** The keys that may stand in the map at a path, other than the parameters under `parameters`. */
export function keysAt(path: DocumentPath): readonly string[] {
  return scopeAt(path).keys;
}

/** Whether the parameters at a path, which ends in `parameters`, are those of one model. */
export function isModelAt(path: DocumentPath): boolean {
  return scopeAt(path.slice(0, -1)).isModel;
}

/** The scope whose own keys stand at a path. */
function scopeAt(path: DocumentPath): Scope {
  const above = path.at(-2);
  if (path[0] === 'tokenizer') return path.length === 1 ? TOKENIZER : TOKEN;
  if (above === 'models') return MODEL;
  if (above === 'sources') return SOURCE;
  if (above === 'slices') return SLICE;
  return above === 'modules' ? MODULE : TOP;
}

/** What to say of `key`, which a strict object at `path` does not take. */
export function unknownKey(path: DocumentPath, key: string, method: Method | null): SchemaIssue {
  const at = (message: string, suggestion: string | null = null): SchemaIssue => ({
    path: [...path, key],
    part: 'key',
    message,
    suggestion,
  });
  const name = quoted(key);
  if (path.at(-1) === 'parameters' && method !== null) {
    const { isModel } = scopeAt(path.slice(0, -1));
    const known = Object.keys(isModel ? method.perModel : { ...method.params, ...method.perModel });
    if (isModel && Object.hasOwn(method.params, key)) {
      return at(`${name} holds for all models at once; move it to the 'parameters' at the top level.`);
    }
    const scope = isModel ? ' for a single model' : '';
    return at(
      `${name} is not a parameter of ${method.name}${scope}; there are ${listed(known) || 'none'}.`,
      nearest(key, known),
    );
  }
  const scope = scopeAt(path);
  if (key === 'muted' && (scope === SOURCE || path[0] === 'modules')) {
    return at(
      "What stands in 'slices' or 'modules' cannot be muted, since layers of the result are made of it; remove the entry instead.",
    );
  }
  const instead = MERGEKIT_KEYS.get(key);
  if (instead !== undefined) return at(`${name} is known to mergekit and not in this version: ${instead}.`);
  if (method !== null && scope !== TOKENIZER && scope !== TOKEN) {
    const isParameter = Object.hasOwn(method.perModel, key) || (!scope.isModel && Object.hasOwn(method.params, key));
    if (isParameter) return at(`${name} is a parameter; put it under 'parameters:' of ${scope.owner}.`);
  }
  if (scope !== TOP && scope !== TOKEN && TOP.keys.includes(key)) {
    return at(`${name} stands at the top level of a recipe, not in ${scope.what}; move it there.`);
  }
  return at(`${name} is not a key of ${scope.what}; there are ${listed(scope.keys)}.`, nearest(key, scope.keys));
}
