/**
 * Tiny checkpoints for tests: random Llama- and Qwen2-shaped families, written to disk by the product's own writer in
 * any dtype, sharded or not. Every family has what merging must get right: lengths that no vector width divides, a
 * tensor that nobody changed, one that only one model changed, and a tensor of several statistics blocks.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from '../../formats/codec.ts';
import { type BlendedDtype, TORCH_NAMES } from '../../formats/dtype.ts';
import { planShards } from '../../formats/safetensors-writer.ts';
import { normal, uniform } from './random.ts';

export type Kind = 'llama' | 'qwen2';

const HIDDEN = 20;
const LAYERS = 3;
const VOCABULARY = 707;
const INTERMEDIATE = 53;

/** Name and shape of every tensor. */
export function tensorsOf(kind: Kind): { name: string; shape: number[] }[] {
  const tensors = [{ name: 'model.embed_tokens.weight', shape: [VOCABULARY, HIDDEN] }];
  for (let layer = 0; layer < LAYERS; layer++) {
    const add = (name: string, ...shape: number[]) => tensors.push({ name: `model.layers.${layer}.${name}`, shape });
    add('input_layernorm.weight', HIDDEN);
    add('self_attn.q_proj.weight', HIDDEN, HIDDEN);
    add('self_attn.k_proj.weight', 10, HIDDEN);
    add('self_attn.v_proj.weight', 10, HIDDEN);
    if (kind === 'qwen2') {
      add('self_attn.q_proj.bias', HIDDEN);
      add('self_attn.k_proj.bias', 10);
      add('self_attn.v_proj.bias', 10);
    }
    add('self_attn.o_proj.weight', HIDDEN, HIDDEN);
    add('post_attention_layernorm.weight', HIDDEN);
    add('mlp.gate_proj.weight', INTERMEDIATE, HIDDEN);
    add('mlp.up_proj.weight', INTERMEDIATE, HIDDEN);
    add('mlp.down_proj.weight', HIDDEN, INTERMEDIATE);
  }
  tensors.push({ name: 'model.norm.weight', shape: [HIDDEN] });
  // Qwen2's small models tie their head to the embeddings, and have no tensor for it.
  if (kind === 'llama') tensors.push({ name: 'lm_head.weight', shape: [VOCABULARY, HIDDEN] });
  return tensors;
}

/** The tensor that no model changed, and the one that only the first changed. */
export const FROZEN = 'model.layers.1.self_attn.v_proj.weight';
export const CHANGED_BY_FIRST = 'model.layers.2.mlp.up_proj.weight';

function configOf(kind: Kind, dtype: BlendedDtype): Record<string, unknown> {
  return {
    architectures: [kind === 'llama' ? 'LlamaForCausalLM' : 'Qwen2ForCausalLM'],
    model_type: kind,
    hidden_size: HIDDEN,
    intermediate_size: INTERMEDIATE,
    num_hidden_layers: LAYERS,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    vocab_size: VOCABULARY,
    tie_word_embeddings: kind === 'qwen2',
    torch_dtype: TORCH_NAMES[dtype],
  };
}

/** Values of one model of a family: 0 is the base, 1, 2 … its fine-tunes. Float64, before any rounding. */
function valuesOf(name: string, elements: number, model: number, familySeed: number): Float64Array {
  const seed = [...name].reduce((sum, c) => Math.imul(sum, 31) + c.charCodeAt(0), familySeed);
  const base = normal(seed);
  const isNorm = name.endsWith('norm.weight');
  const values = Float64Array.from({ length: elements }, () => (isNorm ? 1 + 0.1 * base() : 0.05 * base()));
  if (model === 0 || name === FROZEN || (name === CHANGED_BY_FIRST && model > 1)) return values;
  const own = normal(seed + 7919 * model);
  const choose = uniform(seed + 104_729 * model);
  // How far a fine-tune went differs from tensor to tensor, and a third of the elements it never touched.
  const size = 0.05 * 10 ** (-2 * choose());
  return values.map((value) => (choose() < 1 / 3 ? value : value + size * own()));
}

/** What to write. */
export interface TinyOptions {
  readonly kind: Kind;
  readonly dtype: BlendedDtype;
  /** 0 is the base. */
  readonly model: number;
  readonly seed?: number;
  readonly maxShardBytes?: number;
}

/** Writes a checkpoint to the folder `path`. */
export async function writeTiny(path: string, options: TinyOptions): Promise<void> {
  const { kind, dtype, model, seed = 1, maxShardBytes = 5e9 } = options;
  const specs = tensorsOf(kind).map((tensor) => ({ ...tensor, dtype }));
  const { shards, index } = planShards(specs, { maxShardBytes });
  await mkdir(path, { recursive: true });
  for (const shard of shards) {
    const data = shard.tensors.map(({ name, elements }) => encode(valuesOf(name, elements, model, seed), dtype));
    await writeFile(join(path, shard.fileName), Buffer.concat([shard.header, ...data]));
  }
  if (index) await writeFile(join(path, index.fileName), index.text);
  await writeFile(join(path, 'config.json'), `${JSON.stringify(configOf(kind, dtype), null, 2)}\n`);
}

/** Writes a base and `models` fine-tunes as `base`, `m1`, `m2` … under `root`. */
export async function writeFamily(
  root: string,
  options: Omit<TinyOptions, 'model'> & { readonly models?: number },
): Promise<void> {
  for (let model = 0; model <= (options.models ?? 2); model++) {
    await writeTiny(join(root, model === 0 ? 'base' : `m${model}`), { ...options, model });
  }
}
