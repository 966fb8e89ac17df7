/**
 * Buffers: GPU memory that is used again instead of allocated per tensor. Sizes are rounded up to eighths of a
 * power of two, so that a few buffers of each size serve a whole merge. Counts what it holds.
 */

import { BudgetFault } from '../bytes/fault.ts';

/** WebGPU's usage flags by value: the namespace does not exist in Node before Dawn is loaded. */
export const BUFFER_USAGE = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

/** Smallest buffer that is kept, in bytes. */
const SMALLEST_BYTES = 256;

/** Rounds bytes up to the whole words that buffers are written, bound and copied in. */
export function wholeWords(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** A pool of buffers of one device. */
export class Buffers {
  readonly #device: GPUDevice;
  readonly #free = new Map<string, GPUBuffer[]>();
  #heldBytes = 0;
  #usedBytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes allocated, in use or not. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes that somebody has taken and not yet given back. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A buffer of at least `bytes`; its content is arbitrary. Throws BudgetFault where the device cannot have one. */
  take(bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.min(sizeClass(bytes), this.#device.limits.maxBufferSize);
    if (size < bytes) {
      throw new BudgetFault(
        `A buffer of ${bytes} bytes is needed, but this graphics device allows ${this.#device.limits.maxBufferSize}.`,
      );
    }
    const buffer = this.#free.get(`${usage}:${size}`)?.pop();
    this.#usedBytes += size;
    if (buffer) return buffer;
    this.#heldBytes += size;
    return this.#device.createBuffer({ size, usage });
  }

  /** Gives a buffer back for others. Work already submitted with it still sees its content. */
  give(buffer: GPUBuffer): void {
    this.#usedBytes -= buffer.size;
    const key = `${buffer.usage}:${buffer.size}`;
    const free = this.#free.get(key);
    if (free) free.push(buffer);
    else this.#free.set(key, [buffer]);
  }

  /** Destroys every buffer that nobody uses. */
  trim(): void {
    for (const buffers of this.#free.values()) {
      for (const buffer of buffers) {
        this.#heldBytes -= buffer.size;
        buffer.destroy();
      }
    }
    this.#free.clear();
  }
}

/** The next size up that buffers come in: at most an eighth more, and a multiple of 32 bytes. */
function sizeClass(bytes: number): number {
  const least = Math.max(SMALLEST_BYTES, bytes);
  const step = 2 ** Math.floor(Math.log2(least)) / 8;
  return Math.ceil(least / step) * step;
}
