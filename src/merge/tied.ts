/**
 * Tied: output heads that share their weights with the token embeddings. A checkpoint whose head is tied mostly does
 * not store it; where a merge needs it, it is read from the embeddings.
 */

import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';

const HEAD = /(?:^|\.)lm_head\.weight$/;
const EMBEDDINGS = /(?:^|\.)(?:embed_tokens|wte|tok_embeddings|word_embeddings|embed_in|shared)\.weight$/;
/** Tensors with a row per token: embeddings, heads, and heads' biases. */
const TOKEN_ROWS =
  /(?:^|\.)(?:embed_tokens|wte|tok_embeddings|word_embeddings|embed_in|shared|embed_out|lm_head)\.(?:weight|bias)$/;

/** Whether a tensor has a row per token of the vocabulary. */
export function hasTokenRows(name: string): boolean {
  return TOKEN_ROWS.test(name);
}

/** Whether the head shares the embeddings' weights: config says so, or says nothing and no head is stored. */
export function isTied(checkpoint: Checkpoint): boolean {
  const { config, tensors } = checkpoint;
  const text = config?.text_config;
  const nested =
    typeof text === 'object' && text !== null && 'tie_word_embeddings' in text ? text.tie_word_embeddings : undefined;
  const said = config?.tie_word_embeddings ?? nested;
  if (typeof said === 'boolean') return said;
  // Configs leave out what is their class's default, which is "tied" for some; then there is no head beside them.
  return config !== null && headIn(tensors.keys()) === null && embeddingsOf(checkpoint) !== null;
}

function headIn(names: Iterable<string>): string | null {
  for (const name of names) if (HEAD.test(name)) return name;
  return null;
}

/** The name of the token embeddings, or null. */
export function embeddingsOf(checkpoint: Checkpoint): string | null {
  for (const name of checkpoint.tensors.keys())
    if (EMBEDDINGS.test(name) && !/vision|visual|encoder\./.test(name)) return name;
  return null;
}

/** The name that the output head has, or would have if it were stored; null where there is none to speak of. */
export function headOf(checkpoint: Checkpoint): string | null {
  return headIn(checkpoint.tensors.keys()) ?? (embeddingsOf(checkpoint) === null ? null : 'lm_head.weight');
}

/** The entry of a tensor in a checkpoint, through the embeddings that a tied head shares. */
export function entryOf(checkpoint: Checkpoint, name: string): TensorEntry | undefined {
  const own = checkpoint.tensors.get(name);
  if (own || !HEAD.test(name) || !isTied(checkpoint)) return own;
  const shared = embeddingsOf(checkpoint);
  return shared === null ? undefined : checkpoint.tensors.get(shared);
}
