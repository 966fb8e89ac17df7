/**
 * Stories relative: checkpoints made from the trained fixture `stories260K-llama` by some noise, in any dtype, whole
 * or in shards, and in Llama's or Qwen2's shape, so that merges of models that nobody has seen still write sentences.
 */

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readModel } from '../src/cli/test/oracle.ts';
import { normal } from '../src/cli/test/random.ts';
import { encode } from '../src/formats/codec.ts';
import { type BlendedDtype, TORCH_NAMES } from '../src/formats/dtype.ts';
import { planShards } from '../src/formats/safetensors-writer.ts';

/** The fixture. */
export const STORIES = join(import.meta.dirname, 'fixtures', 'models', 'stories260K-llama');

export interface Relative {
  /** Qwen2 has biases on queries, keys and values. */
  readonly kind: 'llama' | 'qwen2';
  readonly dtype: BlendedDtype;
  /** A head of its own, or the embeddings again. */
  readonly isTied: boolean;
  readonly seed: number;
  readonly maxShardBytes?: number;
  /** Never says the token that ends a text, and has room for thousands: a reply that runs until somebody stops it. */
  readonly isEndless?: boolean;
}

/** The fixture's token that ends a text. */
const END_TOKEN = 2;
const ENDLESS_CONTEXT_TOKENS = 8192;

/** Writes one to the folder `path`. */
export async function writeRelative(path: string, relative: Relative): Promise<void> {
  const { kind, dtype, isTied, seed, maxShardBytes = 5e9, isEndless = false } = relative;
  const next = normal(seed);
  const noisy = (values: Float64Array, share: number) => {
    const scale = share * Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    return values.map((x) => x + scale * next());
  };
  const tensors = new Map<string, { shape: number[]; values: Float64Array }>();
  for (const [name, { shape, values }] of readModel(STORIES)) {
    tensors.set(name, { shape: [...shape], values: noisy(values, 0.15) });
    if (kind === 'qwen2' && /self_attn\.[qkv]_proj\.weight$/.test(name)) {
      const bias = Float64Array.from({ length: shape[0] ?? 0 }, () => 0.2 * next());
      tensors.set(name.replace(/weight$/, 'bias'), { shape: [bias.length], values: bias });
    }
  }
  const embeddings = tensors.get('model.embed_tokens.weight');
  if (isEndless && embeddings) {
    // The likeliest of the other tokens has a logit above 0 at all times.
    const [, hidden = 0] = embeddings.shape;
    embeddings.values.fill(0, END_TOKEN * hidden, (END_TOKEN + 1) * hidden);
  }
  if (!isTied && embeddings) tensors.set('lm_head.weight', { ...embeddings, values: noisy(embeddings.values, 0.05) });

  const specs = [...tensors].map(([name, { shape }]) => ({ name, shape, dtype }));
  const { shards, index } = planShards(specs, { maxShardBytes });
  await mkdir(path, { recursive: true });
  for (const shard of shards) {
    const data = shard.tensors.map(({ name }) => encode(tensors.get(name)?.values ?? new Float64Array(), dtype));
    await writeFile(join(path, shard.fileName), Buffer.concat([shard.header, ...data]));
  }
  if (index) await writeFile(join(path, index.fileName), index.text);
  const config = JSON.parse(await readFile(join(STORIES, 'config.json'), 'utf8'));
  const own = {
    architectures: [kind === 'qwen2' ? 'Qwen2ForCausalLM' : 'LlamaForCausalLM'],
    model_type: kind,
    tie_word_embeddings: isTied,
    torch_dtype: TORCH_NAMES[dtype],
    ...(isEndless ? { max_position_embeddings: ENDLESS_CONTEXT_TOKENS } : {}),
  };
  await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, ...own }, null, 2));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']) {
    await cp(join(STORIES, name), join(path, name));
  }
}
