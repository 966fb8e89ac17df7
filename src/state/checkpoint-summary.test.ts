import { describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { describeArchitecture, requiredTensors } from '../chat/architecture.ts';
import { openFiles } from '../formats/open.ts';
import { planShards } from '../formats/safetensors-writer.ts';
import { chatModelOf, lineupOf } from './chat-model.ts';
import { summarise } from './checkpoint-summary.ts';

interface Shape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A checkpoint of zeros (one small tensor, or those given) with a config.json and a tokenizer. */
async function checkpointOf(
  config: Record<string, unknown>,
  tensors: readonly Shape[] = [{ name: 'model.embed_tokens.weight', shape: [2, 2] }],
  tokenizer = JSON.stringify({ model: { type: 'BPE', vocab: { a: 0 }, merges: [] } }),
) {
  const { shards } = planShards(tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const })));
  const header = shards[0]?.header;
  if (!header) throw new Error('no shard');
  const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const weights = new Uint8Array(header.byteLength + elements * 4);
  weights.set(header);
  const text = (name: string, value: unknown) => memoryBytes(name, new TextEncoder().encode(JSON.stringify(value)));
  const { checkpoints } = await openFiles([
    { path: 'small/model.safetensors', bytes: memoryBytes('model.safetensors', weights) },
    { path: 'small/config.json', bytes: text('config.json', config) },
    { path: 'small/tokenizer.json', bytes: memoryBytes('tokenizer.json', new TextEncoder().encode(tokenizer)) },
  ]);
  const [checkpoint] = checkpoints;
  if (!checkpoint) throw new Error('no checkpoint');
  return checkpoint;
}

describe('summarise', () => {
  it('says that a model of another kind can be merged and saved', async () => {
    const { chatObstacle, hasTokenizer } = summarise(await checkpointOf({ model_type: 'mamba' }));
    expect(hasTokenizer).toBe(true);
    expect(chatObstacle).toMatch(/^This model can be merged and saved, but not chatted with: .*mamba/);
  });

  it('says that a broken tokenizer.json keeps one from being talked to, and from nothing else', async () => {
    const checkpoint = await checkpointOf(SMALL, smallTensors(), '{"model": ');
    const { chatObstacle } = summarise(checkpoint);
    expect(chatObstacle).toMatch(
      /^This model can be merged and saved, but not chatted with: tokenizer\.json is not sound JSON \(.*\); mend it or fetch it again\.$/,
    );
    expect(() => chatModelOf(lineupOf(checkpoint))).toThrow(chatObstacle ?? '');
  });

  it('does not say so of one that cannot be merged', async () => {
    const config = { model_type: 'llama', quantization_config: { quant_method: 'gptq' } };
    const { chatObstacle } = summarise(await checkpointOf(config));
    expect(chatObstacle).toMatch(/is quantised \(gptq\).* Open the original/);
    expect(chatObstacle).not.toMatch(/can be merged/);
  });

  it('says which tensor is not what config.json calls for', async () => {
    const [config, tied] = [SMALL, smallTensors()];
    expect(summarise(await checkpointOf(config, tied)).chatObstacle).toBeNull();
    expect(summarise(await checkpointOf({ ...config, vocab_size: 9 }, tied)).chatObstacle).toBe(
      'This model can be merged and saved, but not chatted with: model.embed_tokens.weight has the shape [8, 8] where config.json calls for [9, 8]; add the config.json that belongs to these weights.',
    );
  });
});

const SMALL = {
  model_type: 'llama',
  vocab_size: 8,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  tie_word_embeddings: true,
};

/** The tensors that it calls for. */
function smallTensors() {
  return requiredTensors(describeArchitecture(SMALL, namesOf(SMALL)));
}

/** Every name that a llama of one layer may have. */
function namesOf(config: Record<string, unknown>): string[] {
  const parts = ['q', 'k', 'v', 'o'].map((part) => `self_attn.${part}_proj`);
  const layer = [
    ...parts,
    'mlp.gate_proj',
    'mlp.up_proj',
    'mlp.down_proj',
    'input_layernorm',
    'post_attention_layernorm',
  ];
  expect(config['num_hidden_layers']).toBe(1);
  return ['model.embed_tokens.weight', 'model.norm.weight', ...layer.map((part) => `model.layers.0.${part}.weight`)];
}
