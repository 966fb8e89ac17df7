import { describe, expect, it } from 'vitest';
import { UnsupportedFault } from '../bytes/fault.ts';
import { describeArchitecture, MAX_CONTEXT_TOKENS, requiredTensors } from './architecture.ts';

const LLAMA = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 172,
  num_hidden_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  vocab_size: 512,
  max_position_embeddings: 512,
};

/** All tensors that any variant of such a config could need. */
function namesFor(layers: number, hasHead = true): string[] {
  const modules = ['q', 'k', 'v', 'o'].map((part) => `self_attn.${part}_proj`);
  modules.push('mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj', 'input_layernorm', 'post_attention_layernorm');
  return [
    'model.embed_tokens.weight',
    'model.norm.weight',
    ...(hasHead ? ['lm_head.weight'] : []),
    ...Array.from({ length: layers }, (_, n) =>
      modules.flatMap((part) => [`model.layers.${n}.${part}.weight`, `model.layers.${n}.${part}.bias`]),
    ).flat(),
  ];
}

const read = (changes: Record<string, unknown>, hasHead = true) =>
  describeArchitecture({ ...LLAMA, ...changes }, namesFor(2, hasHead));
const biased = (changes: Record<string, unknown>) =>
  requiredTensors(read(changes)).flatMap(({ name }) => /layers\.0.*\.(\w+)\.bias$/.exec(name)?.[1] ?? []);

