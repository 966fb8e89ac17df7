/**
 * Foreseen: what a model of the Llama family finds likely, computed in float64 without the product's graph, runtime or
 * tokenizer code. Slow, for tiny models.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { forward } from '../src/chat/test/forward.ts';
import type { OracleModel } from '../src/cli/test/oracle.ts';

/** What comes of a text. */
export interface Foreseen {
  readonly tokens: number;
  readonly perplexity: number;
  /** Behind the text: probabilities of every token, and each one's own text. */
  readonly next: readonly { readonly text: string; readonly probability: number }[];
}

/** How a model reads a text; config and tokenizer come from `folder`, the weights are given. */
export async function foreseen(folder: string, weights: OracleModel, text: string): Promise<Foreseen> {
  const json = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'));
  const tokenizer = new Tokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));
  const tensors = new Map(
    [...weights].map(([name, { shape, values }]) => [name, { shape, data: Float32Array.from(values) }]),
  );
  const { ids } = tokenizer.encode(text);
  const rows = forward(await json('config.json'), tensors, ids).map((row) => softmax(Array.from(row)));
  const logs = ids.slice(1).map((id, index) => Math.log(rows[index]?.[id] ?? Number.NaN));
  const last = rows.at(-1) ?? [];
  return {
    tokens: ids.length,
    perplexity: Math.exp(-logs.reduce((sum, log) => sum + log, 0) / logs.length),
    next: last.map((probability, id) => ({ probability, text: tokenizer.decode([id], {}) })),
  };
}

function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
