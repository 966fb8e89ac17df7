/**
 * Batch: the bytes of some pieces' sources in one buffer of a device, one source after another, each from a whole word
 * on. Not what is computed of them.
 */

import { BudgetFault } from '../bytes/fault.ts';
import { type LoadedPiece, type PieceShape, selectShapes } from '../methods/kernel.ts';
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
  readonly #release: () => void;
  #isReleased = false;

  private constructor(
    pieces: readonly PieceShape[],
    words: BufferRange,
    bytes: number,
    starts: readonly (readonly number[])[],
    release: () => void,
  ) {
    this.pieces = pieces;
    this.words = words;
    this.bytes = bytes;
    this.#starts = starts;
    this.#release = release;
  }

  /** Uploads pieces. Throws BudgetFault where they are larger than the device can bind. */
  static load(device: GPUDevice, buffers: Buffers, pieces: readonly LoadedPiece[]): Batch {
    let at = 0;
    const starts = pieces.map((piece) =>
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
    const upload = new Upload(device, words);
    pieces.forEach((piece, p) => {
      piece.bytes.forEach((bytes, s) => upload.put((starts[p]?.[s] ?? 0) * 4, bytes));
    });
    upload.end();
    const shapes = pieces.map(({ bytes: _, ...shape }) => shape);
    return new Batch(shapes, startOf(words, at), words.size, starts, () => buffers.give(words));
  }

  /**
   * Some sources of these pieces, where they lie. It holds nothing: what it shows is there as long as this batch is.
   * @param sources per piece, which of its sources.
   */
  select(sources: readonly (readonly number[])[]): Batch {
    const starts = this.#starts.map((own, p) => (sources[p] ?? []).map((source) => own[source] ?? 0));
    return new Batch(selectShapes(this.pieces, sources), this.words, 0, starts, () => undefined);
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
    this.#release();
  }
}

/** Sources up to this go up with their neighbours: a call for each costs more than the copy. */
const SMALL_BYTES = 2 ** 16;
/** Most bytes of small sources that go up together. */
const TRAY_BYTES = 2 ** 20;

/** Writes sources into a buffer, one after another from the first. */
class Upload {
  readonly #device: GPUDevice;
  readonly #buffer: GPUBuffer;
  /** Small sources on their way, from `#trayStart` of the buffer on; made where there is one. */
  #tray: Uint8Array<ArrayBuffer> | null = null;
  #trayStart = 0;
  #filled = 0;

  constructor(device: GPUDevice, buffer: GPUBuffer) {
    this.#device = device;
    this.#buffer = buffer;
  }

  /** @param offset where the source begins: at a whole word, right behind the last one. */
  put(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const size = wholeWords(bytes.length);
    if (bytes.length > SMALL_BYTES) {
      this.end();
      this.#write(offset, bytes);
      return;
    }
    if (this.#filled + size > TRAY_BYTES) this.end();
    if (this.#filled === 0) this.#trayStart = offset;
    this.#tray ??= new Uint8Array(TRAY_BYTES);
    this.#tray.set(bytes, this.#filled);
    // The odd half word at the end of a 16-bit tensor.
    this.#tray.fill(0, this.#filled + bytes.length, this.#filled + size);
    this.#filled += size;
  }

  /** Writes what is on its way. */
  end(): void {
    if (this.#tray && this.#filled > 0) {
      this.#device.queue.writeBuffer(this.#buffer, this.#trayStart, this.#tray, 0, this.#filled);
    }
    this.#filled = 0;
  }

  /** writeBuffer takes whole words. */
  #write(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const whole = bytes.length - (bytes.length % 4);
    this.#device.queue.writeBuffer(this.#buffer, offset, bytes, 0, whole);
    if (whole === bytes.length) return;
    const tail = new Uint8Array(4);
    tail.set(bytes.subarray(whole));
    this.#device.queue.writeBuffer(this.#buffer, offset + whole, tail);
  }
}
