/**
 * Recipe: what to merge and how, as data. The YAML document is the single truth behind the page and the command
 * line; this is its parsed form. Not the text (`yaml.ts`), not the numbers per tensor (`resolve.ts`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';

/** A plain parameter value in mergekit's YAML. */
export type Scalar = number | boolean | string;

/** A scalar for all tensors, or a gradient over the layers (mergekit's per-layer list). */
export type Gradient = Scalar | readonly Scalar[];

/** One entry of a `{filter, value}` list; no filter or "*" matches every tensor, else a substring of its name. */
export interface FilteredValue {
  readonly filter: string | null;
  readonly value: Gradient;
}

/** The three forms that a parameter takes in mergekit's YAML. */
export type ParameterValue =
  | { readonly form: 'everywhere'; readonly value: Gradient }
  | { readonly form: 'filtered'; readonly entries: readonly FilteredValue[] };

export type ParameterValues = Readonly<Record<string, ParameterValue>>;

/** One model of the recipe with the parameters that are its own. */
export interface RecipeModel {
  /** A path relative to the recipe (command line) or the name of an open checkpoint (page). */
  readonly model: string;
  readonly parameters: ParameterValues;
}

/** A parsed recipe. */
export interface Recipe {
  readonly method: string;
  /** The base model, or null where the recipe names none. */
  readonly base: string | null;
  /** In the recipe's order, the base left out (mergekit skips it too); for methods without a base, all of them. */
  readonly models: readonly RecipeModel[];
  /** Top-level parameters. */
  readonly parameters: ParameterValues;
  /** The dtype that is written: `out_dtype`, else `dtype`, else null for "as stored in the base". */
  readonly outDtype: BlendedDtype | null;
}
