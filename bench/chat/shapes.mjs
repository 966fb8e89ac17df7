/**
 * Shapes: the models that the chat is measured with: Llamas of random weights, whose size and number of layers is all
 * that matters for speed.
 */

/**
 * @typedef {object} Shape
 * @property {string} name
 * @property {number} layers
 * @property {number} hidden
 * @property {number} heads
 * @property {number} keyValueHeads
 * @property {number} feedForward
 * @property {number} vocabulary
 * @property {boolean} isProportioned whether weights outweigh the cache as in real models, so that speed can stay flat
 * @property {string} why
 */

/** @type {readonly Shape[]} */
export const SHAPES = [
  {
    name: 'wide',
    layers: 2,
    hidden: 512,
    heads: 8,
    keyValueHeads: 1,
    feedForward: 2048,
    vocabulary: 8192,
    isProportioned: true,
    why: 'weights and cache in the proportion of a model of half a billion parameters',
  },
  {
    name: '4-layer',
    layers: 4,
    hidden: 64,
    heads: 4,
    keyValueHeads: 2,
    feedForward: 160,
    vocabulary: 2048,
    isProportioned: false,
    why: 'small enough that attention over the context is what costs',
  },
  {
    name: '28-layer',
    layers: 28,
    hidden: 64,
    heads: 4,
    keyValueHeads: 2,
    feedForward: 160,
    vocabulary: 2048,
    isProportioned: false,
    why: 'as many commands as a model of 1 to 8 billion parameters, and little arithmetic: what the processor costs',
  },
  {
    name: '0.5b',
    layers: 24,
    hidden: 896,
    heads: 14,
    keyValueHeads: 2,
    feedForward: 4864,
    vocabulary: 151_936,
    isProportioned: true,
    why: 'Qwen2.5-0.5B',
  },
  {
    name: '1b',
    layers: 16,
    hidden: 2048,
    heads: 32,
    keyValueHeads: 8,
    feedForward: 8192,
    vocabulary: 128_256,
    isProportioned: true,
    why: 'Llama-3.2-1B',
  },
];

/** Those that a software adapter runs in reasonable time. */
export const SMALL_SHAPES = ['wide', '28-layer'];

/**
 * config.json of a shape.
 * @param {Shape} shape
 * @param {number} contextTokens
 */
export function configOf(shape, contextTokens) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: shape.hidden,
    intermediate_size: shape.feedForward,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    head_dim: shape.hidden / shape.heads,
    vocab_size: shape.vocabulary,
    max_position_embeddings: contextTokens,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: true,
    bos_token_id: 1,
    // Both sides end for length only.
    eos_token_id: null,
  };
}
