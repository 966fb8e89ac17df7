/**
 * Architecture: what config.json and the names in a checkpoint say about a decoder, as the facts from which `graph.ts`
 * builds its graph: no family is named in them, only what its blocks do and which tensors they read. `families.ts`
 * holds the table from which they are read.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import { obstacleOf, unknownFamily } from './chat-obstacle.ts';
import { CHAT_MODEL_TYPES, familyOf } from './families.ts';
import { readArchitecture } from './family.ts';
import type { Rope } from './rope.ts';

export { CHAT_MODEL_TYPES } from './families.ts';

/** A decoder-only transformer. Names are those of tensors in the checkpoint. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Query heads; a multiple of `keyValueHeads`. */
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Elements of one head. */
  readonly headSize: number;
  /** Most tokens of prompt and reply together: what the model was made for. A session may hold fewer. */
  readonly contextTokens: number;
  /** The smallest window, in tokens, over which any layer's attention slides; null where all layers see everything. */
  readonly windowTokens: number | null;
  /** `growing` where attention is not onnxruntime's GroupQueryAttention, which alone can write a cache in place. */
  readonly cacheKind: 'static' | 'growing';
  /**
   * Texts of more tokens than this have every position rotated otherwise (LongRoPE), so that a cache made below it is
   * worth nothing above it; null where there is no such step. See `Graph.takesPositions`.
   */
  readonly ropeSwitchTokens: number | null;
  /** True where the embedding is the output matrix too. */
  readonly isTied: boolean;
  /** The stored output matrix that is read though config.json calls it tied to the embedding; else null. */
  readonly headOverConfig: string | null;
  readonly embedding: Embedding;
  /** The rotations that layers refer to. */
  readonly ropes: readonly Rope[];
  /** One for each layer. */
  readonly blocks: readonly Block[];
  readonly finalNorm: Norm | null;
  readonly head: Head;
}

/** What a token becomes before the first block. */
export interface Embedding {
  /** [vocabularySize, hiddenSize]. */
  readonly weight: string;
  /** What it is multiplied with. */
  readonly scale: number;
  /** A learned vector for each position, added: [rows, hiddenSize], the first position's in row `offset`. */
  readonly positions: { readonly weight: string; readonly rows: number; readonly offset: number } | null;
}

/** What the last hidden state becomes: linear, times `scale`, softly capped. */
export interface Head {
  readonly linear: Linear;
  readonly scale: number;
  /** c tanh(x / c). */
  readonly softCap: number | null;
}

/** One layer: attention and feed-forward around a residual stream. */
export interface Block {
  /**
   * `false`: the feed-forward layer reads what attention has added to. `true`: both read the same stream and are added
   * together; where `feedForwardNorm` is null both read `attentionNorm`'s output.
   */
  readonly isParallel: boolean;
  /** Before attention, and before the feed-forward layer. */
  readonly attentionNorm: Norm | null;
  readonly feedForwardNorm: Norm | null;
  /** Of what attention and the feed-forward layer give, before it is added. */
  readonly attentionOutputNorm: Norm | null;
  readonly feedForwardOutputNorm: Norm | null;
  /** Of the stream, after each was added. */
  readonly attentionStreamNorm: Norm | null;
  readonly feedForwardStreamNorm: Norm | null;
  /** What attention's and the feed-forward layer's outputs are multiplied with before they are added. */
  readonly residualScale: number;
  readonly attention: Attention;
  readonly feedForward: FeedForward;
}

/** Causal attention over the cached and the new tokens. */
export interface Attention {
  readonly projection:
    | { readonly kind: 'separate'; readonly query: Linear; readonly key: Linear; readonly value: Linear }
    /** All in one matrix: queries, then keys, then values; or (`heads`) these three for each head in turn. */
    | { readonly kind: 'packed'; readonly linear: Linear; readonly order: 'parts' | 'heads' };
  /** Projections are clipped to [-clip, clip]. */
  readonly clip: number | null;
  readonly queryNorm: HeadNorm | null;
  readonly keyNorm: HeadNorm | null;
  /** Index into `ropes`; null: positions are not rotated. */
  readonly rope: number | null;
  /** How many tokens a token sees, itself included; null: all before it. */
  readonly windowTokens: number | null;
  /** What scores are multiplied with. */
  readonly scale: number;
  /** Scores become c tanh(score / c). */
  readonly softCap: number | null;
  readonly output: Linear;
}

/** A norm of queries or keys before they are rotated. */
export type HeadNorm =
  /** Of each head alone with one weight [headSize], or of all heads together with a weight for all of them. */
  | { readonly over: 'head'; readonly norm: Norm }
  | { readonly over: 'width'; readonly norm: Norm }
  /** Of each head alone, each with a weight [headSize] of its own. */
  | { readonly over: 'each'; readonly weights: readonly string[]; readonly epsilon: number };

export type Activation = 'silu' | 'gelu' | 'gelu-tanh' | 'gelu-sigmoid' | 'relu' | 'relu-squared';

/** Two linear layers with an activation, or three of which one gates. */
export type FeedForward = { readonly activation: Activation; readonly down: Linear } & (
  | { readonly kind: 'plain'; readonly up: Linear }
  | { readonly kind: 'gated'; readonly gate: Linear; readonly up: Linear }
  /** Gate and up in one matrix, in this order. */
  | { readonly kind: 'packed'; readonly gateUp: Linear }
);

