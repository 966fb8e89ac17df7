/**
 * Graph: an Architecture as an ONNX graph for onnxruntime, with the weights as inputs (or, for a fixed CPU model, as
 * constants) and no weights of its own. One graph serves prompt and decoding: it takes any number of new tokens
 * after any number of cached ones. Not the session that runs it.
 *
 * Inputs: `input_ids` int32 [tokens]; `position` int64 [1], where the first of them stands (only where the rotation
 * is a node of its own); `last_position` int32 [1] = cached + new - 1; `total_tokens` int32 [1] = cached + new;
 * `past_key_values.N.key|value` f32 [1, keyValueHeads, cached, headSize]; every tensor of `requiredTensors` under its
 * own name in the checkpoint's own [out, in] layout.
 * Outputs: `logits` f32 [tokens or 1, vocabularySize]; `present.N.key|value` f32 [1, keyValueHeads, total, headSize].
 */

import { type Architecture, requiredTensors } from './architecture.ts';
import { OnnxBuilder } from './onnx.ts';
import { ropeTables } from './rope.ts';

/** What a graph shall be like. */
export interface GraphOptions {
  /** Logits of the last new token only (generation), or of all (perplexity). */
  readonly logits: 'last' | 'all';
  /** Weights to build in as constants; null makes them inputs, so that an edit shows in the next run. */
  readonly constants: ReadonlyMap<string, Float32Array> | null;
}

/** A finished graph. */
export interface Graph {
  /** A ModelProto. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** True where `position` is an input. */
  readonly takesPosition: boolean;
}

/** GroupQueryAttention can rotate heads itself only in multiples of this. */
const FUSED_ROTATION_MULTIPLE = 16;

/** Builds the graph. Pure; the tables of positions make it about `contextTokens` x `headSize` x 4 bytes large. */
export function buildGraph(architecture: Architecture, options: GraphOptions): Graph {
  const { heads, keyValueHeads, headSize, contextTokens, bias } = architecture;
  const builder = new OnnxBuilder(architecture.modelType);
  const rotatesInAttention = headSize % FUSED_ROTATION_MULTIPLE === 0;

  const ids = builder.input('input_ids', 'int32', ['tokens']);
  const lastPosition = builder.input('last_position', 'int32', [1]);
  const totalTokens = builder.input('total_tokens', 'int32', [1]);
  const position = rotatesInAttention ? '' : builder.input('position', 'int64', [1]);
  for (const { name, shape } of requiredTensors(architecture)) {
    const data = options.constants?.get(name);
    if (data) builder.constant(name, shape, data);
    else builder.input(name, 'float32', shape);
  }
  const tables = ropeTables(architecture.rope, headSize, contextTokens);
  const cos = builder.constant('rope.cos', [contextTokens, headSize / 2], tables.cos);
  const sin = builder.constant('rope.sin', [contextTokens, headSize / 2], tables.sin);
  const queryShape = builder.constant('shape.query', [3], BigInt64Array.of(1n, -1n, BigInt(heads * headSize)));
  const keyShape = builder.constant('shape.key', [3], BigInt64Array.of(1n, -1n, BigInt(keyValueHeads * headSize)));
  const flatShape = builder.constant('shape.flat', [2], BigInt64Array.of(-1n, BigInt(heads * headSize)));

  /** x [tokens, in] times weight [out, in] transposed, plus the bias where there is one. */
  const linear = (x: string, name: string, hasBias: boolean) =>
    builder.node('Gemm', [x, `${name}.weight`, ...(hasBias ? [`${name}.bias`] : [])], name, { transB: 1 });
  const norm = (x: string, name: string) =>
    builder.node('SimplifiedLayerNormalization', [x, `${name}.weight`], name, {
      axis: -1,
      epsilon: { float: architecture.normEpsilon },
      stash_type: 1,
    });
  const rotate = (x: string) =>
    builder.node('com.microsoft.RotaryEmbedding', [x, position, cos, sin], `${x}.rotated`, { interleaved: 0 });

  /** Attention over the cache and the new tokens; x is [tokens, hiddenSize], normed. */
  const attention = (x: string, layer: number) => {
    const prefix = `model.layers.${layer}.self_attn`;
    const project = (which: string, shape: string) =>
      builder.node('Reshape', [linear(x, `${prefix}.${which}_proj`, bias.qkv), shape], `${prefix}.${which}`);
    const query = project('q', queryShape);
    const key = project('k', keyShape);
    const value = project('v', keyShape);
    const cache = ['key', 'value'].map((part) => {
      const past = `past_key_values.${layer}.${part}`;
      const present = `present.${layer}.${part}`;
      builder.input(past, 'float32', [1, keyValueHeads, 'cached', headSize]);
      builder.output(present, 'float32', [1, keyValueHeads, 'total', headSize]);
      return { past, present };
    });
    const [mixed, presents] = [`${prefix}.mixed`, cache.map(({ present }) => present)];
    const pasts = cache.map(({ past }) => past);
    const attributes = { num_heads: heads, kv_num_heads: keyValueHeads, do_rotary: rotatesInAttention ? 1 : 0 };
    builder.node(
      'com.microsoft.GroupQueryAttention',
      rotatesInAttention
        ? [query, key, value, ...pasts, lastPosition, totalTokens, cos, sin]
        : [rotate(query), rotate(key), value, ...pasts, lastPosition, totalTokens],
      [mixed, ...presents],
      attributes,
    );
    const flat = builder.node('Reshape', [mixed, flatShape], `${mixed}.flat`);
    return linear(flat, `${prefix}.o_proj`, bias.attentionOutput);
  };

  const feedForward = (x: string, layer: number) => {
    const prefix = `model.layers.${layer}.mlp`;
    const gate = linear(x, `${prefix}.gate_proj`, bias.feedForward);
    const up = linear(x, `${prefix}.up_proj`, bias.feedForward);
    const opened = builder.node('Mul', [gate, builder.node('Sigmoid', [gate], `${prefix}.gate`)], `${prefix}.silu`);
    const gated = builder.node('Mul', [opened, up], `${prefix}.gated`);
    return linear(gated, `${prefix}.down_proj`, bias.feedForward);
  };

  let hidden = builder.node('Gather', ['model.embed_tokens.weight', ids], 'model.embed_tokens');
  for (let layer = 0; layer < architecture.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const attended = attention(norm(hidden, `${prefix}.input_layernorm`), layer);
    hidden = builder.node('Add', [hidden, attended], `${prefix}.attended`);
    const fed = feedForward(norm(hidden, `${prefix}.post_attention_layernorm`), layer);
    hidden = builder.node('Add', [hidden, fed], `${prefix}.output`);
  }
  if (options.logits === 'last') {
    const [start, end, axis] = [-1n, BigInt(2 ** 31 - 1), 0n].map((value, index) =>
      builder.constant(`slice.${index}`, [1], BigInt64Array.of(value)),
    ) as [string, string, string];
    hidden = builder.node('Slice', [hidden, start, end, axis], 'model.last');
  }
  const normed = norm(hidden, 'model.norm');
  const head = architecture.isTied ? 'model.embed_tokens.weight' : 'lm_head.weight';
  builder.node('Gemm', [normed, head], 'logits', { transB: 1 });
  builder.output('logits', 'float32', [options.logits === 'last' ? 1 : 'tokens', architecture.vocabularySize]);
  return { model: builder.finish(), takesPosition: !rotatesInAttention };
}
