/**
 * TinyModels: seeded random models of every shape that the graph distinguishes, small enough for the oracle.
 * Not shipped.
 */

import { describeArchitecture, requiredTensors } from '../architecture.ts';
import { uniform } from '../sampling.ts';
import type { Tensors } from './forward.ts';

/** A config.json and weights for it. */
export interface TinyModel {
  readonly title: string;
  readonly config: Readonly<Record<string, unknown>>;
}

const BASE = {
  vocab_size: 67,
  hidden_size: 32,
  intermediate_size: 44,
  num_hidden_layers: 2,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
};
const GROUPED = { num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16 };
const LAYER_NORM = { ...BASE, rms_norm_eps: undefined, layer_norm_eps: 1e-5, hidden_act: 'gelu' };
const GPT = { vocab_size: 67, n_embd: 32, n_layer: 2, n_head: 2, n_positions: 128 };

/** Llama's relatives: grouped and equal heads; tied and not; with and without biases; head sizes 8, 16, 24 and 64; kinds of rope. */
export const TINY_MODELS: readonly TinyModel[] = [
  {
    title: 'llama, grouped heads of 8, tied',
    config: { ...BASE, model_type: 'llama', num_attention_heads: 4, num_key_value_heads: 2, tie_word_embeddings: true },
  },
  {
    title: 'llama 3 rope, heads of 16, tied, all biases',
    config: {
      ...BASE,
      model_type: 'llama',
      num_attention_heads: 2,
      num_key_value_heads: 1,
      tie_word_embeddings: true,
      attention_bias: true,
      mlp_bias: true,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
    },
  },
  {
    title: 'llama, linear rope of transformers 5, heads of 24 (no multiple of 16)',
    config: {
      ...BASE,
      model_type: 'llama',
      num_attention_heads: 3,
      num_key_value_heads: 3,
      head_dim: 24,
      rope_parameters: { rope_theta: 20000, rope_type: 'linear', factor: 4 },
    },
  },
  {
    title: 'qwen2, grouped heads of 16, biases on q, k, v',
    config: { ...BASE, model_type: 'qwen2', hidden_size: 64, num_attention_heads: 4, num_key_value_heads: 2 },
  },
  {
    title: 'mistral, heads of 64 wider than the model',
    config: {
      ...BASE,
      model_type: 'mistral',
      num_attention_heads: 3,
      num_key_value_heads: 1,
      head_dim: 64,
      sliding_window: null,
    },
  },
];

