/**
 * KeyValueCache: the attention keys and values of one text, and which tokens they are of. On the GPU they lie in buffers
 * of fixed size that runs write in place (`cache-slots.ts`), or, like on the CPU, in tensors that each run replaces with
 * longer ones (`GrowingKeyValues`). Whoever changes weights must throw caches away: they were made by the old ones.
 */

import type { Tensor } from 'onnxruntime-web';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import type { Architecture } from './architecture.ts';
import type { KeyValueSlot } from './cache-slots.ts';
import type { Runtime } from './runtime.ts';
import { gpuBufferOf } from './runtime-buffers.ts';

/** Bytes of one token's keys and values in all layers. */
export function cacheBytesPerToken({ layers, keyValueHeads, headSize }: Architecture): number {
  return 2 * layers * keyValueHeads * headSize * Float32Array.BYTES_PER_ELEMENT;
}

/** Where the keys and values of a text are. */
export type KeyValueStorage = GrowingKeyValues | StaticKeyValues;

/** The cache of one text. */
export class KeyValueCache {
  /** For the session only. */
  readonly storage: KeyValueStorage;
  /** True where it was made with the rotation of long texts (see `Architecture.ropeSwitchTokens`). */
  isLong = false;
  #ids: number[] = [];

  constructor(storage: KeyValueStorage) {
    this.storage = storage;
  }

  /** How many tokens it holds. */
  get tokens(): number {
    return this.#ids.length;
  }

  /** The tokens it holds, in order. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /** Keeps the first `tokens` tokens and forgets the others. Not while a run with this cache is under way. */
  rewind(tokens: number): void {
    if (!(Number.isInteger(tokens) && tokens >= 0 && tokens <= this.#ids.length)) {
      throw new RangeError(`A cache of ${this.#ids.length} tokens cannot be rewound to ${tokens}.`);
    }
    if (tokens === this.#ids.length) return;
    this.storage.keep(tokens);
    this.#ids = this.#ids.slice(0, tokens);
  }

  /** Tells that a run has added these; for the session only. */
  added(ids: readonly number[]): void {
    this.#ids.push(...ids);
  }

  /** Frees everything. Safe to call twice. */
  dispose(): void {
    this.storage.dispose();
  }
}

/** Keys and values in a slot, which it has from its first run on. What lies beyond the tokens is never read. */
export class StaticKeyValues {
  readonly kind = 'static';
  slot: KeyValueSlot | null = null;
  readonly #giveBack: (slot: KeyValueSlot) => void;

  constructor(giveBack: (slot: KeyValueSlot) => void) {
    this.#giveBack = giveBack;
  }

  keep(): void {}

  dispose(): void {
    if (this.slot) this.#giveBack(this.slot);
    this.slot = null;
  }
}

/** Keys and values as the tensors that the last run gave and the next one takes. */
export class GrowingKeyValues {
  readonly kind = 'growing';
  readonly #runtime: Runtime;
  readonly #device: GPUDevice | null;
  readonly #shape: readonly [number, number, number, number];
  readonly #names: readonly string[];
  readonly #onDisposed: () => void;
  /** Tensors by the name of the input that takes them. */
  #tensors: ReadonlyMap<string, Tensor>;
  /** Logits of the last run, where they lie on the GPU. */
  #logits: Tensor | null = null;

  constructor(architecture: Architecture, runtime: Runtime, device: GPUDevice | null, onDisposed: () => void) {
    this.#onDisposed = onDisposed;
    this.#runtime = runtime;
    this.#device = device;
    this.#shape = [1, architecture.keyValueHeads, 0, architecture.headSize];
    this.#names = Array.from({ length: architecture.layers }, (_, layer) => layer).flatMap((layer) => [
      `past_key_values.${layer}.key`,
      `past_key_values.${layer}.value`,
    ]);
    this.#tensors = this.#empty();
  }

  /** What to feed, by input name. */
  get feeds(): ReadonlyMap<string, Tensor> {
    return this.#tensors;
  }

  /** Bytes held. */
  get bytes(): number {
    let bytes = 0;
    for (const { dims } of this.#tensors.values()) bytes += 4 * dims.reduce((product, size) => product * size, 1);
    return bytes;
  }

  /** Takes over the outputs of a run and disposes of what they replace. */
  take(outputs: Readonly<Record<string, Tensor>>): void {
    const tensors = new Map<string, Tensor>();
    for (const [name, tensor] of Object.entries(outputs)) {
      if (name.startsWith('present.')) tensors.set(name.replace('present', 'past_key_values'), tensor);
    }
    this.#free();
    this.#tensors = tensors;
    this.#logits = outputs['logits'] ?? null;
  }

  keep(tokens: number): void {
    const kept = tokens === 0 ? this.#empty() : this.#first(tokens);
    this.#free();
    this.#tensors = kept;
  }

  dispose(): void {
    this.#free();
    this.#onDisposed();
  }

  #free(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#logits?.dispose();
    this.#tensors = new Map();
    this.#logits = null;
  }

  #empty(): ReadonlyMap<string, Tensor> {
    const { Tensor } = this.#runtime;
    return new Map(this.#names.map((name) => [name, new Tensor('float32', new Float32Array(), this.#shape)]));
  }

  #first(tokens: number): ReadonlyMap<string, Tensor> {
    const encoder = this.#device?.createCommandEncoder({ label: 'copy keys and values' });
    const kept = new Map([...this.#tensors].map(([name, tensor]) => [name, this.#firstOf(tensor, tokens, encoder)]));
    if (encoder) this.#device?.queue.submit([encoder.finish()]);
    return kept;
  }

  #firstOf(tensor: Tensor, tokens: number, encoder: GPUCommandEncoder | undefined): Tensor {
    const { Tensor } = this.#runtime;
    const [batch, heads, , size] = this.#shape;
    const dims = [batch, heads, tokens, size];
    const [row, oldRow] = [tokens * size, (tensor.dims[2] ?? 0) * size];
    if (!this.#device || !encoder) {
      const data = tensor.data as Float32Array;
      const kept = new Float32Array(heads * row);
      for (let head = 0; head < heads; head++) kept.set(data.subarray(head * oldRow, head * oldRow + row), head * row);
      return new Tensor('float32', kept, dims);
    }
    const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;
    const buffer = this.#device.createBuffer({ size: heads * row * 4, usage: STORAGE | COPY_SRC | COPY_DST });
    for (let head = 0; head < heads; head++) {
      encoder.copyBufferToBuffer(gpuBufferOf(tensor), head * oldRow * 4, buffer, head * row * 4, row * 4);
    }
    return Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims, dispose: () => buffer.destroy() });
  }
}
