/**
 * KeyValueCache: the attention keys and values of one text, as the tensors that the last run gave and the next one
 * takes. On the GPU they stay there. Whoever changes weights must throw the cache away: it was made by the old ones.
 * (A cache of fixed size that the graph writes in place would take this class's place; the session knows only
 * `feeds` and `take`.)
 */

import type { Tensor } from 'onnxruntime-web';
import type { Architecture } from './architecture.ts';
import type { Runtime } from './runtime.ts';

/** The cache of one text. */
export class KeyValueCache {
  /** Tensors by the name of the input that takes them. */
  #tensors = new Map<string, Tensor>();
  #tokens = 0;

  constructor(architecture: Architecture, runtime: Runtime) {
    const shape = [1, architecture.keyValueHeads, 0, architecture.headSize];
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const part of ['key', 'value']) {
        this.#tensors.set(`past_key_values.${layer}.${part}`, new runtime.Tensor('float32', new Float32Array(), shape));
      }
    }
  }

  /** How many tokens it holds. */
  get tokens(): number {
    return this.#tokens;
  }

  /** What to feed, by input name. */
  get feeds(): ReadonlyMap<string, Tensor> {
    return this.#tensors;
  }

  /** Takes over the `present.*` outputs of a run of `newTokens` tokens and disposes of what they replace. */
  take(outputs: Readonly<Record<string, Tensor>>, newTokens: number): void {
    const tensors = new Map<string, Tensor>();
    for (const [name, tensor] of Object.entries(outputs)) {
      if (name.startsWith('present.')) tensors.set(name.replace('present', 'past_key_values'), tensor);
    }
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors = tensors;
    this.#tokens += newTokens;
  }

  /** Frees everything. Safe to call twice. */
  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors = new Map();
  }
}
