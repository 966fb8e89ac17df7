/**
 * Golden: what Hugging Face transformers computes with tiny random models of every architecture
 * (`tools/goldens/chat.py` makes them, `goldens/manifest.json` says with which version). Loaded in Node and in a
 * browser alike, the weights through the product's own reader. Not shipped.
 */

import { memoryBytes } from '../../bytes/memory-bytes.ts';
import { type Checkpoint, type ModelConfig, readTensor } from '../../formats/checkpoint.ts';
import { decodeFloat32 } from '../../formats/codec.ts';
import { isBlended } from '../../formats/dtype.ts';
import { openFiles } from '../../formats/open.ts';
import type { Tensors } from './forward.ts';
import lines from './goldens/cases.jsonl?raw';

const files = import.meta.glob<string>('./goldens/*.safetensors', { query: '?url&inline', import: 'default' });

/** A prompt, and what comes after it. */
export interface GoldenText {
  readonly ids: readonly number[];
  /** Where in `ids` followed by `greedy` the golden rows of logits stand. */
  readonly positions: readonly number[];
  /** The tokens that are said after `ids`, at temperature 0, none of them too close to call. */
  readonly greedy: readonly number[];
}

/** A config over weights, and texts with their logits. */
export interface Golden {
  readonly name: string;
  /** Name of the file of weights; several goldens may share it. */
  readonly weights: string;
  /** config.json as published models spell it, and as this transformers writes it. */
  readonly config: ModelConfig;
  readonly saved: ModelConfig;
  /** By the length of the prompt. */
  readonly texts: Readonly<Record<string, GoldenText>>;
}

/** All goldens. */
export const GOLDENS: readonly Golden[] = lines
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Golden);

/** The tensors of a golden's weights that hold floats, and the names of all of them. */
export async function goldenWeights(golden: Golden): Promise<{ tensors: Tensors; names: readonly string[] }> {
  return readFile(golden.weights);
}

let rows: Promise<{ tensors: Tensors }> | null = null;

/** The rows of logits of a golden's text, in the order of its positions. */
export async function goldenRows(golden: Golden, length: number): Promise<Float32Array[]> {
  rows ??= readFile('logits');
  const tensor = (await rows).tensors.get(`${golden.name}.${length}`);
  const [count = 0, vocabulary = 0] = tensor?.shape ?? [];
  if (!tensor || count !== golden.texts[length]?.positions.length)
    throw new Error(`no rows of ${golden.name}.${length}`);
  return Array.from({ length: count }, (_, row) => tensor.data.subarray(row * vocabulary, (row + 1) * vocabulary));
}

async function readFile(name: string): Promise<{ tensors: Tensors; names: readonly string[] }> {
  const load = files[`./goldens/${name}.safetensors`];
  if (!load) throw new Error(`no golden file ${name}; make it with tools/goldens/chat.py`);
  const data = new Uint8Array(await (await fetch(await load())).arrayBuffer());
  const path = `${name}/model.safetensors`;
  const { checkpoints } = await openFiles([{ path, bytes: memoryBytes(path, data) }]);
  const entries: Checkpoint['tensors'] = checkpoints[0]?.tensors ?? new Map();
  const tensors = new Map<string, { data: Float32Array; shape: readonly number[] }>();
  for (const [tensor, entry] of entries) {
    if (!isBlended(entry.dtype)) continue;
    const data = decodeFloat32(await readTensor(entry, 0, entry.end - entry.start), entry.dtype);
    tensors.set(tensor, { data, shape: entry.shape });
  }
  return { tensors, names: [...entries.keys()] };
}
