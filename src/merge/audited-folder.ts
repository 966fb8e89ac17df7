/**
 * AuditedFolder: a folder whose files are told to the audit, with their SHA-256, as they are written; and the bytes of
 * whole files and tensors, some megabytes at a time. Not what is written, which `save.ts` and the ONNX export decide.
 */

import type { Bytes } from '../bytes/bytes.ts';
import type { StartDigest } from '../bytes/digest.ts';
import type { Folder } from '../bytes/sink.ts';
import { readTensor, type TensorEntry } from '../formats/checkpoint.ts';
import type { Audit } from './audit.ts';

/** Bytes that are copied at a time. */
const COPY_BYTES = 8 * 2 ** 20;

/** A folder whose files are told to the audit, with their SHA-256, as they are written. */
export class AuditedFolder {
  readonly files: { name: string; bytes: number }[] = [];
  readonly #folder: Folder;
  readonly #audit: Audit;
  readonly #startDigest: StartDigest;

  constructor(folder: Folder, audit: Audit, startDigest: StartDigest) {
    this.#folder = folder;
    this.#audit = audit;
    this.#startDigest = startDigest;
  }

  /** Writes one file of `bytes` bytes, chunk by chunk. */
  async write(
    name: string,
    bytes: number,
    chunks: AsyncIterable<Uint8Array<ArrayBuffer>> | Iterable<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    const sink = await this.#folder.file(name, bytes);
    const digest = await this.#startDigest();
    for await (const chunk of chunks) {
      const written = sink.write(chunk);
      // While the bytes are on their way to the disk.
      digest.update(chunk);
      await written;
    }
    await sink.close();
    this.files.push({ name, bytes });
    this.#audit.file({ name, bytes, sha256: digest.hex() });
  }

  async writeText(name: string, text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await this.write(name, bytes.length, [bytes]);
  }
}

/** A tensor's bytes as they lie in its file. */
export async function* tensorBytes(entry: TensorEntry): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const size = entry.end - entry.start;
  for (let at = 0; at < size; at += COPY_BYTES) yield await readTensor(entry, at, Math.min(size, at + COPY_BYTES));
}

/** A whole file, some megabytes at a time. */
export async function* chunksOf(file: Bytes): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < file.size; at += COPY_BYTES) yield await file.slice(at, Math.min(file.size, at + COPY_BYTES));
}
