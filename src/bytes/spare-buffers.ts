/**
 * Spare buffers: memory that was read into or written from and is used again, because fresh memory costs as much as
 * the reading (the system clears every page) and because the garbage collector gives old memory back late. Whoever
 * takes a buffer owns it; giving it back is a favour, not a duty. Not a cache: nothing here has meaning.
 */

/** Buffers shorter than this are not worth keeping. */
const LEAST_BYTES = 2 ** 16;

/** Most bytes that lie idle. */
const MOST_IDLE_BYTES = 96 * 2 ** 20;

/** Buffers by size, a power of two each. */
export class SpareBuffers {
  readonly #idle = new Map<number, ArrayBuffer[]>();
  /** Per size, how many of those taken are still out: no more than were wanted at once are ever kept. */
  readonly #out = new Map<number, number>();
  readonly #mostIdleBytes: number;
  #idleBytes = 0;

  constructor(mostIdleBytes = MOST_IDLE_BYTES) {
    this.#mostIdleBytes = mostIdleBytes;
  }

  /** Bytes that lie idle. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A view of `bytes` bytes over a buffer that may be longer. What is in it is left over from before. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes < LEAST_BYTES) return new Uint8Array(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    this.#out.set(size, (this.#out.get(size) ?? 0) + 1);
    const kept = this.#idle.get(size)?.pop();
    if (kept) this.#idleBytes -= size;
    return new Uint8Array(kept ?? new ArrayBuffer(size), 0, bytes);
  }

  /** Takes a buffer back. It must not be used any more. Buffers that were never taken here are let go. */
  give(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    const out = this.#out.get(size) ?? 0;
    if (out === 0) return;
    this.#out.set(size, out - 1);
    if (this.#idleBytes + size > this.#mostIdleBytes) return;
    const idle = this.#idle.get(size) ?? [];
    idle.push(buffer);
    this.#idle.set(size, idle);
    this.#idleBytes += size;
  }

  /** Lets everything go that lies idle. */
  trim(): void {
    this.#idle.clear();
    this.#out.clear();
    this.#idleBytes = 0;
  }
}

/** The spare buffers of this thread. */
export const spareBuffers = new SpareBuffers();
