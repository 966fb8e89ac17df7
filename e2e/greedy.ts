/**
 * Greedy: what a model of the Llama family continues, computed in float64 without the product's graph, runtime, reader
 * or tokenizer code. Slow, for tiny models.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { forward } from '../src/chat/test/forward.ts';
import type { OracleModel } from '../src/cli/test/oracle.ts';

/** The continuation of `prompt` by `tokens` tokens; config and tokenizer come from `folder`, the weights are given. */
export async function greedy(
  folder: string,
  weights: OracleModel,
  prompt: string,
  tokens: number,
): Promise<{ text: string; promptTokens: number }> {
  const json = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'));
  const config = await json('config.json');
  const tokenizer = new Tokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));
  const tensors = new Map(
    [...weights].map(([name, { shape, values }]) => [name, { shape, data: Float32Array.from(values) }]),
  );
  const given = tokenizer.encode(prompt).ids;
  const ids = [...given];
  for (let i = 0; i < tokens; i++) {
    const logits = forward(config, tensors, ids).at(-1) ?? new Float64Array();
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  const decode = (some: number[]) => tokenizer.decode(some, { skip_special_tokens: true });
  return { text: decode(ids).slice(decode(given).length), promptTokens: given.length };
}
