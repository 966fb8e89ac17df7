import { describe, expect, it } from 'vitest';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { openFiles } from '../formats/open.ts';
import { planShards } from '../formats/safetensors-writer.ts';
import { summarise } from './checkpoint-summary.ts';

/** A checkpoint of one small tensor with a config.json and a tokenizer. */
async function checkpointOf(config: Record<string, unknown>) {
  const { shards } = planShards([{ name: 'model.embed_tokens.weight', shape: [2, 2], dtype: 'F32' }]);
  const header = shards[0]?.header;
  if (!header) throw new Error('no shard');
  const weights = new Uint8Array(header.byteLength + 16);
  weights.set(header);
  const text = (name: string, value: unknown) => memoryBytes(name, new TextEncoder().encode(JSON.stringify(value)));
  const { checkpoints } = await openFiles([
    { path: 'small/model.safetensors', bytes: memoryBytes('model.safetensors', weights) },
    { path: 'small/config.json', bytes: text('config.json', config) },
    {
      path: 'small/tokenizer.json',
      bytes: text('tokenizer.json', { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } }),
    },
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

  it('does not say so of one that cannot be merged', async () => {
    const config = { model_type: 'llama', quantization_config: { quant_method: 'gptq' } };
    const { chatObstacle } = summarise(await checkpointOf(config));
    expect(chatObstacle).toMatch(/is quantised \(gptq\).* Open the original/);
    expect(chatObstacle).not.toMatch(/can be merged/);
  });
});