/** The other families, and what Llama's do with windows and other kinds of rope. */
export const TINY_FAMILIES: readonly TinyModel[] = [
  {
    title: 'llama, yarn rope',
    config: {
      ...BASE,
      ...GROUPED,
      model_type: 'llama',
      rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 },
    },
  },
  {
    title: 'llama, heads of 10, which GroupQueryAttention does not take',
    config: { ...BASE, model_type: 'llama', num_attention_heads: 4, num_key_value_heads: 2, head_dim: 10 },
  },
  {
    title: 'mistral, window of 16',
    config: { ...BASE, ...GROUPED, model_type: 'mistral', sliding_window: 16 },
  },
  {
    title: 'qwen2, window of 16 in its second layer',
    config: {
      ...BASE,
      ...GROUPED,
      model_type: 'qwen2',
      use_sliding_window: true,
      sliding_window: 16,
      max_window_layers: 1,
    },
  },
  { title: 'qwen3', config: { ...BASE, ...GROUPED, model_type: 'qwen3', tie_word_embeddings: true } },
  {
    title: 'qwen3, heads of 40',
    config: { ...BASE, ...GROUPED, model_type: 'qwen3', head_dim: 40 },
  },
  { title: 'gemma', config: { ...BASE, ...GROUPED, model_type: 'gemma', hidden_act: 'gelu' } },
  {
    title: 'gemma2, window of 16, caps that bite',
    config: {
      ...BASE,
      ...GROUPED,
      model_type: 'gemma2',
      query_pre_attn_scalar: 8,
      sliding_window: 16,
      attn_logit_softcapping: 2,
      final_logit_softcapping: 4,
    },
  },
  {
    title: 'gemma3, window of 16, two ropes',
    config: {
      ...BASE,
      ...GROUPED,
      model_type: 'gemma3_text',
      num_hidden_layers: 3,
      query_pre_attn_scalar: 24,
      sliding_window: 16,
      sliding_window_pattern: 3,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    },
  },
  {
    title: 'phi3, packed, partly rotated, window of 16',
    config: { ...BASE, ...GROUPED, model_type: 'phi3', partial_rotary_factor: 0.5, sliding_window: 16 },
  },
  {
    title: 'phi3, longrope that switches at 32 tokens',
    config: {
      ...BASE,
      ...GROUPED,
      model_type: 'phi3',
      original_max_position_embeddings: 32,
      rope_scaling: {
        type: 'longrope',
        short_factor: [1, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6],
        long_factor: [1, 1.5, 2, 3, 4, 5, 6, 7],
      },
    },
  },
  {
    title: 'phi3, longrope that switches at 32 tokens, heads of 12',
    config: {
      ...BASE,
      ...GROUPED,
      head_dim: 12,
      model_type: 'phi3',
      original_max_position_embeddings: 32,
      rope_scaling: { type: 'longrope', short_factor: [1, 1, 1.1, 1.2, 1.3, 1.4], long_factor: [1, 1.5, 2, 3, 4, 5] },
    },
  },
  {
    title: 'phi, parallel, partly rotated (12 of 24), a head with a bias',
    config: { ...LAYER_NORM, ...GROUPED, head_dim: 24, model_type: 'phi', hidden_act: 'gelu_new' },
  },
  {
    title: 'phi with norms of queries and keys',
    config: { ...LAYER_NORM, model_type: 'phi', num_attention_heads: 2, hidden_act: 'gelu_new', qk_layernorm: true },
  },
  {
    title: 'gpt2',
    config: { ...GPT, model_type: 'gpt2', scale_attn_by_inverse_layer_idx: true },
  },
  { title: 'openai-gpt', config: { ...GPT, model_type: 'openai-gpt' } },
  {
    title: 'gpt_neo, a window of 16 in its second layer',
    config: {
      ...LAYER_NORM,
      model_type: 'gpt_neo',
      num_hidden_layers: undefined,
      num_layers: 2,
      num_heads: 2,
      window_size: 16,
      attention_types: [[['global', 'local'], 1]],
    },
  },
  {
    title: 'opt, positions from the third row on',
    config: { ...LAYER_NORM, model_type: 'opt', num_attention_heads: 2, ffn_dim: 48 },
  },
  {
    title: 'gpt_neox, parallel, a quarter rotated',
    config: { ...LAYER_NORM, model_type: 'gpt_neox', hidden_size: 64, num_attention_heads: 1 },
  },
  {
    title: 'gpt_neox, sequential, 10 of 40 rotated, no biases in attention',
    config: {
      ...LAYER_NORM,
      model_type: 'gpt_neox',
      hidden_size: 80,
      num_attention_heads: 2,
      use_parallel_residual: false,
      attention_bias: false,
    },
  },
  {
    title: 'smollm3, every other layer not rotated',
    config: { ...BASE, ...GROUPED, model_type: 'smollm3', no_rope_layer_interval: 2 },
  },
  {
    title: 'olmo, norms without weights, clipped',
    config: { ...BASE, ...GROUPED, model_type: 'olmo', rms_norm_eps: undefined, clip_qkv: 0.8 },
  },
  { title: 'olmo2', config: { ...BASE, ...GROUPED, model_type: 'olmo2' } },
  {
    title: 'granite',
    config: {
      ...BASE,
      ...GROUPED,
      model_type: 'granite',
      embedding_multiplier: 6,
      residual_multiplier: 0.4,
      attention_multiplier: 0.4,
      logits_scaling: 3,
    },
  },
  {
    title: 'stablelm',
    config: {
      ...LAYER_NORM,
      model_type: 'stablelm',
      hidden_size: 64,
      num_attention_heads: 1,
      num_key_value_heads: 1,
      hidden_act: 'silu',
      use_qkv_bias: true,
    },
  },
  {
    title: 'stablelm, parallel, a norm for each head',
    config: {
      ...LAYER_NORM,
      model_type: 'stablelm',
      num_attention_heads: 4,
      num_key_value_heads: 2,
      hidden_act: 'silu',
      qk_layernorm: true,
      use_parallel_residual: true,
    },
  },
  {
    title: 'starcoder2, window of 16',
    config: {
      ...LAYER_NORM,
      ...GROUPED,
      model_type: 'starcoder2',
      hidden_act: 'gelu_pytorch_tanh',
      sliding_window: 16,
    },
  },
];

