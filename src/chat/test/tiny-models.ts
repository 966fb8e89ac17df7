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

/** Grouped and equal heads; tied and not; with and without biases; head sizes 8, 16 and 64; all kinds of rope. */
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

/** Random weights: norms around 1, matrices wide enough that attention and gates are far from uniform. */
export function randomWeights(model: TinyModel, seed: number): Tensors {
  const architecture = describeArchitecture(model.config, possibleNames(model.config));
  let draw = 0;
  return new Map(
    requiredTensors(architecture).map(({ name, shape }) => {
      const elements = shape.reduce((product, size) => product * size, 1);
      const isNorm = name.includes('norm');
      const spread = isNorm || shape.length === 1 ? 0.5 : 2 / Math.sqrt(shape[1] ?? 1);
      const data = Float32Array.from({ length: elements }, () => {
        const centred = (uniform(seed, draw++) - 0.5) * 2 * spread;
        return isNorm ? 1 + centred : centred;
      });
      return [name, { data, shape }];
    }),
  );
}

/** Every name that a config of this size could call for; those that it does not are never looked up. */
function possibleNames(config: TinyModel['config']): string[] {
  const parts = ['q', 'k', 'v', 'o'].map((part) => `self_attn.${part}_proj`);
  parts.push(
    ...['gate', 'up', 'down'].map((part) => `mlp.${part}_proj`),
    'input_layernorm',
    'post_attention_layernorm',
  );
  const layers = Array.from({ length: Number(config['num_hidden_layers']) }, (_, layer) => `model.layers.${layer}`);
  return [
    'model.embed_tokens.weight',
    'model.norm.weight',
    ...(config['tie_word_embeddings'] === true ? [] : ['lm_head.weight']),
    ...layers.flatMap((layer) => parts.flatMap((part) => [`${layer}.${part}.weight`, `${layer}.${part}.bias`])),
  ];
}
