/** Checkpoints made in memory for tests: seeded, small, in any dtype, with every read counted. Not shipped. */

import { countingBytes, type CountingBytes } from '../../bytes/counting-bytes.ts';
import { memoryBytes } from '../../bytes/memory-bytes.ts';
import type { Checkpoint, TensorEntry } from '../../formats/checkpoint.ts';
import { encode } from '../../formats/codec.ts';
import { elementBytes, type BlendedDtype } from '../../formats/dtype.ts';

/** Shapes of a tiny Llama of two layers. */
export const TINY_LLAMA: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [37, 24],
  ...Object.fromEntries(
    [0, 1].flatMap((layer) =>
      Object.entries({
        'self_attn.q_proj.weight': [24, 24],
        'self_attn.k_proj.weight': [12, 24],
        'mlp.up_proj.weight': [40, 24],
        'input_layernorm.weight': [24],
      }).map(([name, shape]) => [`model.layers.${layer}.${name}`, shape]),
    ),
  ),
  'model.norm.weight': [24],
  'lm_head.weight': [37, 24],
};

/** A seeded generator of numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a checkpoint is made of. */
export interface TestCheckpoint {
  readonly name: string;
  readonly values: ReadonlyMap<string, Float64Array>;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly dtype?: BlendedDtype;
  readonly config?: Readonly<Record<string, unknown>> | null;
  readonly sideFiles?: ReadonlyMap<string, string>;
}

/** Random values in the shapes given, or `from` moved a little in some tensors. */
export function valuesOf(
  shapes: Readonly<Record<string, readonly number[]>>,
  seed: number,
  from?: ReadonlyMap<string, Float64Array>,
): Map<string, Float64Array> {
  const next = random(seed);
  return new Map(
    Object.entries(shapes).map(([name, shape]) => {
      const start = from?.get(name);
      const elements = shape.reduce((a, b) => a * b, 1);
      // One tensor in five is frozen, as in real fine-tunes.
      const step = start && next() < 0.2 ? 0 : 0.01;
      return [
        name,
        Float64Array.from({ length: elements }, (_, i) =>
          start ? (start[i] ?? 0) + step * (next() - 0.5) : next() - 0.5,
        ),
      ];
    }),
  );
}

/** Makes a checkpoint whose file counts what is read of it. */
export function checkpoint(made: TestCheckpoint): Checkpoint & { readonly file: CountingBytes } {
  const {
    name,
    values,
    shapes = TINY_LLAMA,
    dtype = 'F32',
    config = { model_type: 'llama' },
    sideFiles = new Map(),
  } = made;
  const parts = [...values].map(([tensor, own]) => ({ tensor, bytes: encode(own, dtype) }));
  const total = parts.reduce((sum, part) => sum + part.bytes.length, 0);
  const data = new Uint8Array(total);
  const file = countingBytes(memoryBytes(`${name}/model.safetensors`, data));
  const tensors = new Map<string, TensorEntry>();
  let at = 0;
  for (const { tensor, bytes } of parts) {
    data.set(bytes, at);
    const elements = bytes.length / elementBytes(dtype);
    tensors.set(tensor, {
      name: tensor,
      dtype,
      shape: shapes[tensor] ?? [elements],
      elements,
      file,
      start: at,
      end: at + bytes.length,
    });
    at += bytes.length;
  }
  return { name, tensors, config, sideFiles, totalBytes: total, weightFiles: ['model.safetensors'], file };
}

/** A base and its fine-tunes. */
export function family(
  models: number,
  dtype: BlendedDtype = 'F32',
  shapes = TINY_LLAMA,
): (Checkpoint & { readonly file: CountingBytes })[] {
  const base = valuesOf(shapes, 1);
  return Array.from({ length: models + 1 }, (_, k) =>
    checkpoint({
      name: k === 0 ? 'base' : `tune-${k}`,
      values: k === 0 ? base : valuesOf(shapes, k + 1, base),
      shapes,
      dtype,
    }),
  );
}