/** Root-mean-square (`rms`) or layer normalisation over the last axis, times `weight` + `offset`, plus `bias`. */
export interface Norm {
  readonly kind: 'rms' | 'layer';
  readonly weight: string | null;
  readonly bias: string | null;
  readonly size: number;
  readonly epsilon: number;
  readonly offset: 0 | 1;
}

/** x W' + b: W is [outputs, inputs], or [inputs, outputs] where it is transposed. */
export interface Linear {
  readonly weight: string;
  readonly bias: string | null;
  readonly inputs: number;
  readonly outputs: number;
  readonly isTransposed: boolean;
}

/**
 * A tensor that the graph reads, by its name and shape in the checkpoint. Its role says how it may be held:
 * `linear` [out, in] and `linear-transposed` [in, out] are multiplied with, `embedding` [vocabulary, hidden] is gathered
 * by row (and is the output matrix too where the model is tied), `vector` (norms, biases, tables of positions) always
 * stays in float32.
 */
export interface WeightInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: 'linear' | 'linear-transposed' | 'embedding' | 'vector';
}

/**
 * Reads a model's description.
 * @param config parsed config.json, or null where there is none.
 * @param tensorNames the names in the checkpoint.
 * @throws UnsupportedFault saying that the model can be merged and saved but not chatted with, and why.
 */
export function describeArchitecture(config: ModelConfig | null, tensorNames: Iterable<string>): Architecture {
  try {
    const names = new Set(tensorNames);
    const architecture = read(config, names);
    const missing = requiredTensors(architecture).filter(({ name }) => !names.has(name));
    if (missing[0]) {
      const others = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
      throw new UnsupportedFault(`the tensor ${missing[0].name}${others} that its config.json calls for is not there`);
    }
    return architecture;
  } catch (thrown) {
    if (!(thrown instanceof UnsupportedFault)) throw thrown;
    const reason = thrown.message;
    throw new UnsupportedFault(`This model can be merged and saved, but not chatted with: ${reason}.`, { reason });
  }
}

/** How many numbers some tensors hold. */
export function parametersOf(tensors: readonly { readonly shape: readonly number[] }[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** What makes queries, keys and values of the stream, in the order in which the graph reads them. */
function projectionsOf({ projection }: Attention): readonly Linear[] {
  return projection.kind === 'packed' ? [projection.linear] : [projection.query, projection.key, projection.value];
}

/** The matrices of a feed-forward part, in the order in which the graph reads them. */
function feedForwardLinears(facts: FeedForward): readonly Linear[] {
  if (facts.kind === 'packed') return [facts.gateUp, facts.down];
  return facts.kind === 'gated' ? [facts.gate, facts.up, facts.down] : [facts.up, facts.down];
}

/** The matrices that a token is multiplied with, in order. */
export function linearsOf({ blocks, head }: Architecture): readonly Linear[] {
  const ofBlocks = blocks.flatMap(({ attention, feedForward }) => [
    ...projectionsOf(attention),
    attention.output,
    ...feedForwardLinears(feedForward),
  ]);
  return [...ofBlocks, head.linear];
}

/** The tensors that the graph of an architecture reads, in the order in which it reads them, each once. */
export function requiredTensors(architecture: Architecture): WeightInput[] {
  const { embedding, hiddenSize, vocabularySize, headSize } = architecture;
  const tensors = new Map<string, WeightInput>();
  const add = (name: string, shape: readonly number[], role: WeightInput['role']) => {
    if (!tensors.has(name)) tensors.set(name, { name, shape, role });
  };
  const linear = ({ weight, bias, inputs, outputs, isTransposed }: Linear) => {
    if (isTransposed) add(weight, [inputs, outputs], 'linear-transposed');
    else add(weight, [outputs, inputs], 'linear');
    if (bias !== null) add(bias, [outputs], 'vector');
  };
  const norm = (facts: Norm | null) => {
    if (facts?.weight) add(facts.weight, [facts.size], 'vector');
    if (facts?.bias) add(facts.bias, [facts.size], 'vector');
  };
  const headNorm = (facts: HeadNorm | null) => {
    if (facts?.over === 'each') for (const weight of facts.weights) add(weight, [headSize], 'vector');
    else norm(facts?.norm ?? null);
  };

  add(embedding.weight, [vocabularySize, hiddenSize], 'embedding');
  if (embedding.positions) add(embedding.positions.weight, [embedding.positions.rows, hiddenSize], 'vector');
  for (const { attention, feedForward, ...block } of architecture.blocks) {
    norm(block.attentionNorm);
    projectionsOf(attention).forEach(linear);
    headNorm(attention.queryNorm);
    headNorm(attention.keyNorm);
    linear(attention.output);
    norm(block.attentionOutputNorm);
    norm(block.attentionStreamNorm);
    norm(block.feedForwardNorm);
    feedForwardLinears(feedForward).forEach(linear);
    norm(block.feedForwardOutputNorm);
    norm(block.feedForwardStreamNorm);
  }
  norm(architecture.finalNorm);
  linear(architecture.head.linear);
  return [...tensors.values()];
}

function read(config: ModelConfig | null, names: ReadonlySet<string>): Architecture {
  if (config === null) throw new UnsupportedFault('it has no config.json; add the one that belongs to it');
  const obstacle = obstacleOf(config);
  if (obstacle !== null) throw new UnsupportedFault(obstacle);
  const modelType = config['model_type'];
  const family = familyOf(modelType);
  if (family === null || typeof modelType !== 'string') {
    throw new UnsupportedFault(unknownFamily(config, CHAT_MODEL_TYPES));
  }
  return readArchitecture(family, modelType, config, names);
}
