/**
 * CacheSlots: the places where keys and values lie that runs write in place: for each layer two GPU buffers with room for
 * a fixed number of tokens, bound as what came before and as what is now. A place begins small and grows by copying, so
 * that a short text of a large model does not take everything. Captured steps are bound to a place and go with it.
 */

import type { Tensor } from 'onnxruntime-web';
import type { Architecture } from './architecture.ts';
import { cacheBytesPerToken } from './cache.ts';
import { gpuBufferOf, type RuntimeBuffers } from './runtime-buffers.ts';
import type { CapturedStep } from './session-step.ts';

/** The smallest place, in tokens; each next size is twice as large. */
const SMALLEST_TOKENS = 512;

/** Where all tokens take no more than this, a place has room for all of them from the start. */
const SMALL_BYTES = 32 * 2 ** 20;

/** Tokens that a place has room for beyond those that are to be run, so that a short reply does not make it grow. */
const REPLY_TOKENS = 128;

/** Places that are kept while nobody uses them: as many as a chat keeps beginnings of texts. */
const MOST_IDLE = 2;

/** One place. */
export interface KeyValueSlot {
  capacityTokens: number;
  /** [1, keyValueHeads, capacityTokens, headSize], key and value of each layer. */
  tensors: readonly Tensor[];
  /** `tensors` by the names of inputs, and of outputs. */
  pasts: Readonly<Record<string, Tensor>>;
  presents: Readonly<Record<string, Tensor>>;
  /** [1, vocabularySize]: what the last run gave. */
  readonly logits: Tensor;
  readonly logitsRoom: Tensor;
  /** [rows, vocabularySize]: what the last run gave, where the logits of all tokens are wanted. */
  allLogits: Tensor | null;
  /** The step that is bound to these buffers, once there was one. */
  step: CapturedStep | null;
}

/** The places of one session. Calls that make or free buffers must be made in turn. */
export class CacheSlots {
  readonly #architecture: Architecture;
  readonly #device: GPUDevice;
  readonly #buffers: RuntimeBuffers;
  readonly #mostTokens: number;
  readonly #all = new Set<KeyValueSlot>();
  /** Those that wait for the next text, the largest last. */
  #idle: KeyValueSlot[] = [];

  constructor(architecture: Architecture, device: GPUDevice, buffers: RuntimeBuffers, mostTokens: number) {
    this.#architecture = architecture;
    this.#device = device;
    this.#buffers = buffers;
    this.#mostTokens = mostTokens;
  }

  /** Bytes held, those that wait for the next text included. */
  get bytes(): number {
    let bytes = 0;
    for (const { tensors, logitsRoom } of this.#all) {
      for (const tensor of [...tensors, logitsRoom]) bytes += gpuBufferOf(tensor).size;
    }
    return bytes;
  }

  /** A place for at least so many tokens; its content is arbitrary. */
  async take(tokens: number): Promise<KeyValueSlot> {
    const idle = this.#idle.pop();
    if (idle) {
      if (idle.capacityTokens < tokens) await this.grow(idle, tokens, 0);
      return idle;
    }
    const logitsRoom = await this.#buffers.make([1, 1, 1, this.#architecture.vocabularySize]);
    const slot: KeyValueSlot = {
      capacityTokens: 0,
      tensors: [],
      pasts: {},
      presents: {},
      logitsRoom,
      logits: this.#buffers.view(logitsRoom, [1, this.#architecture.vocabularySize]),
      allLogits: null,
      step: null,
    };
    this.#all.add(slot);
    await this.grow(slot, tokens, 0);
    return slot;
  }

  /** Makes a place larger and keeps its first `heldTokens` tokens. */
  async grow(slot: KeyValueSlot, tokens: number, heldTokens: number): Promise<void> {
    const { keyValueHeads, headSize, layers } = this.#architecture;
    const capacityTokens = this.#capacityFor(tokens);
    const [row, oldRow] = [capacityTokens * headSize * 4, slot.capacityTokens * headSize * 4];
    await slot.step?.dispose();
    slot.step = null;
    const old = slot.tensors;
    const tensors: Tensor[] = [];
    for (let index = 0; index < 2 * layers; index++) {
      const tensor = await this.#buffers.make([1, keyValueHeads, capacityTokens, headSize]);
      const before = old[index];
      if (before && heldTokens > 0) {
        const encoder = this.#device.createCommandEncoder({ label: 'copy keys and values' });
        for (let head = 0; head < keyValueHeads; head++) {
          const [from, to] = [gpuBufferOf(before), gpuBufferOf(tensor)];
          encoder.copyBufferToBuffer(from, head * oldRow, to, head * row, heldTokens * headSize * 4);
        }
        this.#device.queue.submit([encoder.finish()]);
      }
      // One by one, so that old and new never lie side by side as a whole.
      before?.dispose();
      tensors.push(tensor);
    }
    const named = (kind: string) =>
      Object.fromEntries(
        tensors.map((tensor, index) => [`${kind}.${index >> 1}.${index % 2 === 0 ? 'key' : 'value'}`, tensor]),
      );
    slot.capacityTokens = capacityTokens;
    slot.tensors = tensors;
    slot.pasts = named('past_key_values');
    slot.presents = named('present');
  }

  /** Takes a place back: two are kept for the next texts, with their captured steps. Gives one to free, if there is one. */
  give(slot: KeyValueSlot): KeyValueSlot | null {
    if (!this.#all.has(slot)) return null;
    this.#idle.push(slot);
    this.#idle.sort((one, other) => one.capacityTokens - other.capacityTokens);
    return this.#idle.length > MOST_IDLE ? (this.#idle.shift() ?? null) : null;
  }

  /** Frees a place. */
  async free(slot: KeyValueSlot): Promise<void> {
    if (!this.#all.delete(slot)) return;
    this.#idle = this.#idle.filter((other) => other !== slot);
    await slot.step?.dispose();
    slot.step = null;
    for (const tensor of [...slot.tensors, slot.logitsRoom]) tensor.dispose();
    slot.allLogits?.dispose();
    slot.allLogits = null;
  }

  /** Frees all places, those in use too. */
  async dispose(): Promise<void> {
    for (const slot of [...this.#all]) await this.free(slot);
  }

  #capacityFor(tokens: number): number {
    if (cacheBytesPerToken(this.#architecture) * this.#mostTokens <= SMALL_BYTES) return this.#mostTokens;
    let capacity = SMALLEST_TOKENS;
    while (capacity < tokens + REPLY_TOKENS) capacity *= 2;
    return Math.min(capacity, this.#mostTokens);
  }
}
