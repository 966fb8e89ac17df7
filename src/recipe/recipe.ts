/**
 * Recipe: what to merge and how, as data. The YAML document is the single truth behind the page and the command
 * line; this is its parsed form. Not the text (`yaml.ts`), not the numbers per tensor (`resolve.ts`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import { heardRecipe } from './muted.ts';

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
  /** True where `muted: true` stands in its entry: it keeps its settings and takes no part in the merge. */
  readonly isMuted?: boolean;
}

/** Layers [from, to) of a model. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

/** Some layers of one model, as a slice takes them. */
export interface SliceSource extends RecipeModel {
  /** Null for all layers that the model has. */
  readonly layers: LayerRange | null;
}

/** A run of output layers and what it is made of: as many layers of every source. */
export interface RecipeSlice {
  readonly sources: readonly SliceSource[];
  /** The base of this slice where it names one of its own; else null, and the recipe's holds. */
  readonly base: string | null;
  readonly parameters: ParameterValues;
}

/** One stack of layers of the result with what stands before and after it. */
export interface RecipeModule {
  /** Its name under `modules:`; null where the recipe lists `slices` for a model with a single stack. */
  readonly name: string | null;
  /** In the order of the output. A module that lists `models` has one slice of all their layers. */
  readonly slices: readonly RecipeSlice[];
  readonly parameters: ParameterValues;
}

/** Where the row of one token comes from in models that lack it. */
export type TokenSource =
  | { readonly kind: 'model'; readonly model: string }
  | { readonly kind: 'model_token'; readonly model: string; readonly token: string | number }
  | { readonly kind: 'zero' };

/** A token that the recipe speaks of. `force`: its source holds for models that have the token, too. */
export interface TokenSetting {
  readonly token: string;
  readonly source: TokenSource;
  readonly force: boolean;
}

/** Which tokens the result has, and how their rows are found. */
export interface TokenizerSetting {
  /** All models' tokens, the base's, or those of one model. */
  readonly source:
    | { readonly kind: 'union' }
    | { readonly kind: 'base' }
    | { readonly kind: 'model'; readonly model: string };
  readonly tokens: readonly TokenSetting[];
  /** Rows are added until their number is a multiple of this; null to keep the padding that is there. */
  readonly padToMultipleOf: number | null;
}

/** A parsed recipe. */
export interface Recipe {
  /** What later recipes of the same text call its result; absent where it has no name. */
  readonly name?: string;
  readonly method: string;
  /** The base model, or null where the recipe names none. */
  readonly base: string | null;
  /**
   * In the recipe's order, the base left out (mergekit skips it too); for methods without a base, all of them. With
   * `modules`, every model that takes part anywhere, without parameters of its own.
   */
  readonly models: readonly RecipeModel[];
  /** Names of the models that `heardRecipe` took out of `models`; absent where it took out none. */
  readonly muted?: readonly string[];
  /** What the recipe says by `slices` or `modules`; absent where it lists `models`. */
  readonly modules?: readonly RecipeModule[];
  /** Top-level parameters. */
  readonly parameters: ParameterValues;
  /** The dtype that is written: `out_dtype`, else `dtype`, else null for "as stored in the base". */
  readonly outDtype: BlendedDtype | null;
  /** Absent where every tensor keeps its rows and the donor lends its tokenizer. */
  readonly tokenizer?: TokenizerSetting;
  /** `auto`, the name of a known template, or Jinja text; absent where the donor's is kept. */
  readonly chatTemplate?: string;
  /** The other recipes of the text whose results are models of this one, each after those that it needs itself. */
  readonly stages?: readonly Recipe[];
}

/** Every model that a recipe and its stages need from outside: not the results of stages, nor what is muted. Each once. */
export function modelsNeeded(written: Recipe): string[] {
  const recipe = heardRecipe(written);
  const made = new Set((recipe.stages ?? []).flatMap(({ name }) => name ?? []));
  const named = [...(recipe.stages ?? []), recipe].flatMap((own) => [
    ...(own.base === null ? [] : [own.base]),
    ...own.models.map(({ model }) => model),
    ...(own.tokenizer?.source.kind === 'model' ? [own.tokenizer.source.model] : []),
  ]);
  return [...new Set(named)].filter((model) => !made.has(model));
}

/** The keys of a recipe, in the order in which new ones are written. */
export const RECIPE_KEYS = [
  'name',
  'merge_method',
  'base_model',
  'models',
  'slices',
  'modules',
  'parameters',
  'dtype',
  'out_dtype',
  'tokenizer_source',
  'tokenizer',
  'chat_template',
] as const;