describe('describeArchitecture', () => {
  it('reads a llama with the defaults of transformers', () => {
    expect(read({})).toEqual({
      modelType: 'llama',
      vocabularySize: 512,
      hiddenSize: 64,
      layers: 2,
      heads: 8,
      keyValueHeads: 4,
      headSize: 8,
      feedForwardSize: 172,
      contextTokens: 512,
      normEpsilon: 1e-6,
      activation: 'silu',
      rope: { theta: 10_000, scaling: { kind: 'default' } },
      bias: { qkv: false, attentionOutput: false, feedForward: false },
      isTied: false,
    });
  });

  it('takes null for absent, as config.json does', () => {
    const nothing = { num_key_value_heads: null, head_dim: null, rope_scaling: null, quantization_config: null };
    expect(read(nothing)).toMatchObject({ keyValueHeads: 8, headSize: 8 });
  });

  it('ties the head where the config says so or no head is there', () => {
    expect(read({ tie_word_embeddings: true }).isTied).toBe(true);
    expect(read({ tie_word_embeddings: false }, false).isTied).toBe(true);
    expect(read({ tie_word_embeddings: false }).isTied).toBe(false);
    const names = (isTied: boolean) => requiredTensors(read({ tie_word_embeddings: isTied })).map(({ name }) => name);
    expect(names(true)).not.toContain('lm_head.weight');
    expect(names(false)).toContain('lm_head.weight');
  });

  it('knows which biases each family has', () => {
    expect(biased({})).toEqual([]);
    expect(biased({ attention_bias: true })).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj']);
    expect(biased({ mlp_bias: true })).toEqual(['gate_proj', 'up_proj', 'down_proj']);
    expect(biased({ model_type: 'qwen2' })).toEqual(['q_proj', 'k_proj', 'v_proj']);
    expect(biased({ model_type: 'mistral', attention_bias: true })).toEqual([]);
  });

  it('lets a head be wider than its share of the model', () => {
    const shapes = new Map(requiredTensors(read({ head_dim: 16 })).map(({ name, shape }) => [name, shape]));
    expect(shapes.get('model.layers.0.self_attn.q_proj.weight')).toEqual([128, 64]);
    expect(shapes.get('model.layers.0.self_attn.k_proj.weight')).toEqual([64, 64]);
    expect(shapes.get('model.layers.0.self_attn.o_proj.weight')).toEqual([64, 128]);
  });

  it('keeps the context within what the tables hold', () => {
    expect(read({ max_position_embeddings: 131_072 }).contextTokens).toBe(MAX_CONTEXT_TOKENS);
    expect(read({ model_type: 'mistral', max_position_embeddings: null }).contextTokens).toBe(MAX_CONTEXT_TOKENS);
  });

  it.each([
    [
      'llama3',
      {
        rope_scaling: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 256,
        },
      },
      10_000,
    ],
    ['linear', { rope_scaling: { type: 'linear', factor: 2 }, rope_theta: 5e5 }, 5e5],
    ['linear', { rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 1e6 }, rope_theta: 3 }, 1e6],
    ['default', { rope_parameters: { rope_type: 'default', rope_theta: 7 } }, 7],
  ])('reads %s rope', (kind, changes, theta) => {
    expect(read(changes).rope).toMatchObject({ theta, scaling: { kind } });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown family', { model_type: 'gemma2' }, /"gemma2" is not one of llama, mistral, qwen2/],
    ['no family', { model_type: undefined }, /no model_type/],
    ['a family that is an object', { model_type: {} }, /no model_type/],
    ['a prototype’s name as family', { model_type: 'constructor' }, /"constructor" is not/],
    ['quantised weights', { quantization_config: { bits: 4 } }, /quantised/],
    ['another activation', { hidden_act: 'gelu' }, /"gelu"/],
    ['a window below the context', { model_type: 'mistral', sliding_window: 128 }, /sliding_window 128 of 512/],
    ['a window in use', { model_type: 'qwen2', use_sliding_window: true, sliding_window: 64 }, /window/],
    ['windowed layers', { layer_types: ['full_attention', 'sliding_attention'] }, /sliding_attention/],
    ['dynamic rope', { rope_scaling: { type: 'dynamic', factor: 2 } }, /"dynamic"/],
    ['yarn rope', { rope_scaling: { rope_type: 'yarn', factor: 2 } }, /"yarn"/],
    ['rope by kind of layer', { rope_parameters: { full_attention: { rope_theta: 1 } } }, /full_attention/],
    ['llama3 rope without its factors', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /low_freq_factor/],
    ['partial rotation', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    ['heads that do not share', { num_key_value_heads: 3 }, /8 attention heads do not share 3/],
    ['more shared heads than heads', { num_key_value_heads: 16 }, /num_key_value_heads/],
    ['a head size of 12', { head_dim: 12 }, /head size 12/],
    ['a broken head size', { hidden_size: 60 }, /head_dim in config.json is 7.5/],
    ['a negative size', { intermediate_size: -1 }, /intermediate_size in config.json is -1/],
    ['a size as text', { vocab_size: '512' }, /vocab_size in config.json is "512"/],
    ['a missing size', { hidden_size: undefined }, /config.json does not say its hidden_size/],
    ['a monstrous number of layers', { num_hidden_layers: 1e9 }, /num_hidden_layers/],
    ['a theta of zero', { rope_theta: 0 }, /rope_theta/],
    ['an epsilon as text', { rms_norm_eps: '1e-5' }, /rms_norm_eps/],
    ['layers that are not there', { num_hidden_layers: 3 }, /model\.layers\.2\.input_layernorm\.weight and 8 more/],
  ])('refuses %s and says that merging still works', (_, changes, reason) => {
    expect(() => read(changes)).toThrow(UnsupportedFault);
    expect(() => read(changes)).toThrow(/^This model can be merged and saved, but not chatted with: .*[^.]\.$/);
    expect(() => read(changes)).toThrow(reason);
  });

  it('refuses a model without config.json', () => {
    expect(() => describeArchitecture(null, [])).toThrow(/no config\.json/);
  });

  it('takes a window that is as wide as the context, or not in use', () => {
    // Mistral 7B v0.1: chat never reaches beyond its window.
    expect(() => read({ model_type: 'mistral', sliding_window: 4096, max_position_embeddings: 32_768 })).not.toThrow();
    expect(() => read({ model_type: 'mistral', sliding_window: 512 })).not.toThrow();
    expect(() => read({ model_type: 'mistral', sliding_window: null })).not.toThrow();
    expect(() => read({ model_type: 'mistral' })).not.toThrow();
    expect(() => read({ model_type: 'qwen2', use_sliding_window: false, sliding_window: 64 })).not.toThrow();
    expect(() => read({ layer_types: ['full_attention', 'full_attention'] })).not.toThrow();
  });
});
