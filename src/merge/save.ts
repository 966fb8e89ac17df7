/**
 * Save: a merge streamed to a folder that every other tool reads: shards and their index, config, tokenizer and
 * template from the donor, the recipe as `fusewright.yml`, and a model card. Nothing looks whole before all of it
 * is. Not where the folder is (`bytes/*-folder.ts`).
 */

import { throwIfCancelled } from '../bytes/fault.ts';
import type { Folder } from '../bytes/sink.ts';
import { readTensor, type TensorEntry } from '../formats/checkpoint.ts';
import type { BlendedDtype, Dtype } from '../formats/dtype.ts';
import { planShards, type PlannedTensor, type ShardPlan } from '../formats/safetensors-writer.ts';
import { modelCard } from '../recipe/card.ts';
import { outputConfig } from '../recipe/output-config.ts';
import type { Blend, WorkOptions } from './blend.ts';
import type { Lineup } from './lineup.ts';

/** The recipe's file name beside a merge. */
export const RECIPE_FILE = 'fusewright.yml';

/** What to call a merge and how to cut it. */
export interface SaveOptions extends WorkOptions {
  readonly name: string;
  /** The recipe as it was written. */
  readonly recipeText: string;
  readonly maxShardBytes: number;
  /** Fusewright's version, for the card. */
  readonly version: string;
}

/** What was written. */
export interface Saved {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Faulty elements (NaN or infinite) per tensor that has any. */
  readonly nonFinite: ReadonlyMap<string, number>;
}

/** A merge's files before they are written: the shards by plan, the small ones by text. */
export interface SavePlan {
  readonly shards: ShardPlan;
  readonly texts: ReadonlyMap<string, string>;
}

/** Bytes that are copied at a time. */
const COPY_BYTES = 8 * 2 ** 20;

/** Names every file of a merge and its size. Pure. */
export function planFiles(lineup: Lineup, options: Omit<SaveOptions, keyof WorkOptions>): SavePlan {
  const outs = new Map<string, Dtype>(lineup.tensors.map((tensor) => [tensor.name, tensor.out]));
  const specs = [...lineup.donor.tensors.values()].map(({ name, shape, dtype }) => ({
    name,
    shape,
    dtype: outs.get(name) ?? dtype,
  }));
  const shards = planShards(specs, { maxShardBytes: options.maxShardBytes });
  const texts = new Map<string, string>();
  if (shards.index) texts.set(shards.index.fileName, shards.index.text);
  const written = new Set(lineup.tensors.map((tensor) => tensor.out));
  const [only = null] = written;
  for (const [name, text] of lineup.donor.sideFiles) {
    texts.set(name, name === 'config.json' ? outputConfig(text, { outDtype: writtenDtype(lineup) }) : text);
  }
  texts.set(RECIPE_FILE, options.recipeText);
  texts.set(
    'README.md',
    modelCard({
      name: options.name,
      recipe: lineup.recipe,
      recipeText: options.recipeText,
      method: lineup.method,
      parents: [...new Set([lineup.donor, ...lineup.models])].map(({ name }) => ({ name })),
      version: options.version,
      outDtype: written.size === 1 ? only : null,
      mergedTensors: lineup.tensors.length,
      copiedTensors: lineup.copied.length,
    }),
  );
  return { shards, texts };
}

/** The dtype that config.json has to name: the recipe's, else that of most of the written elements. */
function writtenDtype(lineup: Lineup): BlendedDtype | null {
  if (lineup.recipe.outDtype) return lineup.recipe.outDtype;
  const elements = new Map<BlendedDtype, number>();
  for (const tensor of lineup.tensors) elements.set(tensor.out, (elements.get(tensor.out) ?? 0) + tensor.elements);
  const [most] = [...elements].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? null;
}

/** Writes a merge. On any failure, a stop included, the folder is aborted before the error is thrown on. */
export async function save(blend: Blend, lineup: Lineup, folder: Folder, options: SaveOptions): Promise<Saved> {
  try {
    const { shards, texts } = planFiles(lineup, options);
    const files: { name: string; bytes: number }[] = [];
    const nonFinite = new Map<string, number>();
    const pieces = blend.pieces(lineup, nonFinite, options);
    const copied = new Map(lineup.copied.map((entry) => [entry.name, entry]));
    try {
      for (const shard of shards.shards) {
        const sink = await folder.file(shard.fileName, shard.sizeBytes);
        await sink.write(shard.header);
        for (const tensor of shard.tensors) {
          for await (const bytes of bytesOf(tensor, copied.get(tensor.name), pieces)) {
            throwIfCancelled(options.signal);
            await sink.write(bytes);
          }
        }
        await sink.close();
        files.push({ name: shard.fileName, bytes: shard.sizeBytes });
      }
    } finally {
      await pieces.return(undefined);
    }
    for (const [name, source] of lineup.donor.binarySideFiles ?? []) {
      const sink = await folder.file(name, source.size);
      for (let at = 0; at < source.size; at += COPY_BYTES) {
        await sink.write(await source.slice(at, Math.min(source.size, at + COPY_BYTES)));
      }
      await sink.close();
      files.push({ name, bytes: source.size });
    }
    for (const [name, text] of texts) {
      const bytes = new TextEncoder().encode(text);
      const sink = await folder.file(name, bytes.length);
      await sink.write(bytes);
      await sink.close();
      files.push({ name, bytes: bytes.length });
    }
    throwIfCancelled(options.signal);
    await folder.finish();
    return { files, nonFinite };
  } catch (error) {
    await folder.abort();
    throw error;
  }
}

/** A tensor's bytes: copied from its file, or the next merged pieces, which come in the same order. */
async function* bytesOf(
  tensor: PlannedTensor,
  entry: TensorEntry | undefined,
  pieces: AsyncGenerator<{ readonly tensor: string; readonly bytes: Uint8Array<ArrayBuffer> }>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const size = tensor.end - tensor.start;
  if (entry) {
    for (let at = 0; at < size; at += COPY_BYTES) yield await readTensor(entry, at, Math.min(size, at + COPY_BYTES));
    return;
  }
  for (let done = 0; done < size; ) {
    const { value, done: isOver } = await pieces.next();
    if (isOver || value.tensor !== tensor.name) throw new Error(`the pieces of ${tensor.name} did not come in order`);
    yield value.bytes;
    done += value.bytes.length;
  }
}
