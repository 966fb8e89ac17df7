/**
 * Rope: rotary position embedding as a config.json describes it: which frequencies, and the cosine and sine tables
 * of a graph, computed in float64 and rounded once. Not the rotation itself: that is an operator in
 * `graph-attention.ts`. Su et al., RoFormer (arXiv 2104.09864); the kinds of scaling are named where they stand.
 */

import { BudgetFault, UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import { positiveOf, recordOf, shown, valueOf } from './config-values.ts';

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
    }
  /** YaRN (arXiv 2309.00071): as llama3, with the blend over the index of the pair. */
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      /** Turns within the original context from which a pair is kept, and up to which it is divided. */
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly originalContextTokens: number;
      /** Whether the ends of the blend are rounded to whole pairs. */
      readonly isTruncated: boolean;
    }
  /** LongRoPE (arXiv 2402.13753): each pair divided by its own number; other numbers for texts beyond the original context. */
  | {
      readonly kind: 'longrope';
      readonly shortFactors: readonly number[];
      readonly longFactors: readonly number[];
      readonly originalContextTokens: number;
    };

/** Rotary position embedding of some layers of a model. */
export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
  /** Elements of a head that are rotated, the first ones; an even number. The others stay as they are. */
  readonly dimensions: number;
  /** What cosines and sines are multiplied with. */
  readonly amplitude: number;
  /** True where neighbours are a pair (i, i + 1), false where halves are: (i, i + dimensions / 2). */
  readonly isInterleaved: boolean;
}

/** cos and sin, each [positions, dimensions / 2], row by row. */
export interface RopeTables {
  readonly cos: Float32Array<ArrayBuffer>;
  readonly sin: Float32Array<ArrayBuffer>;
}

/** What a family says of its rope beside config.json. */
export interface RopeDefaults {
  readonly headSize: number;
  /** What the model was made for. */
  readonly contextTokens: number;
  readonly theta: number;
  /** Name of the base in older files. */
  readonly thetaKey: string;
  /** The rotated share of a head where the config does not say, and its name in older files; null: always all of it. */
  readonly partial: { readonly key: string; readonly share: number } | null;
  /** The original context where neither the config nor its rope says it. */
  readonly originalContextTokens: number | null;
  /** Kinds that this family writes under another name. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly isInterleaved: boolean;
}

/**
 * Reads the rope of a whole model: `rope_scaling` and `rope_theta`, or `rope_parameters` where both live since
 * transformers 5.
 * @throws UnsupportedFault naming the kind where it is not known, and naming the key where a value makes no sense.
 */
export function readRope(config: ModelConfig, defaults: RopeDefaults): Rope {
  const scaling = filled(recordOf(config['rope_scaling'])) ?? filled(recordOf(config['rope_parameters'])) ?? {};
  const nested = Object.entries(scaling).find(([, value]) => recordOf(value) !== null);
  if (nested) throw new UnsupportedFault(`its rotary embedding differs by kind of layer (${nested[0].slice(0, 100)})`);
  return ropeOf(scaling, config, defaults);
}

/**
 * Makes a rope of one set of parameters.
 * @param parameters `rope_type` and its numbers; they come before those of the whole config.
 */
export function ropeOf(parameters: ModelConfig, config: ModelConfig, defaults: RopeDefaults): Rope {
  const theta = positiveOf(
    { rope_theta: valueOf(parameters, 'rope_theta') ?? valueOf(config, defaults.thetaKey) },
    'rope_theta',
    defaults.theta,
  );
  const share = positiveOf(
    {
      partial_rotary_factor:
        valueOf(parameters, 'partial_rotary_factor') ??
        valueOf(config, defaults.partial?.key ?? 'partial_rotary_factor'),
    },
    'partial_rotary_factor',
    defaults.partial?.share ?? 1,
  );
  const dimensions = Math.floor(defaults.headSize * share);
  if (share > 1 || (defaults.partial === null && share !== 1)) {
    throw new UnsupportedFault(`partial_rotary_factor is ${share} and its family rotates whole heads`);
  }
  if (dimensions % 2 !== 0 || dimensions === 0) {
    throw new UnsupportedFault(`it rotates ${dimensions} elements of each head, which do not form pairs`);
  }
  const given = valueOf(parameters, ['rope_type', 'type']) ?? 'default';
  const kind = typeof given === 'string' && Object.hasOwn(defaults.aliases, given) ? defaults.aliases[given] : given;
  const rope = { theta, dimensions, amplitude: 1, isInterleaved: defaults.isInterleaved };
  const original = () =>
    positiveOf(
      {
        original_max_position_embeddings:
          valueOf(config, 'original_max_position_embeddings') ??
          defaults.originalContextTokens ??
          valueOf(parameters, 'original_max_position_embeddings'),
      },
      'original_max_position_embeddings',
      defaults.contextTokens,
    );
  // Dynamic scaling changes nothing within the context that the model was made for, and chat stays within it.
  if (kind === 'default' || kind === 'dynamic') return { ...rope, scaling: { kind: 'default' } };
  if (kind === 'linear') return { ...rope, scaling: { kind, factor: positiveOf(parameters, 'factor') } };
  if (kind === 'llama3') {
    const lowFrequencyFactor = positiveOf(parameters, 'low_freq_factor');
    const highFrequencyFactor = positiveOf(parameters, 'high_freq_factor');
    if (highFrequencyFactor <= lowFrequencyFactor) {
      throw new UnsupportedFault('high_freq_factor is not above low_freq_factor in config.json');
    }
    const factor = positiveOf(parameters, 'factor');
    const originalContextTokens = original();
    return { ...rope, scaling: { kind, factor, lowFrequencyFactor, highFrequencyFactor, originalContextTokens } };
  }
  if (kind === 'yarn') {
    const originalContextTokens = original();
    const factor = positiveOf(parameters, 'factor', defaults.contextTokens / originalContextTokens);
    const scaling = {
      kind,
      factor,
      originalContextTokens,
      betaFast: positiveOf({ beta_fast: parameters['beta_fast'] || null }, 'beta_fast', 32),
      betaSlow: positiveOf({ beta_slow: parameters['beta_slow'] || null }, 'beta_slow', 1),
      isTruncated: parameters['truncate'] !== false,
    } as const;
    if (theta <= 1) throw new UnsupportedFault(`rope_theta in config.json is ${theta}, which yarn cannot scale`);
    return { ...rope, amplitude: yarnAmplitude(parameters, factor), scaling };
  }
  if (kind === 'longrope') {
    const originalContextTokens = original();
    const factor = positiveOf(parameters, 'factor', defaults.contextTokens / originalContextTokens);
    const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContextTokens));
    return {
      ...rope,
      amplitude: positiveOf(parameters, 'attention_factor', usual),
      scaling: {
        kind,
        shortFactors: factorsOf(parameters, 'short_factor', dimensions / 2),
        longFactors: factorsOf(parameters, 'long_factor', dimensions / 2),
        originalContextTokens,
      },
    };
  }
  throw new UnsupportedFault(`its rotary embedding is scaled by ${shown(given)}, which is not known here`);
}

