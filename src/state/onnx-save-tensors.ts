/**
 * OnnxSaveTensors: the tensors of a merge as an exporter reads them: one after another, some left out, each told to the
 * audit as it comes by. Not what is stored of them (`chat/export.ts`).
 */

import type { StartDigest } from '../bytes/digest.ts';
import { throwIfCancelled } from '../bytes/fault.ts';
import type { TensorEntry } from '../formats/checkpoint.ts';
import type { Audit } from '../merge/audit.ts';
import { tensorBytes } from '../merge/audited-folder.ts';
import type { OutputPiece } from '../merge/run.ts';

/** The tensors of a result one after another; merged ones that nobody reads are passed over and audited all the same. */
export class MergedTensors {
  readonly #pieces: AsyncGenerator<OutputPiece>;
  readonly #copied: ReadonlyMap<string, TensorEntry>;
  readonly #audit: Audit | null;
  readonly #startDigest: StartDigest;
  readonly #signal: AbortSignal | undefined;
  /** The piece that was taken last and belongs to a later tensor. */
  #next: OutputPiece | null = null;
  /** The SHA-256 of the tensor under way where the audit compares it. */
  #sum: { readonly tensor: string; readonly digest: Awaited<ReturnType<StartDigest>> } | null = null;

  constructor(
    pieces: AsyncGenerator<OutputPiece>,
    copied: ReadonlyMap<string, TensorEntry>,
    audit: Audit | null,
    startDigest: StartDigest,
    signal: AbortSignal | undefined,
  ) {
    this.#pieces = pieces;
    this.#copied = copied;
    this.#audit = audit;
    this.#startDigest = startDigest;
    this.#signal = signal;
  }

  /** The bytes of a tensor; tensors are asked for in the order in which they come. */
  async *read(name: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const entry = this.#copied.get(name);
    if (entry) {
      for await (const bytes of tensorBytes(entry)) {
        throwIfCancelled(this.#signal);
        this.#audit?.wrote(name, bytes.length);
        yield bytes;
      }
      return;
    }
    let isFound = false;
    for (let piece = await this.#take(); piece; piece = await this.#take()) {
      if (piece.tensor === name) {
        isFound = true;
        yield piece.bytes;
      } else if (isFound) {
        this.#next = piece;
        return;
      }
    }
    if (!isFound) throw new Error(`the pieces of ${name} did not come in order`);
  }

  /** Lets what is left go by. */
  async readRest(): Promise<void> {
    while (await this.#take());
    this.#endSum();
  }

  async #take(): Promise<OutputPiece | null> {
    throwIfCancelled(this.#signal);
    const kept = this.#next;
    this.#next = null;
    if (kept) return kept;
    const { value, done } = await this.#pieces.next();
    if (done) return null;
    await this.#tell(value);
    return value;
  }

  async #tell({ tensor, faulty, squares, bytes }: OutputPiece): Promise<void> {
    if (!this.#audit) return;
    this.#audit.add(tensor, faulty, squares);
    this.#audit.wrote(tensor, bytes.length);
    if (this.#sum?.tensor !== tensor) {
      this.#endSum();
      const isTied = this.#audit.tied?.includes(tensor) === true;
      this.#sum = isTied ? { tensor, digest: await this.#startDigest() } : null;
    }
    this.#sum?.digest.update(bytes);
  }

  #endSum(): void {
    if (this.#sum) this.#audit?.sum(this.#sum.tensor, this.#sum.digest.hex());
    this.#sum = null;
  }
}
