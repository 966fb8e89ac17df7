/**
 * Architecture: what config.json says about a decoder, as the facts from which `graph.ts` builds its graph. The
 * table FAMILIES holds one entry for each `model_type` that can be chatted with; the next one is an entry there, and
 * a case in the graph only where it does something that no entry did before.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import { type Rope, readRope } from './rope.ts';

/** A decoder-only transformer with pre-norm RMSNorm blocks, rotary attention and a gated feed-forward layer. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Query heads; a multiple of `keyValueHeads`. */
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Elements of one head; a multiple of 8. */
  readonly headSize: number;
  readonly feedForwardSize: number;
  /** Most tokens of prompt and reply together: what the model was made for, at most MAX_CONTEXT_TOKENS. */
  readonly contextTokens: number;
  readonly normEpsilon: number;
  readonly activation: 'silu';
  readonly rope: Rope;
  /** Which linear layers have a bias. */
  readonly bias: Biases;
  /** True where the embedding is the output matrix too. */
  readonly isTied: boolean;
}

interface Biases {
  readonly qkv: boolean;
  readonly attentionOutput: boolean;
  readonly feedForward: boolean;
}

/** A tensor that the graph reads. */
export interface RequiredTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The tables of positions and the f32 cache grow with the context; beyond this a chat ends for length. */
export const MAX_CONTEXT_TOKENS = 4096;

/** What one `model_type` adds to the common reading; defaults are those of its class in transformers. */
interface Family {
  readonly defaultContextTokens: number;
  readonly defaultKeyValueHeads: 'heads' | number;
  readonly bias: (config: ModelConfig) => Biases;
  /** The size of its sliding window in tokens, or null where all layers see everything. */
  readonly window: (config: ModelConfig) => unknown;
}

const FAMILIES: ReadonlyMap<string, Family> = new Map<string, Family>([
  [
    'llama',
    {
      defaultContextTokens: 2048,
      defaultKeyValueHeads: 'heads',
      bias: (config) => ({
        qkv: config['attention_bias'] === true,
        attentionOutput: config['attention_bias'] === true,
        feedForward: config['mlp_bias'] === true,
      }),
      window: () => null,
    },
  ],
  [
    'mistral',
    {
      defaultContextTokens: 131_072,
      defaultKeyValueHeads: 8,
      bias: () => ({ qkv: false, attentionOutput: false, feedForward: false }),
      // Without the key transformers takes a window of 4096, which MAX_CONTEXT_TOKENS never exceeds.
      window: (config) => config['sliding_window'] ?? null,
    },
  ],
  [
    'qwen2',
    {
      defaultContextTokens: 32_768,
      defaultKeyValueHeads: 32,
      bias: () => ({ qkv: true, attentionOutput: false, feedForward: false }),
      window: (config) => (config['use_sliding_window'] === true ? (config['sliding_window'] ?? 4096) : null),
    },
  ],
]);

/** The model types that can be chatted with. */
export const CHAT_MODEL_TYPES: readonly string[] = [...FAMILIES.keys()];

/** Ceilings for a hostile config.json: far above any real model, far below what would exhaust memory. */
const MAX_LAYERS = 1024;
const MAX_SIZE = 2 ** 24;

/**
 * Reads a model's description.
 * @param config parsed config.json, or null where there is none.
 * @param tensorNames the names in the checkpoint.
 * @throws UnsupportedFault saying that the model can be merged and saved but not chatted with, and why.
 */
export function describeArchitecture(config: ModelConfig | null, tensorNames: Iterable<string>): Architecture {
  try {
    return read(config, new Set(tensorNames));
  } catch (thrown) {
    if (!(thrown instanceof UnsupportedFault)) throw thrown;
    const reason = thrown.message;
    throw new UnsupportedFault(`This model can be merged and saved, but not chatted with: ${reason}.`, { reason });
  }
}

/** The tensors that the graph of an architecture reads, in the order in which it reads them. */
export function requiredTensors(architecture: Architecture): RequiredTensor[] {
  const { hiddenSize, feedForwardSize, headSize, bias } = architecture;
  const queries = architecture.heads * headSize;
  const keys = architecture.keyValueHeads * headSize;
  const tensors: RequiredTensor[] = [];
  const linear = (name: string, outputs: number, inputs: number, hasBias: boolean) => {
    tensors.push({ name: `${name}.weight`, shape: [outputs, inputs] });
    if (hasBias) tensors.push({ name: `${name}.bias`, shape: [outputs] });
  };

  tensors.push({ name: 'model.embed_tokens.weight', shape: [architecture.vocabularySize, hiddenSize] });
  for (let layer = 0; layer < architecture.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    tensors.push({ name: `${prefix}.input_layernorm.weight`, shape: [hiddenSize] });
    linear(`${prefix}.self_attn.q_proj`, queries, hiddenSize, bias.qkv);
    linear(`${prefix}.self_attn.k_proj`, keys, hiddenSize, bias.qkv);
    linear(`${prefix}.self_attn.v_proj`, keys, hiddenSize, bias.qkv);
    linear(`${prefix}.self_attn.o_proj`, hiddenSize, queries, bias.attentionOutput);
    tensors.push({ name: `${prefix}.post_attention_layernorm.weight`, shape: [hiddenSize] });
    linear(`${prefix}.mlp.gate_proj`, feedForwardSize, hiddenSize, bias.feedForward);
    linear(`${prefix}.mlp.up_proj`, feedForwardSize, hiddenSize, bias.feedForward);
    linear(`${prefix}.mlp.down_proj`, hiddenSize, feedForwardSize, bias.feedForward);
  }
  tensors.push({ name: 'model.norm.weight', shape: [hiddenSize] });
  if (!architecture.isTied) linear('lm_head', architecture.vocabularySize, hiddenSize, false);
  return tensors;
}

