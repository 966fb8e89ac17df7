/**
 * Batch: the bytes of some pieces' sources in one buffer of a device, one source after another, each from a whole word
 * on. Not what is computed of them.
 */

import { BudgetFault } from '../bytes/fault.ts';
import type { LoadedPiece, PieceShape } from '../methods/kernel.ts';
import { BUFFER_USAGE, type Buffers, wholeWords } from './buffers.ts';
import { type BufferRange, type PieceFields, pieceFields, startOf } from './submission.ts';

/** Pieces on the device. Released once, by whoever loaded them. */
export class Batch {
  readonly pieces: readonly PieceShape[];
  /** Bytes held. */
  readonly bytes: number;
  readonly words: BufferRange;
  /** First word of every source of every piece. */
  readonly #starts: readonly (readonly number[])[];
  readonly #buffers: Buffers;
  #isReleased = false;

  /** Uploads pieces. Throws BudgetFault where they are larger than the device can bind. */
  constructor(device: GPUDevice, buffers: Buffers, pieces: readonly LoadedPiece[]) {
    let at = 0;
    this.#starts = pieces.map((piece) =>
      piece.bytes.map((bytes) => {
        const start = at;
        at += wholeWords(bytes.length);
        return start / 4;
      }),
    );
    const limitBytes = device.limits.maxStorageBufferBindingSize;
    if (at > limitBytes) {
      const names = [...new Set(pieces.map(({ tensor }) => tensor))];
      throw new BudgetFault(
        `A part of ${names[0]} takes ${at} bytes and cannot be cut further, but this graphics device allows ${limitBytes} at once; merge on the processor instead.`,
        { tensors: names },
      );
    }
    const words = buffers.take(Math.max(4, at), BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_DST);
    pieces.forEach((piece, p) => {
      piece.bytes.forEach((bytes, s) => upload(device, words, (this.#starts[p]?.[s] ?? 0) * 4, bytes));
    });
    this.pieces = pieces.map(({ bytes: _, ...shape }) => shape);
    this.words = startOf(words, at);
    this.bytes = words.size;
    this.#buffers = buffers;
  }

  /** The shape of a piece. */
  shape(piece: number): PieceShape {
    const shape = this.pieces[piece];
    if (!shape) throw new Error(`the batch has no piece ${piece}`);
    return shape;
  }

  /** The uniform fields that follow from the piece. */
  fields(piece: number): PieceFields {
    return pieceFields(this.shape(piece), this.#starts[piece] ?? []);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#buffers.give(this.words.buffer);
  }
}

/** writeBuffer takes whole words: the odd half word at the end of a 16-bit tensor is padded. */
function upload(device: GPUDevice, buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
  const whole = bytes.length - (bytes.length % 4);
  if (whole > 0) device.queue.writeBuffer(buffer, offset, bytes, 0, whole);
  if (whole < bytes.length) {
    const tail = new Uint8Array(4);
    tail.set(bytes.subarray(whole));
    device.queue.writeBuffer(buffer, offset + whole, tail);
  }
}
