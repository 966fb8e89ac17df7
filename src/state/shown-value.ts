/**
 * ShownValue: what one control shows for one parameter of the recipe: the value that holds where nothing more
 * particular is said. Not the value at a tensor (`recipe/resolve.ts`).
 */

import { defaultOf, type Method, type Parameter } from '../methods/method.ts';
import type { ParameterValue, Recipe, Scalar } from '../recipe/recipe.ts';

/** What a control shows. */
export interface ShownValue {
  /** Null where the parameter is unset and has no default. */
  readonly value: Scalar | null;
  /** True where the recipe says it, false where it is the method's default. */
  readonly isWritten: boolean;
  /** True where the recipe gives other values to some layers or tensors. */
  readonly varies: boolean;
}

function ofWritten(written: ParameterValue, fallback: Scalar | null): ShownValue {
  if (written.form === 'everywhere') {
    const { value } = written;
    if (typeof value === 'object') return { value: value[0] ?? fallback, isWritten: true, varies: true };
    return { value, isWritten: true, varies: false };
  }
  let rest: Scalar | null = fallback;
  let hasRest = false;
  let varies = false;
  for (const { filter, value } of written.entries) {
    if (filter !== null && filter !== '*') {
      varies = true;
    } else if (!hasRest) {
      hasRest = true;
      if (typeof value === 'object') {
        varies = true;
        rest = value[0] ?? fallback;
      } else {
        rest = value;
      }
    }
  }
  return { value: rest, isWritten: hasRest, varies };
}

/** The value of a parameter: a model's own where `model` is given and has one, else the recipe's, else the default. */
export function shownValue(recipe: Recipe, name: string, parameter: Parameter, model: string | null): ShownValue {
  const fallback = defaultOf(parameter);
  const own = model === null ? undefined : recipe.models.find((m) => m.model === model)?.parameters[name];
  const written = own ?? recipe.parameters[name];
  return written ? ofWritten(written, fallback) : { value: fallback, isWritten: false, varies: false };
}

/** Whether any model has a value set by hand for a part of the model (a filter other than the rest). */
export function hasFilteredValues(recipe: Recipe, name: string): boolean {
  return recipe.models.some(({ parameters }) => {
    const written = parameters[name];
    return written?.form === 'filtered' && written.entries.some(({ filter }) => filter !== null && filter !== '*');
  });
}

/** The parameters of a method that a person may set: mergekit's without effect here are left out. */
export function settable(
  parameters: Method['params'],
): readonly (readonly [string, Exclude<Parameter, { kind: 'ignored' }>])[] {
  return Object.entries(parameters).flatMap(([name, p]) => (p.kind === 'ignored' ? [] : [[name, p] as const]));
}
