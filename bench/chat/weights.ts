/** Weights: random ones, the same for both sides. */

import { type Architecture, requiredTensors } from '../../src/chat/architecture.ts';

/** A tensor by name. */
export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** The tensors of an architecture one after another: small numbers, so that deep models stay finite; norms are 1. */
export function* randomTensors(architecture: Architecture): Generator<RandomTensor> {
  let state = 0x9e3779b9;
  for (const { name, shape } of requiredTensors(architecture)) {
    const elements = shape.reduce((product, size) => product * size, 1);
    const data = new Float32Array(elements);
    if (shape.length === 1) data.fill(1);
    else {
      const scale = 1 / Math.sqrt(shape[1] ?? 1) / 2 ** 30;
      for (let i = 0; i < elements; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        data[i] = state * scale;
      }
    }
    yield { name, shape, data };
  }
}

/** So many tokens, by a seed. */
export function randomIds(count: number, vocabulary: number, seed: number): number[] {
  let state = seed * 2654435761 + 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return 3 + ((state >>> 8) % (vocabulary - 3));
  });
}
