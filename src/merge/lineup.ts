/**
 * Lineup: what takes part in a merge, tensor by tensor: the base, the models, and for every tensor of the result
 * where its bytes lie in each of them. Made by `check.ts` once the pre-flight allows it. Not how the work is cut
 * (`layout.ts`) and not with which weights (`weights.ts`).
 */

import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';

/** One tensor that is blended. */
export interface BlendTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Elements of a slice along the first of two or more dimensions; all of them for a vector or a scalar. */
  readonly rowElements: number;
  /** The base first where the method has one, then the models in the recipe's order. */
  readonly sources: readonly TensorEntry[];
  readonly dtypes: readonly BlendedDtype[];
  /** The dtype that is written. */
  readonly out: BlendedDtype;
}

/** Everything that takes part. */
export interface Lineup {
  readonly recipe: Recipe;
  readonly method: Method;
  /** The base where the method blends with one. */
  readonly base: Checkpoint | null;
  readonly models: readonly Checkpoint[];
  /** Lends config, tokenizer and tensor order: the recipe's base, else its first model. */
  readonly donor: Checkpoint;
  /** In the donor's order. */
  readonly tensors: readonly BlendTensor[];
  /** Tensors that are copied from the donor as they are (integers, F64, F8 …), in the donor's order. */
  readonly copied: readonly TensorEntry[];
  readonly layers: number;
}

/** Bytes of one pass over all sources of the blended tensors. */
export function readBytesOf(lineup: Lineup): number {
  let bytes = 0;
  for (const tensor of lineup.tensors) for (const source of tensor.sources) bytes += source.end - source.start;
  return bytes;
}
