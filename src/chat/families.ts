/**
 * Families: the table of decoders that can be chatted with, one entry for each `model_type`. An entry says how its
 * config.json is spelled, what its blocks are made of and how its tensors are called; `family.ts` turns it and a
 * config.json into an Architecture. Defaults are those of the config classes of transformers 5.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { ModelConfig } from '../formats/checkpoint.ts';
import { booleanOf, integerOf, optionalPositiveOf, positiveOf, recordOf, valueOf } from './config-values.ts';
import { everyLayer, type Family, flatRope, layersByType } from './family.ts';
import { ropeOf } from './rope.ts';
import {
  GATED_NAMES,
  GPT_NAMES,
  HEAD_NORM_NAMES,
  INPUT_NORM_NAMES,
  LLAMA_NAMES,
  PROJECTION_NAMES,
  TRUNK_NAMES,
} from './tensor-names.ts';

const NO_BIAS = { qkv: false, attentionOutput: false, feedForward: false, head: false };
const ALL_BUT_HEAD = { qkv: true, attentionOutput: true, feedForward: true, head: false };
const RMS = { kind: 'rms', key: 'rms_norm_eps', epsilon: 1e-6, hasWeight: true, bias: 'none', offset: 0 } as const;
const LAYER = {
  kind: 'layer',
  key: 'layer_norm_eps',
  epsilon: 1e-5,
  hasWeight: true,
  bias: 'always',
  offset: 0,
} as const;

const attentionBias = (config: ModelConfig) => {
  const hasBias = booleanOf(config, 'attention_bias', false);
  return { ...NO_BIAS, qkv: hasBias, attentionOutput: hasBias };
};
const mlpBias = (config: ModelConfig) => booleanOf(config, 'mlp_bias', false);

const LLAMA: Family = {
  names: LLAMA_NAMES,
  sizes: { vocabulary: 32_000, hidden: 4096, feedForward: 11_008, layers: 32, heads: 32 },
  contextTokens: 2048,
  norm: RMS,
  activation: { key: 'hidden_act', usual: 'silu' },
  bias: (config) => ({ ...attentionBias(config), feedForward: mlpBias(config) }),
  layers: everyLayer(() => null),
  ropes: flatRope({}),
};

/** Window in the layers that `layer_types` names, else from the layer `max_window_layers` on. */
const qwenLayers: Family['layers'] = (config, layers) => {
  const window = booleanOf(config, 'use_sliding_window', false)
    ? optionalPositiveOf(config, 'sliding_window', 4096)
    : null;
  const first = config['max_window_layers'] === 0 ? 0 : integerOf(config, 'max_window_layers', 2 ** 31, 28);
  return layersByType(config, layers, window, (layer) => window !== null && layer >= first);
};

const QWEN2: Family = {
  ...LLAMA,
  sizes: { vocabulary: 151_936, hidden: 4096, feedForward: 22_016, layers: 32, heads: 32 },
  contextTokens: 32_768,
  keyValueHeads: 32,
  bias: () => ({ ...NO_BIAS, qkv: true }),
  layers: qwenLayers,
};

const GEMMA: Family = {
  ...LLAMA,
  sizes: { vocabulary: 256_000, hidden: 3072, feedForward: 24_576, layers: 28, heads: 16 },
  contextTokens: 8192,
  keyValueHeads: 16,
  headSize: 256,
  norm: { ...RMS, offset: 1 },
  // Released configs say "gelu" and mean its approximation.
  activation: { key: 'hidden_act', usual: 'gelu_pytorch_tanh', aliases: { gelu: 'gelu_pytorch_tanh' } },
  bias: attentionBias,
  isTied: true,
  embeddingScale: (_, hiddenSize) => Math.sqrt(hiddenSize),
  refuse: (config) => {
    if (config['use_bidirectional_attention']) throw new UnsupportedFault('its attention is not causal');
  },
};

const GEMMA2: Family = {
  ...GEMMA,
  sizes: { vocabulary: 256_000, hidden: 2304, feedForward: 9216, layers: 26, heads: 8 },
  keyValueHeads: 4,
  names: {
    ...LLAMA_NAMES,
    attentionOutputNorm: 'post_attention_layernorm',
    feedForwardNorm: 'pre_feedforward_layernorm',
    feedForwardOutputNorm: 'post_feedforward_layernorm',
  },
  activation: { key: 'hidden_activation', usual: 'gelu_pytorch_tanh' },
  attentionScale: (config) => positiveOf(config, 'query_pre_attn_scalar', 256) ** -0.5,
  softCap: (config) => optionalPositiveOf(config, 'attn_logit_softcapping', 50),
  headSoftCap: (config) => optionalPositiveOf(config, 'final_logit_softcapping', 30),
  layers: (config, layers) =>
    layersByType(config, layers, optionalPositiveOf(config, 'sliding_window', 4096), (layer) => layer % 2 === 0),
};

