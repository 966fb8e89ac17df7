/**
 * Rope: rotary position embedding as a config.json describes it: which frequencies, and the cosine and sine tables
 * of a graph, computed in float64 and rounded once. Not the rotation itself: that is an operator in `graph.ts`.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';

/** How frequencies are stretched for a context longer than the one a model was first trained on. */
export type RopeScaling =
  | { readonly kind: 'default' }
  /** Every frequency divided by `factor`. */
  | { readonly kind: 'linear'; readonly factor: number }
  /** Llama 3: low frequencies divided by `factor`, high ones kept, a linear blend between the two. */
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContextTokens: number;
    };

/** Rotary position embedding of one model. */
export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

/** cos and sin, each [positions, headSize / 2], row by row. */
export interface RopeTables {
  readonly cos: Float32Array<ArrayBuffer>;
  readonly sin: Float32Array<ArrayBuffer>;
}

/**
 * Reads `rope_theta` and `rope_scaling`, or `rope_parameters` where both live since transformers 5.
 * @throws UnsupportedFault naming the kind where it is not one of default, linear, llama3, and naming the key where
 *   a value makes no sense.
 */
export function readRope(config: ModelConfig): Rope {
  const parameters = record(config['rope_parameters']);
  const scaling = parameters ?? record(config['rope_scaling']);
  const theta = positive(parameters?.['rope_theta'] ?? config['rope_theta'] ?? 10_000, 'rope_theta');
  const partial = parameters?.['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 1;
  if (partial !== 1) throw new UnsupportedFault(`partial_rotary_factor is ${String(partial)} and only 1 is known here`);
  if (scaling === null) return { theta, scaling: { kind: 'default' } };

  const nested = Object.entries(scaling).find(([, value]) => record(value) !== null);
  if (nested) throw new UnsupportedFault(`its rotary embedding differs by kind of layer (${nested[0]})`);

  const kind = scaling['rope_type'] ?? scaling['type'] ?? 'default';
  if (kind === 'default') return { theta, scaling: { kind } };
  if (kind === 'linear') return { theta, scaling: { kind, factor: positive(scaling['factor'], 'rope factor') } };
  if (kind === 'llama3') {
    const lowFrequencyFactor = positive(scaling['low_freq_factor'], 'low_freq_factor');
    const highFrequencyFactor = positive(scaling['high_freq_factor'], 'high_freq_factor');
    if (highFrequencyFactor <= lowFrequencyFactor) {
      throw new UnsupportedFault('high_freq_factor is not above low_freq_factor in config.json');
    }
    const originalContextTokens = positive(
      scaling['original_max_position_embeddings'],
      'original_max_position_embeddings',
    );
    const factor = positive(scaling['factor'], 'rope factor');
    return { theta, scaling: { kind, factor, lowFrequencyFactor, highFrequencyFactor, originalContextTokens } };
  }
  throw new UnsupportedFault(`its rotary embedding is scaled by "${String(kind)}"`);
}

/** Tables for positions 0 to `positions` - 1. */
export function ropeTables(rope: Rope, headSize: number, positions: number): RopeTables {
  const half = headSize / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let pair = 0; pair < half; pair++) {
    const frequency = scaled(rope.theta ** ((-2 * pair) / headSize), rope.scaling);
    for (let position = 0; position < positions; position++) {
      cos[position * half + pair] = Math.cos(position * frequency);
      sin[position * half + pair] = Math.sin(position * frequency);
    }
  }
  return { cos, sin };
}

function scaled(frequency: number, scaling: RopeScaling): number {
  if (scaling.kind === 'default') return frequency;
  if (scaling.kind === 'linear') return frequency / scaling.factor;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContextTokens } = scaling;
  // How often this pair turns within the original context.
  const turns = (originalContextTokens * frequency) / (2 * Math.PI);
  const keep = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return frequency * (keep + (1 - keep) / factor);
}

function record(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function positive(value: unknown, key: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new UnsupportedFault(`${key} in config.json is ${JSON.stringify(value) ?? 'missing'}, not a positive number`);
}
