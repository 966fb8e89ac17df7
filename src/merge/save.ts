/**
 * Save: a merge streamed to a folder that every other tool reads: shards and their index, config, tokenizer and
 * template from the donor, the recipe as `fusewright.yml`, and last, since they tell of all the rest, a model card and
 * the audit. Nothing looks whole before all of it is. Not where the folder is (`bytes/*-folder.ts`).
 */

import { abandon } from '../bytes/abandon.ts';
import { type Digest, type StartDigest, wasmDigest } from '../bytes/digest.ts';
import { throwIfCancelled } from '../bytes/fault.ts';
import type { Folder } from '../bytes/sink.ts';
import type { TensorEntry } from '../formats/checkpoint.ts';
import type { PlannedTensor, Shard } from '../formats/safetensors-writer.ts';
import { modelCard } from '../recipe/card.ts';
import { Audit, AUDIT_FILE, type AuditReport } from './audit.ts';
import { AuditedFolder, chunksOf, tensorBytes } from './audited-folder.ts';
import type { Blend, WorkOptions } from './blend.ts';
import type { Lineup } from './lineup.ts';
import { type FileOptions, planFiles } from './output-files.ts';
import type { OutputPiece } from './run.ts';

/** The model card's file name beside a merge. */
export const CARD_FILE = 'README.md';

/** What to call a merge, how to cut it, and how it is watched. */
export interface SaveOptions extends FileOptions, WorkOptions {
  /** How SHA-256 is taken; WebAssembly where it is left out. */
  readonly startDigest?: StartDigest;
}

/** What was written. */
export interface Saved {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly audit: AuditReport;
}

/**
 * Writes a merge, and says what the audit found in it: files of a merge that fails its audit stay. On any failure of
 * the writing itself, a stop included, the folder is aborted before the error is thrown on.
 */
export async function save(
  blend: Pick<Blend, 'pieces'>,
  lineup: Lineup,
  folder: Folder,
  options: SaveOptions,
): Promise<Saved> {
  try {
    const { shards, texts, binaries, card } = planFiles(lineup, options);
    const { startDigest = wasmDigest, version } = options;
    const audit = new Audit(lineup, {
      tensors: shards.shards.flatMap(({ tensors }) =>
        tensors.map(({ name, dtype, shape, start, end }) => ({ name, dtype, shape, bytes: end - start })),
      ),
      config: texts.get('config.json') ?? null,
      version,
    });
    const output = new AuditedFolder(folder, audit, startDigest);
    const source: ShardSource = {
      copied: new Map(lineup.copied.map(({ name, entry }) => [name, entry])),
      pieces: blend.pieces(lineup, true, options),
      audit,
      startDigest,
      signal: options.signal,
    };
    try {
      for (const shard of shards.shards) await output.write(shard.fileName, shard.sizeBytes, shardBytes(shard, source));
    } finally {
      await source.pieces.return(undefined);
    }
    for (const [name, file] of binaries) {
      await output.write(name, file.size, chunksOf(file));
    }
    for (const [name, text] of texts) await output.writeText(name, text);
    await output.writeText(CARD_FILE, modelCard({ ...card, audit: audit.report() }));
    const report = audit.report();
    await output.writeText(AUDIT_FILE, `${JSON.stringify(report, null, 1)}\n`);
    throwIfCancelled(options.signal);
    await folder.finish();
    return { files: output.files, audit: report };
  } catch (error) {
    throw await abandon(folder, error);
  }
}

/** Where the bytes of a shard come from, and who is told of them. */
interface ShardSource {
  readonly copied: ReadonlyMap<string, TensorEntry>;
  readonly pieces: AsyncGenerator<OutputPiece>;
  readonly audit: Audit;
  readonly startDigest: StartDigest;
  readonly signal: AbortSignal | undefined;
}

/** A shard's bytes: its header, then its tensors. */
async function* shardBytes(shard: Shard, source: ShardSource): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { audit, copied, pieces, signal } = source;
  yield shard.header;
  for (const tensor of shard.tensors) {
    const digest: Digest | null = audit.tied?.includes(tensor.name) ? await source.startDigest() : null;
    const entry = copied.get(tensor.name);
    // An empty tensor has no bytes, and is there all the same.
    audit.wrote(tensor.name, 0);
    for await (const bytes of entry ? tensorBytes(entry) : mergedBytes(tensor, pieces, audit)) {
      throwIfCancelled(signal);
      audit.wrote(tensor.name, bytes.length);
      digest?.update(bytes);
      yield bytes;
    }
    if (digest) audit.sum(tensor.name, digest.hex());
  }
}

/** The next merged pieces, which come in the order of the tensors. */
async function* mergedBytes(
  tensor: PlannedTensor,
  pieces: AsyncGenerator<OutputPiece>,
  audit: Audit,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let done = 0; done < tensor.end - tensor.start; ) {
    const { value, done: isOver } = await pieces.next();
    if (isOver || value.tensor !== tensor.name) throw new Error(`the pieces of ${tensor.name} did not come in order`);
    audit.add(value.tensor, value.faulty, value.squares);
    yield value.bytes;
    done += value.bytes.length;
  }
}
