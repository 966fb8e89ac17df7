import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnsupportedFault } from '../bytes/fault.ts';
import { CHAT_MODEL_TYPES, describeArchitecture, requiredTensors } from './architecture.ts';

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
    const { blocks, ...facts } = read({});
    expect(facts).toEqual({
      modelType: 'llama',
      vocabularySize: 512,
      hiddenSize: 64,
      layers: 2,
      heads: 8,
      keyValueHeads: 4,
      headSize: 8,
      contextTokens: 512,
      windowTokens: null,
      cacheKind: 'static',
      ropeSwitchTokens: null,
      isTied: false,
      headOverConfig: null,
      embedding: { weight: 'model.embed_tokens.weight', scale: 1, positions: null },
      ropes: [{ theta: 10_000, scaling: { kind: 'default' }, dimensions: 8, amplitude: 1, isInterleaved: false }],
      finalNorm: { kind: 'rms', weight: 'model.norm.weight', bias: null, size: 64, epsilon: 1e-6, offset: 0 },
      head: {
        linear: { weight: 'lm_head.weight', bias: null, inputs: 64, outputs: 512, isTransposed: false },
        scale: 1,
        softCap: null,
      },
    });
    expect(blocks).toHaveLength(2);
    expect(blocks[1]).toMatchObject({
      isParallel: false,
      attentionNorm: { weight: 'model.layers.1.input_layernorm.weight' },
      attention: { windowTokens: null, scale: 8 ** -0.5, rope: 0 },
      feedForward: { kind: 'gated', activation: 'silu', up: { outputs: 172 } },
    });
  });

  it('takes null for absent, as config.json does', () => {
    const nothing = { num_key_value_heads: null, head_dim: null, rope_scaling: null, quantization_config: null };
    expect(read(nothing)).toMatchObject({ keyValueHeads: 8, headSize: 8 });
  });

  it('ties the head where none is stored, and reads a stored one whatever the config says', () => {
    expect(read({ tie_word_embeddings: true }, false)).toMatchObject({ isTied: true, headOverConfig: null });
    expect(read({}, false).isTied).toBe(true);
    // It says that there is one; what stands in the file is an encoder of text, or a part.
    expect(() => read({ tie_word_embeddings: false }, false)).toThrow(/lm_head\.weight/);
    expect(read({ tie_word_embeddings: false })).toMatchObject({ isTied: false, headOverConfig: null });
    // As transformers 5 does where the two differ; where they do not, it makes no difference.
    const stored = read({ tie_word_embeddings: true });
    expect(stored).toMatchObject({ isTied: false, headOverConfig: 'lm_head.weight' });
    expect(stored.head.linear.weight).toBe('lm_head.weight');
    expect(requiredTensors(stored).map(({ name }) => name)).toContain('lm_head.weight');
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
    expect(read(changes).ropes).toMatchObject([{ theta, scaling: { kind } }]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown family', { model_type: 'bloom' }, /"bloom" is not one of llama, mistral, qwen2/],
    ['no family', { model_type: undefined }, /no model_type/],
    ['a family that is an object', { model_type: {} }, /no model_type/],
    ['a prototype’s name as family', { model_type: 'constructor' }, /"constructor" is not/],
    ['quantised weights', { quantization_config: { bits: 4 } }, /quantised/],
    ['a mixture of experts', { model_type: 'qwen3_moe' }, /"qwen3_moe" is a mixture of experts/],
    ['experts in a known family', { num_local_experts: 8 }, /mixture of experts \(num_local_experts\)/],
    ['recurrent layers', { model_type: 'falcon_h1', mamba_d_state: 16 }, /not attention/],
    ['a recurrent family', { model_type: 'mamba2' }, /not attention/],
    ['an encoder with a decoder', { is_encoder_decoder: true }, /encoder with a decoder/],
    ['a classifier', { architectures: ['LlamaForSequenceClassification'] }, /made to score texts .*not to write them/],
    ['an encoder', { model_type: 'modernbert' }, /not a decoder/],
    ['pictures', { model_type: 'llava', vision_config: {} }, /more than text/],
    ['another activation', { hidden_act: 'xielu' }, /"xielu" \(hidden_act\)/],
    ['an activation that is an object', { hidden_act: {} }, /hidden_act/],
    ['windowed layers', { layer_types: ['full_attention', 'sliding_attention'] }, /sliding_attention/],
    ['too few kinds of layers', { model_type: 'qwen2', layer_types: ['full_attention'] }, /list of 2/],
    ['layers of another kind', { model_type: 'qwen2', layer_types: ['linear_attention', 'a'] }, /linear_attention/],
    ['a window without a size', { model_type: 'qwen2', layer_types: ['sliding_attention', 'a'] }, /window whose size/],
    ['a broken window', { model_type: 'mistral', sliding_window: 1.5 }, /sliding_window/],
    ['a rope that is no text', { rope_scaling: { type: [{ toString: 1 }] } }, /toString/],
    ['layers that are no text', { model_type: 'qwen2', layer_types: [{ toString: 1 }, {}] }, /toString/],
    ['an unknown rope', { rope_scaling: { type: 'mrope' } }, /"mrope"/],
    ['attention in both directions', { model_type: 'gemma', use_bidirectional_attention: true }, /causal/],
    ['rope by kind of layer', { rope_parameters: { full_attention: { rope_theta: 1 } } }, /full_attention/],
    ['llama3 rope without its factors', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /low_freq_factor/],
    ['partial rotation', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    ['heads that do not share', { num_key_value_heads: 3 }, /8 attention heads do not share 3/],
    ['more shared heads than heads', { num_key_value_heads: 16 }, /num_key_value_heads/],
    ['an odd head', { head_dim: 7 }, /7 elements of each head/],
    ['a monstrous head', { head_dim: 65_536 }, /head_dim/],
    ['a broken head size', { hidden_size: 60 }, /head_dim in config.json is 7.5/],
    ['a negative size', { intermediate_size: -1 }, /intermediate_size in config.json is -1/],
    ['a size as text', { vocab_size: '512' }, /vocab_size in config.json is "512"/],
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

  it('knows a window only where it hides something', () => {
    const window = (changes: Record<string, unknown>) => read(changes).windowTokens;
    expect(window({ model_type: 'mistral', sliding_window: 128 })).toBe(128);
    expect(window({ model_type: 'mistral', sliding_window: 512 })).toBe(null);
    expect(window({ model_type: 'mistral', sliding_window: null })).toBe(null);
    // Without the key transformers takes 4096.
    expect(window({ model_type: 'mistral', max_position_embeddings: 32_768 })).toBe(4096);
    expect(window({ model_type: 'qwen2', use_sliding_window: false, sliding_window: 64 })).toBe(null);
    expect(window({ model_type: 'qwen2', use_sliding_window: true, sliding_window: 64 })).toBe(null);
    const second = { model_type: 'qwen2', use_sliding_window: true, sliding_window: 64, max_window_layers: 1 };
    expect(read(second).blocks.map(({ attention }) => attention.windowTokens)).toEqual([null, 64]);
    expect(window({ layer_types: ['full_attention', 'full_attention'] })).toBe(null);
  });

  it('says where attention has to be written out, and where a rotation depends on the length of a text', () => {
    expect(read({ head_dim: 12 }).cacheKind).toBe('growing');
    const scaling = { type: 'longrope', short_factor: [1, 1, 1, 1], long_factor: [2, 2, 2, 2] };
    expect(read({ rope_scaling: scaling, original_max_position_embeddings: 256 }).ropeSwitchTokens).toBe(256);
    expect(read({ rope_scaling: scaling, original_max_position_embeddings: 512 }).ropeSwitchTokens).toBe(null);
  });

  it('finds tensors under any prefix', () => {
    const first = (prefix: string, head = 'lm_head') => {
      const names = namesFor(2, false).map((name) => name.replace('model.', prefix));
      const architecture = describeArchitecture(LLAMA, [...names, `${head}.weight`, 'vision.patch.weight']);
      return requiredTensors(architecture).map(({ name }) => name);
    };
    expect(first('').slice(0, 2)).toEqual(['embed_tokens.weight', 'layers.0.input_layernorm.weight']);
    expect(first('_orig_mod.model.', '_orig_mod.lm_head').at(-1)).toBe('_orig_mod.lm_head.weight');
    expect(first('language_model.model.', 'language_model.lm_head')).toHaveLength(21);
  });

  it('reads the text part of gemma3, whose config says little', () => {
    const text = { ...LLAMA, vocab_size: undefined, num_attention_heads: undefined, num_key_value_heads: undefined };
    const parts = ['self_attn.q_norm', 'self_attn.k_norm', 'pre_feedforward_layernorm', 'post_feedforward_layernorm'];
    const more = [0, 1].flatMap((layer) => parts.map((part) => `model.layers.${layer}.${part}.weight`));
    const names = [...namesFor(2, false), ...more].map((name) => `language_model.${name}`);
    const config = { model_type: 'gemma3', text_config: { ...text, sliding_window: 256 }, vision_config: {} };
    const architecture = describeArchitecture(config, names);
    expect(architecture).toMatchObject({
      modelType: 'gemma3',
      vocabularySize: 262_208,
      heads: 8,
      keyValueHeads: 4,
      headSize: 256,
      windowTokens: 256,
      isTied: true,
      embedding: { weight: 'language_model.model.embed_tokens.weight', scale: 8 },
    });
    expect(() => describeArchitecture({ model_type: 'gemma3' }, names)).toThrow(/no text_config/);
  });

  it('stays within bounds whatever config.json says', () => {
    const keys = [
      'hidden_size',
      'num_hidden_layers',
      'num_attention_heads',
      'head_dim',
      'vocab_size',
      'sliding_window',
    ];
    const value = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.boolean(), fc.object());
    const config = fc.record(Object.fromEntries(keys.map((key) => [key, fc.option(value, { nil: undefined })])));
    fc.assert(
      fc.property(config, value, value, fc.constantFrom(...CHAT_MODEL_TYPES), (changes, scaling, kinds, modelType) => {
        const whole = { ...LLAMA, ...changes, rope_scaling: scaling, layer_types: kinds, model_type: modelType };
        try {
          const architecture = describeArchitecture({ ...whole, text_config: whole }, namesFor(2));
          expect(architecture.heads % architecture.keyValueHeads).toBe(0);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(UnsupportedFault);
        }
      }),
    );
  });
});