/** Reads config.json; faults carry only the reason, without a full stop. */
function read(config: ModelConfig | null, names: ReadonlySet<string>): Architecture {
  if (config === null) throw new UnsupportedFault('it has no config.json; add the one that belongs to it');
  const modelType = config['model_type'];
  const family = typeof modelType === 'string' ? FAMILIES.get(modelType) : undefined;
  if (typeof modelType !== 'string' || family === undefined) {
    const given =
      typeof modelType === 'string'
        ? `its model_type "${modelType}" is not`
        : 'its config.json has no model_type that is';
    throw new UnsupportedFault(`${given} one of ${CHAT_MODEL_TYPES.join(', ')}`);
  }
  if (config['quantization_config'] !== undefined && config['quantization_config'] !== null) {
    throw new UnsupportedFault('its weights are quantised (quantization_config); use the model it was made from');
  }

  const heads = integer(config, 'num_attention_heads', 65_536);
  const hiddenSize = integer(config, 'hidden_size', MAX_SIZE);
  const keyValueHeads = integer(
    config,
    'num_key_value_heads',
    heads,
    family.defaultKeyValueHeads === 'heads' ? heads : family.defaultKeyValueHeads,
  );
  if (heads % keyValueHeads !== 0) {
    throw new UnsupportedFault(`its ${heads} attention heads do not share ${keyValueHeads} key-value heads evenly`);
  }
  const headSize = integer(config, 'head_dim', 4096, hiddenSize / heads);
  if (headSize % 8 !== 0) throw new UnsupportedFault(`its head size ${headSize} is not a multiple of 8`);

  const activation = config['hidden_act'] ?? 'silu';
  if (activation !== 'silu' && activation !== 'swish') {
    throw new UnsupportedFault(`its activation "${String(activation)}" is not silu`);
  }
  const trainedTokens = integer(config, 'max_position_embeddings', 2 ** 31, family.defaultContextTokens);
  refuseWindow(config, family, trainedTokens);

  const architecture: Architecture = {
    modelType,
    vocabularySize: integer(config, 'vocab_size', MAX_SIZE),
    hiddenSize,
    layers: integer(config, 'num_hidden_layers', MAX_LAYERS),
    heads,
    keyValueHeads,
    headSize,
    feedForwardSize: integer(config, 'intermediate_size', MAX_SIZE),
    contextTokens: Math.min(trainedTokens, MAX_CONTEXT_TOKENS),
    normEpsilon: normEpsilon(config),
    activation: 'silu',
    rope: readRope(config),
    bias: family.bias(config),
    isTied: config['tie_word_embeddings'] === true || !names.has('lm_head.weight'),
  };
  const missing = requiredTensors(architecture).filter(({ name }) => !names.has(name));
  if (missing[0]) {
    const others = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
    throw new UnsupportedFault(`the tensor ${missing[0].name}${others} that its config.json calls for is not there`);
  }
  return architecture;
}

function refuseWindow(config: ModelConfig, family: Family, trainedTokens: number): void {
  const window = family.window(config);
  if (window !== null && !(typeof window === 'number' && window >= Math.min(trainedTokens, MAX_CONTEXT_TOKENS))) {
    throw new UnsupportedFault(
      `its attention slides over a window (sliding_window ${JSON.stringify(window)} of ${trainedTokens} positions)`,
    );
  }
  const kinds = config['layer_types'];
  const other = Array.isArray(kinds) ? kinds.find((kind) => kind !== 'full_attention') : undefined;
  // With a window as wide as the context, a sliding layer sees everything too.
  if (other !== undefined && !(other === 'sliding_attention' && window !== null)) {
    throw new UnsupportedFault(`some of its layers are of the kind "${String(other)}" (layer_types)`);
  }
}

function normEpsilon(config: ModelConfig): number {
  const value = config['rms_norm_eps'] ?? 1e-6;
  if (typeof value === 'number' && value >= 0 && value < 1) return value;
  throw new UnsupportedFault(`rms_norm_eps in config.json is ${JSON.stringify(value)}, not a small number`);
}

function integer(config: ModelConfig, key: string, max: number, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= max) return value;
  throw new UnsupportedFault(
    value === undefined
      ? `config.json does not say its ${key}`
      : `${key} in config.json is ${JSON.stringify(value)} instead of a whole number from 1 to ${max}`,
  );
}
