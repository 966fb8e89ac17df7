/**
 * WeightForms: how chat holds each tensor of a model: as it is in float32, or its matrices in blocks of 8 or 4 bits
 * (`formats/block-quantised.ts`), and which of these a size and a budget call for. Not the quantising itself.
 */

import { type LiveForm, possibleForm } from '../formats/block-quantised.ts';
import { parametersOf, type WeightInput } from './architecture.ts';

export type { LiveForm } from '../formats/block-quantised.ts';

/** How the matrices of a model are held. Vectors (norms, biases) stay in float32 always. */
export type Precision = 'f32' | 'q8' | 'q4';

/** What decides a precision. */
export interface PrecisionFacts {
  /** Parameters of the model. */
  readonly parameters: number;
  /** Most bytes that merging and chat may hold. */
  readonly budgetBytes: number;
  /** Bytes of the budget that others hold and keep: other speakers, sources that stay. */
  readonly heldBytes: number;
  readonly isGpu: boolean;
}

/** Models of at most so many parameters are held as they are: they fit anywhere, and fewer bits cost them most. */
export const MOST_F32_PARAMETERS = 64e6;

/** Bytes per parameter, scales included. */
export const PARAMETER_BYTES: Readonly<Record<Precision, number>> = { f32: 4, q8: 1.125, q4: 0.625 };

const NAMES: Readonly<Record<Precision, string>> = { f32: 'float32', q8: '8 bits', q4: '4 bits' };

/** What is left free of the budget, for the merge's working buffers and the cache: a quarter, at most this. */
const MOST_SPARE_BYTES = 2 ** 28;

/** Bytes as people say them. */
function spoken(bytes: number): string {
  const unit = bytes < 1e9 ? { name: 'MB', size: 1e6 } : { name: 'GB', size: 1e9 };
  const amount = Math.max(0, bytes) / unit.size;
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${unit.name}`;
}

/**
 * The precision that suits a model here: float32 where it is small, else 8 bits, and 4 bits where 8 do not fit the budget
 * beside what others hold. Where 4 bits do not fit either it says so, and whoever makes the room refuses.
 * @returns the precision, and one sentence for the page that says why.
 */
export function choosePrecision(facts: PrecisionFacts): { readonly precision: Precision; readonly reason: string } {
  const { parameters, budgetBytes, heldBytes, isGpu } = facts;
  const bytes = (precision: Precision) => parameters * PARAMETER_BYTES[precision];
  const held = (precision: Precision) => `The weights are held in ${NAMES[precision]} (${spoken(bytes(precision))})`;
  if (!isGpu) return { precision: 'f32', reason: `${held('f32')}, which is what the processor computes with.` };

  const freeBytes = budgetBytes - Math.min(budgetBytes / 4, MOST_SPARE_BYTES) - heldBytes;
  const free = `the ${spoken(freeBytes)} that are free of the budget of ${spoken(budgetBytes)}`;
  const isSmall = parameters <= MOST_F32_PARAMETERS;
  if (isSmall && bytes('f32') <= freeBytes) {
    return { precision: 'f32', reason: `${held('f32')}, because the model is small: nothing is rounded for chat.` };
  }
  if (bytes('q8') <= freeBytes) {
    const why = isSmall
      ? `float32 (${spoken(bytes('f32'))}) does not fit in ${free}`
      : `float32 takes ${spoken(bytes('f32'))}`;
    return { precision: 'q8', reason: `${held('q8')}; ${why}.` };
  }
  if (bytes('q4') <= freeBytes) {
    const why = `8 bits (${spoken(bytes('q8'))}) do not fit in ${free}`;
    return { precision: 'q4', reason: `${held('q4')}, because ${why}; answers lose some quality.` };
  }
  return {
    precision: 'q4',
    reason: `Even in 4 bits the weights take ${spoken(bytes('q4'))}, more than ${free}; raise the budget or close other models.`,
  };
}

/** With 4 bits embedding and head get 8 where that adds at most this share to all weights. */
const MOST_ADDED_SHARE = 0.25;

/**
 * The form of every weight that a graph reads, by the tensor's name in the checkpoint; f32 where it cannot be in blocks.
 *
 * With `q4` the embedding and a head of its own are held in 8 bits where they are not too large a part of the model:
 * of the stories260K checkpoint, whose embedding is an eighth of it, 4 bits throughout are 0.103 nats (KL divergence per
 * token) from float32, and 0.073 with an embedding in 8 bits, for a tenth more bytes.
 */
export function formOf(
  weights: readonly Pick<WeightInput, 'name' | 'shape' | 'role'>[],
  precision: Precision,
): ReadonlyMap<string, LiveForm> {
  const embedding = weights.find(({ role }) => role === 'embedding');
  const isOfTokens = ({ role, shape }: Pick<WeightInput, 'role' | 'shape'>) =>
    role === 'embedding' ||
    (role === 'linear' && shape.length === 2 && shape.every((size, axis) => size === embedding?.shape[axis]));
  const addedBytes = parametersOf(weights.filter(isOfTokens)) * (PARAMETER_BYTES.q8 - PARAMETER_BYTES.q4);
  const isWorthMore = addedBytes <= MOST_ADDED_SHARE * parametersOf(weights) * PARAMETER_BYTES.q4;
  return new Map(
    weights.map((weight) => {
      const { name, shape, role } = weight;
      if (precision === 'f32' || role === 'vector') return [name, 'f32'];
      const own = precision === 'q4' && isOfTokens(weight) && isWorthMore ? 'q8' : precision;
      return [name, possibleForm(role === 'linear-transposed' ? `${own}-transposed` : own, shape)];
    }),
  );
}