const GEMMA3: Family = {
  ...GEMMA2,
  sizes: { vocabulary: 262_208, hidden: 2304, feedForward: 9216, layers: 26, heads: 8 },
  contextTokens: 131_072,
  names: { ...GEMMA2.names, ...HEAD_NORM_NAMES },
  headNorm: { over: 'head' },
  // No soft caps by default. A config that has one for attention is not obeyed by transformers either.
  softCap: () => null,
  headSoftCap: (config) => optionalPositiveOf(config, 'final_logit_softcapping', null),
  layers: (config, layers) => {
    const pattern = integerOf(config, 'sliding_window_pattern', 2 ** 31, 6);
    const window = optionalPositiveOf(config, 'sliding_window', 4096);
    return layersByType(config, layers, window, (layer) => (layer + 1) % pattern !== 0).map((layer) => ({
      ...layer,
      rope: layer.window === null ? 0 : 1,
    }));
  },
  // One rope for layers that see everything, another for those with a window.
  ropes: (config, defaults) => {
    const parameters = recordOf(config['rope_parameters']);
    const scaling = recordOf(config['rope_scaling']);
    const global = { ...recordOf(parameters?.['full_attention']), ...scaling };
    const local = { ...recordOf(parameters?.['sliding_attention']) };
    // The keys of older files count only where the newer ones do not speak.
    const withoutOriginal = { ...config, original_max_position_embeddings: null };
    const common = { ...defaults, partial: null, originalContextTokens: null, aliases: {}, isInterleaved: false };
    return [
      ropeOf(global, withoutOriginal, { ...common, theta: 1e6, thetaKey: 'rope_theta' }),
      ropeOf(local, withoutOriginal, { ...common, theta: 1e4, thetaKey: 'rope_local_base_freq' }),
    ];
  },
};

/** The kinds of a GPT-Neo's layers: lists of kinds, each with how often it comes. */
function neoKinds(given: unknown, layers: number): string[] {
  const kinds: string[] = [];
  for (const item of Array.isArray(given) ? (given as unknown[]) : []) {
    const [list, times] = Array.isArray(item) ? (item as unknown[]) : [];
    if (!Array.isArray(list) || list.length === 0 || typeof times !== 'number') continue;
    for (let time = 0; time < times && kinds.length <= layers; time++) {
      for (const kind of list.slice(0, layers + 1)) kinds.push(kind === 'local' || kind === 'global' ? kind : '');
    }
  }
  if (kinds.length !== layers || kinds.includes('')) {
    throw new UnsupportedFault(`attention_types in config.json does not name ${layers} layers, global or local`);
  }
  return kinds;
}

const GPT2: Family = {
  names: {
    ...GPT_NAMES,
    embedding: 'wte',
    positions: 'wpe',
    finalNorm: 'ln_f',
    attentionNorm: 'ln_1',
    feedForwardNorm: 'ln_2',
  },
  keys: {
    hidden: ['n_embd', 'hidden_size'],
    feedForward: 'n_inner',
    layers: ['n_layer', 'num_hidden_layers'],
    heads: ['n_head', 'num_attention_heads'],
    context: ['n_positions', 'max_position_embeddings'],
  },
  sizes: { vocabulary: 50_257, hidden: 768, feedForward: 'fourfold', layers: 12, heads: 12 },
  contextTokens: 1024,
  headSize: 'share',
  keyValueHeads: 'heads',
  norm: { ...LAYER, key: 'layer_norm_epsilon' },
  activation: { key: 'activation_function', usual: 'gelu_new' },
  isTransposed: true,
  isTied: true,
  bias: () => ALL_BUT_HEAD,
  attentionScale: (config, headSize, layer) =>
    (booleanOf(config, 'scale_attn_weights', true) ? headSize ** -0.5 : 1) /
    (booleanOf(config, 'scale_attn_by_inverse_layer_idx', false) ? layer + 1 : 1),
  layers: everyLayer(() => null),
  ropes: null,
  refuse: (config) => {
    if (config['add_cross_attention'] === true) throw new UnsupportedFault('it reads from an encoder');
  },
};

