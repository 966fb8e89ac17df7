/**
 * Lineup: what takes part in a merge, tensor by tensor: the base, the models, and for every tensor of the result
 * where its bytes lie in each of them. Made by `check.ts` once the pre-flight allows it. Not how the work is cut
 * (`layout.ts`) and not with which weights (`weights.ts`).
 */

import type { Bytes } from '../bytes/bytes.ts';
import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { Method, Values } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';

/** One tensor that is blended. */
export interface BlendTensor {
  /** Its name in the result. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Elements of a slice along the first of two or more dimensions; all of them for a vector or a scalar. */
  readonly rowElements: number;
  /** Whether the first source is a base. */
  readonly hasBase: boolean;
  /** The base first where there is one, then the models in the recipe's order. */
  readonly sources: readonly TensorEntry[];
  readonly dtypes: readonly BlendedDtype[];
  /** Per model of this tensor its index in `Lineup.models`: with slices not every tensor has all of them. */
  readonly modelOf: readonly number[];
  /** The parameters at this tensor, by the recipe's scopes, filters and gradients. */
  readonly params: Values;
  /** The per-model parameters at this tensor, one entry per model of it. */
  readonly perModel: readonly Values[];
  /** The dtype that is written. */
  readonly out: BlendedDtype;
}

/** One tensor that is copied as it is. */
export interface CopiedTensor {
  /** Its name in the result. */
  readonly name: string;
  readonly entry: TensorEntry;
}

/** A stack of layers of the result that are not the donor's, one for one. */
export interface RestackedLayers {
  /** Such as `model.layers`. */
  readonly stack: string;
  /** How many the donor has. */
  readonly donorLayers: number;
  /** Per layer of the result whose config speaks for it, and which of its layers it was. */
  readonly origins: readonly { readonly checkpoint: Checkpoint; readonly layer: number }[];
}

/** The small files that the result gets instead of the donor's. */
export interface ReplacedFiles {
  readonly texts: ReadonlyMap<string, string>;
  readonly binaries: ReadonlyMap<string, Bytes>;
  /** Names of the donor's files that the result goes without. */
  readonly dropped: ReadonlySet<string>;
}

/** In what the files beside the weights differ from the donor's. */
export interface OutputChanges {
  readonly restacked: readonly RestackedLayers[];
  /** Rows of the embeddings where they are not the donor's; null where they are. */
  readonly vocabularyRows: number | null;
  /** What config says of a tied head, where that changes; null where it does not. */
  readonly isTied: boolean | null;
  /** Numbers of special tokens that moved: from the donor's to the result's. */
  readonly movedTokens: ReadonlyMap<number, number>;
  /** Null where the donor's tokenizer and template are kept. */
  readonly files: ReplacedFiles | null;
}

/** Everything that takes part. */
export interface Lineup {
  readonly recipe: Recipe;
  readonly method: Method;
  /** The base where the method blends with one. */
  readonly base: Checkpoint | null;
  /** Every model that takes part anywhere, the base left out. */
  readonly models: readonly Checkpoint[];
  /** Lends config, tokenizer and tensor order: the recipe's base, else its first model. */
  readonly donor: Checkpoint;
  /** In the result's order. */
  readonly tensors: readonly BlendTensor[];
  /** Tensors that are copied as they are (integers, F64, F8 …), in the result's order. */
  readonly copied: readonly CopiedTensor[];
  /** The names of all tensors of the result, in the order in which they are written. */
  readonly order: readonly string[];
  /** Layers of the result's tallest stack. */
  readonly layers: number;
  readonly changes: OutputChanges;
}

/** Bytes of one pass over all sources of the blended tensors. */
export function readBytesOf(lineup: Lineup): number {
  let bytes = 0;
  for (const tensor of lineup.tensors) for (const source of tensor.sources) bytes += source.end - source.start;
  return bytes;
}
