/**
 * Weights: the numbers that one tensor is merged with: its parameters evaluated by mergekit's rules and its
 * coefficients in float64. Pure: from a lineup, a recipe and statistics. Not the map that shows them (`map.ts`).
 */

import { RecipeFault } from '../bytes/fault.ts';
import type { Unit, Values } from '../methods/method.ts';
import { resolveValues } from '../recipe/resolve.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import type { Statistics } from './statistics.ts';

/** What a tensor is merged with. */
export interface TensorWeights {
  readonly params: Values;
  readonly perModel: readonly Values[];
  /** K × rows, `k * rows + r`. */
  readonly coefficients: Float64Array;
  /** 1, or the tensor's rows where each has weights of its own. */
  readonly rows: number;
  /** The unit whose statistics decided; null where none did. */
  readonly unit: Unit | null;
}

/** The finest statistics that a lineup needs at its recipe's parameters: none, sums per tensor, or per row too. */
export function statisticsNeeded(lineup: Lineup): 'none' | 'tensor' | 'row' {
  let need: 'none' | 'tensor' | 'row' = 'none';
  for (const tensor of lineup.tensors) {
    const unit = unitOf(lineup, tensor);
    if (unit === 'row') return 'row';
    if (unit !== null && unit !== 'element') need = 'tensor';
  }
  return need;
}

/** The unit that decides a tensor's weights, or null. */
export function unitOf(lineup: Lineup, tensor: BlendTensor): Unit | null {
  const { params } = resolveValues(lineup.recipe, lineup.method, tensor.name, lineup.layers);
  return lineup.method.statistics(params);
}

/**
 * The weights of one tensor. Throws RecipeFault where they are not finite numbers, and a defect where statistics
 * that the method asked for are missing.
 */
export function weigh(lineup: Lineup, tensor: BlendTensor, statistics: Statistics | null): TensorWeights {
  const { method, recipe, models } = lineup;
  const { params, perModel } = resolveValues(recipe, method, tensor.name, lineup.layers);
  const unit = method.statistics(params);
  const isPooled = unit !== null && unit !== 'row' && unit !== 'element';
  const sums = isPooled ? (statistics?.pooled(tensor.name, unit) ?? null) : null;
  const rowSums = unit === 'row' ? (statistics?.rowsOf(tensor.name) ?? null) : null;
  if ((isPooled && !sums) || (unit === 'row' && !rowSums)) throw new Error(`${tensor.name} was not measured`);
  const coefficients = method.coefficients({ models: models.length, params, perModel, sums, rowSums });
  const rows = rowSums?.rows ?? 1;
  if (coefficients.length !== models.length * rows) {
    throw new Error(
      `${method.name} gave ${coefficients.length} coefficients for ${models.length} models and ${rows} rows`,
    );
  }
  if (!coefficients.every(Number.isFinite)) {
    throw new RecipeFault(
      `The weights of ${tensor.name} come out as ${describe(coefficients)}: with ${method.name} the models’ weights must not add up to zero, and all of them must be finite.`,
      { tensors: [tensor.name] },
    );
  }
  return { params, perModel, coefficients, rows, unit };
}

function describe(values: Float64Array): string {
  return Array.from(values.subarray(0, 8), (v) => String(v)).join(', ');
}

/** A short text that changes whenever the result of a tensor would. */
export function signature(lineup: Lineup, tensor: BlendTensor, weights: TensorWeights): string {
  return JSON.stringify([
    lineup.method.name,
    tensor.out,
    weights.rows,
    Object.values(weights.params),
    weights.perModel.map((values) => Object.values(values)),
    // Rows can be many thousands: their coefficients are folded into a checksum of all their bits.
    weights.rows === 1 ? Array.from(weights.coefficients) : checksum(weights.coefficients),
  ]);
}

/** Two independent 32-bit FNV-1a sums over the bits. */
function checksum(values: Float64Array): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  let a = 0x811c9dc5;
  let b = 0x01234567;
  for (const word of words) {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ (word >>> 7) ^ (word << 3), 0x85ebca6b);
  }
  return `${a >>> 0}.${b >>> 0}`;
}