const STABLELM: Family = {
  ...LLAMA,
  sizes: { vocabulary: 50_304, hidden: 2560, feedForward: 6912, layers: 32, heads: 32 },
  contextTokens: 4096,
  keyValueHeads: 32,
  headSize: 'share',
  // Checkpoints of the first sizes have norms without a bias.
  norm: { ...LAYER, bias: 'where-there' },
  bias: (config) => ({ ...NO_BIAS, qkv: booleanOf(config, 'use_qkv_bias', false) }),
  isParallel: (config) => booleanOf(config, 'use_parallel_residual', false),
  sharesNormWhereParallel: true,
  names: { ...LLAMA_NAMES, queryNorm: 'self_attn.q_layernorm', keyNorm: 'self_attn.k_layernorm' },
  headNorm: { over: 'each', isThere: (config) => booleanOf(config, 'qk_layernorm', false) },
  ropes: flatRope({ partial: { key: 'partial_rotary_factor', share: 0.25 } }),
};

const OLMO: Family = {
  ...LLAMA,
  sizes: { vocabulary: 50_304, hidden: 4096, feedForward: 11_008, layers: 32, heads: 32 },
  norm: { ...LAYER, key: null, hasWeight: false, bias: 'none' },
  bias: attentionBias,
  clip: (config) => optionalPositiveOf(config, 'clip_qkv', null),
};