/** Random weights: norms around 1, matrices wide enough that attention and gates are far from uniform. */
export function randomWeights(model: TinyModel, seed: number): Tensors {
  const architecture = describeArchitecture(model.config, possibleNames(model.config));
  const isGemma = architecture.modelType.startsWith('gemma');
  let draw = 0;
  return new Map(
    requiredTensors(architecture).map(({ name, shape }) => {
      const elements = shape.reduce((product, size) => product * size, 1);
      const isNorm = /norm|ln_/.test(name) && !name.endsWith('.bias');
      const spread = isNorm || shape.length === 1 ? 0.5 : 2 / Math.sqrt(shape[1] ?? 1);
      const data = Float32Array.from({ length: elements }, () => {
        const centred = (uniform(seed, draw++) - 0.5) * 2 * spread;
        return isNorm && !isGemma ? 1 + centred : centred;
      });
      return [name, { data, shape }];
    }),
  );
}

/** Every name that a config of this size could call for; those that it does not are never looked up. */
function possibleNames(config: TinyModel['config']): string[] {
  const modules = [
    ...[
      'q_proj',
      'k_proj',
      'v_proj',
      'o_proj',
      'qkv_proj',
      'dense',
      'q_norm',
      'k_norm',
      'q_layernorm',
      'k_layernorm',
    ].map((part) => `self_attn.${part}`),
    ...['gate_proj', 'up_proj', 'down_proj', 'gate_up_proj', 'fc1', 'fc2', 'c_fc', 'c_proj'].map(
      (part) => `mlp.${part}`,
    ),
    ...['dense_h_to_4h', 'dense_4h_to_h'].map((part) => `mlp.${part}`),
    ...['input', 'post_attention', 'pre_feedforward', 'post_feedforward'].map((part) => `${part}_layernorm`),
    ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((part) => [`attn.attention.${part}`, `self_attn.${part}`]),
    ...['fc1', 'fc2', 'self_attn_layer_norm', 'final_layer_norm'],
    ...['attn.c_attn', 'attn.c_proj', 'ln_1', 'ln_2', 'attention.query_key_value', 'attention.dense'],
    ...['q', 'k'].flatMap((part) => [0, 1, 2, 3].map((head) => `self_attn.${part}_layernorm.norms.${head}`)),
  ];
  const layers = Number(config['num_hidden_layers'] ?? config['n_layer'] ?? config['num_layers']);
  const names = ['model.layers', 'transformer.h', 'gpt_neox.layers', 'model.decoder.layers'].flatMap((list) =>
    Array.from({ length: layers }, (_, layer) => modules.map((module) => `${list}.${layer}.${module}`)).flat(),
  );
  names.push(
    ...['embed_tokens', 'norm', 'final_layernorm'].map((module) => `model.${module}`),
    ...['wte', 'wpe', 'ln_f', 'tokens_embed', 'positions_embed'].map((module) => `transformer.${module}`),
    ...['embed_tokens', 'embed_positions', 'final_layer_norm'].map((module) => `model.decoder.${module}`),
    ...['embed_in', 'final_layer_norm'].map((module) => `gpt_neox.${module}`),
    ...(config['tie_word_embeddings'] === true ? [] : ['lm_head', 'embed_out']),
  );
  return names.flatMap((name) => [`${name}.weight`, `${name}.bias`]);
}
