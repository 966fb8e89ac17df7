/** New recipe: a fresh document for a method and some models. Changing one that exists is `edit.ts`. */

import { stringify } from 'yaml';
import { RecipeFault } from '../bytes/fault.ts';
import { METHODS } from '../methods/index.ts';
import { quoted } from './document.ts';
import { listed } from './parameter-value.ts';

/**
 * The text of a new recipe. Of the defaults it shows those that a reader looks for: the method's choices, and the
 * weight of each model where the method has one by default. Names are taken as they are; see `modelNameObstacle`.
 */
export function newRecipe({
  method: name,
  base,
  models,
}: {
  readonly method: string;
  readonly base: string | null;
  readonly models: readonly string[];
}): string {
  const method = METHODS.get(name);
  if (!method)
    throw new RecipeFault(`There is no merge method ${quoted(name)}; this version has ${listed(METHODS.keys())}.`);
  const { handle: own } = method;
  const handle = own === null ? undefined : method.perModel[own];
  const weight = handle?.kind === 'number' ? handle.default : null;
  const shown = Object.entries(method.params).flatMap(([key, p]) => (p.kind === 'choice' ? [[key, p.default]] : []));
  return stringify(
    {
      merge_method: name,
      ...(base === null ? {} : { base_model: base }),
      models: models.map((model) =>
        weight === null || own === null ? { model } : { model, parameters: { [own]: weight } },
      ),
      ...(shown.length === 0 ? {} : { parameters: Object.fromEntries(shown) }),
    },
    { lineWidth: 0 },
  );
}