/** Beyond how many tokens of a text the tables change, or null where they never do. */
export function switchTokens(rope: Rope): number | null {
  return rope.scaling.kind === 'longrope' ? rope.scaling.originalContextTokens : null;
}

/**
 * Tables for positions 0 to `positions` - 1.
 * @param isLong whether the text is longer than `switchTokens`.
 */
export function ropeTables(rope: Rope, positions: number, isLong = false): RopeTables {
  const half = rope.dimensions / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let pair = 0; pair < half; pair++) {
    const frequency = scaled(rope, pair, isLong);
    for (let position = 0; position < positions; position++) {
      cos[position * half + pair] = Math.cos(position * frequency) * rope.amplitude;
      sin[position * half + pair] = Math.sin(position * frequency) * rope.amplitude;
    }
  }
  return { cos, sin };
}

/** Cosines and sines of one rope together: 512 MiB. */
const MAX_TABLE_ELEMENTS = 2 ** 27;

/** @throws BudgetFault where `tablesOfPositions` would be too large. */
export function requireTableSize(rope: Rope, positions: number, hasTwo: boolean): void {
  if ((hasTwo ? 2 : 1) * positions * rope.dimensions <= MAX_TABLE_ELEMENTS) return;
  throw new BudgetFault(`Rotations of ${positions} positions are too large a table; ask for fewer tokens.`);
}

/** Tables of a graph for positions 0 to `positions` - 1; with `hasTwo` those of longer texts follow. */
export function tablesOfPositions(rope: Rope, positions: number, hasTwo: boolean): RopeTables {
  const first = ropeTables(rope, positions);
  if (!hasTwo) return first;
  const second = ropeTables(rope, positions, true);
  return { cos: joined(first.cos, second.cos), sin: joined(first.sin, second.sin) };
}

function joined(first: Float32Array, second: Float32Array): Float32Array<ArrayBuffer> {
  const whole = new Float32Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function scaled({ theta, scaling, dimensions }: Rope, pair: number, isLong: boolean): number {
  const frequency = theta ** ((-2 * pair) / dimensions);
  if (scaling.kind === 'default') return frequency;
  if (scaling.kind === 'linear') return frequency / scaling.factor;
  if (scaling.kind === 'longrope') {
    return frequency / ((isLong ? scaling.longFactors : scaling.shortFactors)[pair] ?? 1);
  }
  const { factor, originalContextTokens } = scaling;
  let keep: number;
  if (scaling.kind === 'llama3') {
    const { lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
    // How often this pair turns within the original context.
    const turns = (originalContextTokens * frequency) / (2 * Math.PI);
    keep = (turns - low) / (high - low);
  } else {
    // The pair that turns so often within the original context, as a fraction.
    const pairOf = (turns: number) =>
      (dimensions * Math.log(originalContextTokens / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
    const round = scaling.isTruncated ? { low: Math.floor, high: Math.ceil } : { low: Number, high: Number };
    const low = Math.max(round.low(pairOf(scaling.betaFast)), 0);
    const high = Math.min(round.high(pairOf(scaling.betaSlow)), dimensions - 1);
    keep = 1 - (pair - low) / (high === low ? 0.001 : high - low);
  }
  keep = Math.min(1, Math.max(0, keep));
  return frequency * (keep + (1 - keep) / factor);
}

/** The growth of attention scores with the context, as the paper proposes it, or as DeepSeek parametrises it. */
function yarnAmplitude(parameters: ModelConfig, factor: number): number {
  const growth = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const [one, all] = [parameters['mscale'], parameters['mscale_all_dim']];
  const usual =
    one && all
      ? growth(positiveOf(parameters, 'mscale')) / growth(positiveOf(parameters, 'mscale_all_dim'))
      : growth(1);
  return positiveOf(parameters, 'attention_factor', usual);
}

function factorsOf(parameters: ModelConfig, key: string, length: number): number[] {
  const given = parameters[key];
  if (!Array.isArray(given) || given.length !== length) {
    throw new UnsupportedFault(`${key} in config.json is not a list of ${length} numbers`);
  }
  return given.map((value: unknown) => positiveOf({ [key]: value }, key));
}

/** An object with something in it, else null. */
function filled(record: Readonly<Record<string, unknown>> | null): Readonly<Record<string, unknown>> | null {
  return record !== null && Object.keys(record).length > 0 ? record : null;
}