const FAMILIES: ReadonlyMap<string, Family> = new Map<string, Family>([
  ['llama', LLAMA],
  [
    'mistral',
    {
      ...LLAMA,
      sizes: { vocabulary: 32_000, hidden: 4096, feedForward: 14_336, layers: 32, heads: 32 },
      contextTokens: 131_072,
      keyValueHeads: 8,
      bias: () => NO_BIAS,
      layers: everyLayer((config) => optionalPositiveOf(config, 'sliding_window', 4096)),
    },
  ],
  ['qwen2', QWEN2],
  [
    'qwen3',
    {
      ...QWEN2,
      headSize: 128,
      bias: attentionBias,
      names: { ...LLAMA_NAMES, ...HEAD_NORM_NAMES },
      headNorm: { over: 'head' },
    },
  ],
  ['gemma', GEMMA],
  ['gemma2', GEMMA2],
  ['gemma3_text', GEMMA3],
  ['gemma3', { ...GEMMA3, part: 'text_config' }],
  [
    'phi3',
    {
      ...LLAMA,
      sizes: { vocabulary: 32_064, hidden: 3072, feedForward: 8192, layers: 32, heads: 32 },
      contextTokens: 4096,
      norm: { ...RMS, epsilon: 1e-5 },
      bias: () => NO_BIAS,
      names: {
        ...TRUNK_NAMES,
        ...INPUT_NORM_NAMES,
        packed: 'self_attn.qkv_proj',
        attentionOutput: 'self_attn.o_proj',
        gateUp: 'mlp.gate_up_proj',
        down: 'mlp.down_proj',
      },
      layers: everyLayer((config) => optionalPositiveOf(config, 'sliding_window', null)),
      ropes: flatRope({
        partial: { key: 'partial_rotary_factor', share: 1 },
        originalContextTokens: 4096,
        aliases: { su: 'longrope', yarn: 'longrope' },
      }),
    },
  ],
  [
    'phi',
    {
      names: {
        ...TRUNK_NAMES,
        ...PROJECTION_NAMES,
        finalNorm: 'final_layernorm',
        attentionOutput: 'self_attn.dense',
        queryNorm: 'self_attn.q_layernorm',
        keyNorm: 'self_attn.k_layernorm',
        up: 'mlp.fc1',
        down: 'mlp.fc2',
        attentionNorm: 'input_layernorm',
      },
      sizes: { vocabulary: 51_200, hidden: 2048, feedForward: 8192, layers: 24, heads: 32 },
      contextTokens: 2048,
      norm: LAYER,
      activation: { key: 'hidden_act', usual: 'gelu_new' },
      bias: () => ({ ...ALL_BUT_HEAD, head: true }),
      isParallel: () => true,
      headNorm: { over: 'head', isThere: (config) => booleanOf(config, 'qk_layernorm', false) },
      layers: everyLayer(() => null),
      ropes: flatRope({ partial: { key: 'partial_rotary_factor', share: 0.5 } }),
    },
  ],
  ['gpt2', GPT2],
  [
    'openai-gpt',
    {
      ...GPT2,
      names: {
        ...GPT_NAMES,
        embedding: 'tokens_embed',
        positions: 'positions_embed',
        attentionStreamNorm: 'ln_1',
        feedForwardStreamNorm: 'ln_2',
      },
      keys: { ...GPT2.keys, feedForward: [] },
      sizes: { vocabulary: 40_478, hidden: 768, feedForward: 'fourfold', layers: 12, heads: 12 },
      contextTokens: 512,
      // What it calls "gelu" is the approximation.
      activation: { key: 'afn', usual: 'gelu', aliases: { gelu: 'gelu_new' } },
      attentionScale: (_, headSize) => headSize ** -0.5,
    },
  ],
  [
    'gpt_neo',
    {
      names: {
        prefix: 'transformer.',
        embedding: 'wte',
        positions: 'wpe',
        finalNorm: 'ln_f',
        heads: ['lm_head'],
        layers: 'h',
        query: 'attn.attention.q_proj',
        key: 'attn.attention.k_proj',
        value: 'attn.attention.v_proj',
        attentionOutput: 'attn.attention.out_proj',
        up: 'mlp.c_fc',
        down: 'mlp.c_proj',
        attentionNorm: 'ln_1',
        feedForwardNorm: 'ln_2',
      },
      keys: { layers: ['num_layers', 'num_hidden_layers'], heads: ['num_heads', 'num_attention_heads'] },
      sizes: { vocabulary: 50_257, hidden: 2048, feedForward: 'fourfold', layers: 24, heads: 16 },
      contextTokens: 2048,
      headSize: 'share',
      keyValueHeads: 'heads',
      norm: { ...LAYER, key: 'layer_norm_epsilon' },
      activation: { key: 'activation_function', usual: 'gelu_new' },
      isTied: true,
      bias: () => ({ ...ALL_BUT_HEAD, qkv: false }),
      attentionScale: () => 1,
      layers: (config, layers) => {
        const window = integerOf(config, 'window_size', 2 ** 31, 256);
        return neoKinds(config['attention_types'] ?? [[['global', 'local'], 12]], layers).map((kind) => ({
          window: kind === 'local' ? window : null,
          rope: null,
        }));
      },
      ropes: null,
    },
  ],
  [
    'opt',
    {
      names: {
        prefix: 'model.decoder.',
        embedding: 'embed_tokens',
        positions: 'embed_positions',
        finalNorm: 'final_layer_norm',
        heads: ['lm_head'],
        layers: 'layers',
        query: 'self_attn.q_proj',
        key: 'self_attn.k_proj',
        value: 'self_attn.v_proj',
        attentionOutput: 'self_attn.out_proj',
        up: 'fc1',
        down: 'fc2',
        attentionNorm: 'self_attn_layer_norm',
        feedForwardNorm: 'final_layer_norm',
      },
      keys: { feedForward: 'ffn_dim' },
      sizes: { vocabulary: 50_272, hidden: 768, feedForward: 3072, layers: 12, heads: 12 },
      contextTokens: 2048,
      headSize: 'share',
      keyValueHeads: 'heads',
      positionOffset: 2,
      norm: { ...LAYER, key: null },
      activation: { key: 'activation_function', usual: 'relu' },
      isTied: true,
      bias: (config) => (booleanOf(config, 'enable_bias', true) ? ALL_BUT_HEAD : NO_BIAS),
      layers: everyLayer(() => null),
      ropes: null,
      refuse: (config) => {
        const width = valueOf(config, 'word_embed_proj_dim');
        if (width !== undefined && width !== config['hidden_size']) {
          throw new UnsupportedFault('its embedding is not as wide as its layers (word_embed_proj_dim)');
        }
        const isUsual =
          booleanOf(config, 'do_layer_norm_before', true) &&
          booleanOf(config, 'layer_norm_elementwise_affine', true) &&
          !booleanOf(config, '_remove_final_layer_norm', false);
        if (!isUsual) throw new UnsupportedFault('its norms are not where those of its family usually are');
      },
    },
  ],
  [
    'gpt_neox',
    {
      names: {
        prefix: 'gpt_neox.',
        embedding: 'embed_in',
        finalNorm: 'final_layer_norm',
        heads: ['embed_out', 'lm_head'],
        layers: 'layers',
        packed: 'attention.query_key_value',
        attentionOutput: 'attention.dense',
        up: 'mlp.dense_h_to_4h',
        down: 'mlp.dense_4h_to_h',
        attentionNorm: 'input_layernorm',
        feedForwardNorm: 'post_attention_layernorm',
      },
      sizes: { vocabulary: 50_432, hidden: 6144, feedForward: 24_576, layers: 44, heads: 64 },
      contextTokens: 2048,
      headSize: 'share',
      keyValueHeads: 'heads',
      packedOrder: 'heads',
      norm: LAYER,
      activation: { key: 'hidden_act', usual: 'gelu' },
      bias: (config) => {
        const hasBias = booleanOf(config, 'attention_bias', true);
        return { qkv: hasBias, attentionOutput: hasBias, feedForward: true, head: false };
      },
      isParallel: (config) => booleanOf(config, 'use_parallel_residual', true),
      layers: everyLayer(() => null),
      ropes: flatRope({ thetaKey: 'rotary_emb_base', partial: { key: 'rotary_pct', share: 0.25 } }),
    },
  ],
  [
    'smollm3',
    {
      ...LLAMA,
      sizes: { vocabulary: 128_256, hidden: 2048, feedForward: 11_008, layers: 36, heads: 16 },
      contextTokens: 32_768,
      keyValueHeads: 4,
      isTied: true,
      layers: (config, layers) => {
        const interval = integerOf(config, 'no_rope_layer_interval', 2 ** 31, 4);
        // 1 stands for a layer that is rotated.
        const given = valueOf(config, 'no_rope_layers');
        const rotated = (layer: number) =>
          Array.isArray(given) ? Boolean(given[layer]) : (layer + 1) % interval !== 0;
        if (given !== undefined && (!Array.isArray(given) || given.length < layers)) {
          throw new UnsupportedFault(`no_rope_layers in config.json is not a list of ${layers} numbers`);
        }
        const window = optionalPositiveOf(config, 'sliding_window', null);
        const slides = booleanOf(config, 'use_sliding_window', false) && window !== null;
        return layersByType(config, layers, window, (layer) => slides && !rotated(layer)).map((facts, layer) => ({
          ...facts,
          rope: rotated(layer) ? 0 : null,
        }));
      },
      ropes: flatRope({ theta: 2e6 }),
    },
  ],
  ['olmo', OLMO],
  [
    'olmo2',
    {
      ...OLMO,
      norm: { ...RMS, epsilon: 1e-5 },
      clip: () => null,
      names: {
        ...TRUNK_NAMES,
        ...PROJECTION_NAMES,
        ...HEAD_NORM_NAMES,
        ...GATED_NAMES,
        attentionOutputNorm: 'post_attention_layernorm',
        feedForwardOutputNorm: 'post_feedforward_layernorm',
      },
      headNorm: { over: 'width' },
    },
  ],
  [
    'granite',
    {
      ...LLAMA,
      embeddingScale: (config) => positiveOf(config, 'embedding_multiplier', 1),
      residualScale: (config) => positiveOf(config, 'residual_multiplier', 1),
      attentionScale: (config) => positiveOf(config, 'attention_multiplier', 1),
      headScale: (config) => 1 / positiveOf(config, 'logits_scaling', 1),
    },
  ],
  ['stablelm', STABLELM],
  [
    'starcoder2',
    {
      ...LLAMA,
      sizes: { vocabulary: 49_152, hidden: 3072, feedForward: 12_288, layers: 30, heads: 24 },
      contextTokens: 4096,
      keyValueHeads: 2,
      norm: { ...LAYER, key: 'norm_epsilon' },
      activation: { key: 'hidden_act', usual: 'gelu_pytorch_tanh' },
      isTied: true,
      bias: (config) => (booleanOf(config, 'use_bias', true) ? ALL_BUT_HEAD : NO_BIAS),
      names: {
        ...TRUNK_NAMES,
        ...PROJECTION_NAMES,
        ...INPUT_NORM_NAMES,
        up: 'mlp.c_fc',
        down: 'mlp.c_proj',
      },
      layers: everyLayer((config) => optionalPositiveOf(config, 'sliding_window', null)),
    },
  ],
]);

/** The model types that can be chatted with. */
export const CHAT_MODEL_TYPES: readonly string[] = [...FAMILIES.keys()];

/** The entry of a `model_type`, or null. */
export function familyOf(modelType: unknown): Family | null {
  return (typeof modelType === 'string' ? FAMILIES.get(modelType) : undefined) ?? null;
}
