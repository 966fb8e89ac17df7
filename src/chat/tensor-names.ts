/**
 * TensorNames: how a family calls its tensors, and what a checkpoint at hand prefixes them with: "model.",
 * "transformer.", "gpt_neox.", nothing, or whatever a tool wrapped around them.
 */

/** Names of modules without prefix, and without ".weight" and ".bias". Those of a block stand below its layer. */
export interface TensorNames {
  readonly embedding: string;
  readonly positions?: string;
  readonly finalNorm?: string;
  /** The output matrix, by all the names that it goes by. It has no prefix, or the one of a wrapper. */
  readonly heads: readonly string[];
  /** The list of blocks, such as `layers`. */
  readonly layers: string;
  readonly query?: string;
  readonly key?: string;
  readonly value?: string;
  readonly packed?: string;
  readonly attentionOutput: string;
  readonly queryNorm?: string;
  readonly keyNorm?: string;
  readonly gate?: string;
  readonly up?: string;
  readonly gateUp?: string;
  readonly down: string;
  readonly attentionNorm?: string;
  readonly feedForwardNorm?: string;
  readonly attentionOutputNorm?: string;
  readonly feedForwardOutputNorm?: string;
  readonly attentionStreamNorm?: string;
  readonly feedForwardStreamNorm?: string;
  /** The usual prefix, for messages about what is missing. */
  readonly prefix: string;
}

/** Around the blocks, as Llama and those that follow it call them. */
export const TRUNK_NAMES = {
  prefix: 'model.',
  embedding: 'embed_tokens',
  finalNorm: 'norm',
  heads: ['lm_head'],
  layers: 'layers',
} as const;

/** Projections of an attention that are matrices of their own. */
export const PROJECTION_NAMES = {
  query: 'self_attn.q_proj',
  key: 'self_attn.k_proj',
  value: 'self_attn.v_proj',
  attentionOutput: 'self_attn.o_proj',
} as const;

/** Norms of queries and keys. */
export const HEAD_NORM_NAMES = { queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' } as const;

/** A gated feed-forward layer. */
export const GATED_NAMES = { gate: 'mlp.gate_proj', up: 'mlp.up_proj', down: 'mlp.down_proj' } as const;

/** Norms of what goes into the two parts of a block. */
export const INPUT_NORM_NAMES = {
  attentionNorm: 'input_layernorm',
  feedForwardNorm: 'post_attention_layernorm',
} as const;

/** Llama's, which most follow. */
export const LLAMA_NAMES = {
  ...TRUNK_NAMES,
  ...PROJECTION_NAMES,
  ...GATED_NAMES,
  ...INPUT_NORM_NAMES,
} as const satisfies TensorNames;

/** GPT-1's and GPT-2's, as far as they agree. */
export const GPT_NAMES = {
  prefix: 'transformer.',
  heads: ['lm_head'],
  layers: 'h',
  packed: 'attn.c_attn',
  attentionOutput: 'attn.c_proj',
  up: 'mlp.c_fc',
  down: 'mlp.c_proj',
} as const;

/** The prefix in a checkpoint: what stands before the embedding and before the first block too. */
export function prefixIn(checkpoint: ReadonlySet<string>, names: TensorNames): string {
  const embedding = `${names.embedding}.weight`;
  const block = `${names.layers}.0.${names.attentionOutput}.weight`;
  const candidates = [names.prefix, ''];
  for (const name of checkpoint) {
    if (name.endsWith(`.${embedding}`)) candidates.push(name.slice(0, -embedding.length));
  }
  return (
    candidates.find((prefix) => checkpoint.has(prefix + embedding) && checkpoint.has(prefix + block)) ?? names.prefix
  );
}

/** The output matrix's module in a checkpoint, or null where there is none. */
export function headIn(checkpoint: ReadonlySet<string>, names: TensorNames): string | null {
  for (const head of names.heads) {
    const weight = `${head}.weight`;
    if (checkpoint.has(weight)) return head;
    for (const name of checkpoint) if (name.endsWith(`.${weight}`)) return name.slice(0, -'.weight'.length);
  }
  return null;
}
