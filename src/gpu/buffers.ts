/**
 * Buffers: GPU memory that is used again instead of allocated per tensor. Sizes are rounded up to 32nds of a
 * power of two, and a request may get a buffer of up to twice its size, so that a few buffers serve a whole merge.
 * Counts what it holds.
 */

import { BudgetFault } from '../bytes/fault.ts';

/** WebGPU's usage flags by value: the namespace does not exist in Node before Dawn is loaded. */
export const BUFFER_USAGE = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

/** Smallest buffer that is kept, in bytes. */
const SMALLEST_BYTES = 512;

/** What may lie idle however little is in use. */
const MOST_IDLE_BYTES = 2 ** 20;

/** Rounds bytes up to the whole words that buffers are written, bound and copied in. */
export function wholeWords(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** A pool of buffers of one device. */
export class Buffers {
  readonly #device: GPUDevice;
  /** By usage, the smallest first. */
  readonly #free = new Map<GPUBufferUsageFlags, GPUBuffer[]>();
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
    const free = this.#free.get(usage) ?? [];
    const at = free.findIndex((own) => own.size >= size);
    const [found] = at >= 0 && (free[at]?.size ?? 0) <= 2 * size ? free.splice(at, 1) : [];
    this.#usedBytes += found?.size ?? size;
    if (found) return found;
    this.#makeRoom();
    this.#heldBytes += size;
    return this.#device.createBuffer({ size, usage });
  }

  /** Gives a buffer back for others. Work already submitted with it still sees its content. */
  give(buffer: GPUBuffer): void {
    this.#usedBytes -= buffer.size;
    const free = this.#free.get(buffer.usage) ?? [];
    this.#free.set(buffer.usage, free);
    const at = free.findIndex((own) => own.size >= buffer.size);
    free.splice(at < 0 ? free.length : at, 0, buffer);
  }

  /** Lets go of what lies idle where that is much: sizes that were wanted before are not wanted now. */
  #makeRoom(): void {
    if (this.#heldBytes - this.#usedBytes > Math.max(this.#usedBytes, MOST_IDLE_BYTES)) this.trim();
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

/** The next size up that buffers come in: at most a 32nd more, and a multiple of 16 bytes. */
function sizeClass(bytes: number): number {
  const least = Math.max(SMALLEST_BYTES, bytes);
  const step = 2 ** Math.floor(Math.log2(least)) / 32;
  return Math.ceil(least / step) * step;
}
