/**
 * Weights: the f32 tensors of a chat model, wherever they live. They belong to the caller, which may write into them
 * in place between two runs; the next run reads what is there then. Not a checkpoint and not a copy.
 */

import { BudgetFault, MismatchFault } from '../bytes/fault.ts';
import type { RequiredTensor } from './architecture.ts';

/** A tensor in a buffer of its own, f32 from byte 0. Usage STORAGE | COPY_SRC | COPY_DST. */
export interface GpuTensor {
  readonly buffer: GPUBuffer;
  readonly shape: readonly number[];
}

/** A tensor in memory. */
export interface CpuTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Weights on the GPU: bound, never copied. */
export interface GpuWeights {
  readonly kind: 'gpu';
  readonly device: GPUDevice;
  readonly tensors: ReadonlyMap<string, GpuTensor>;
}

/** Weights in memory, for the WASM provider. */
export interface CpuWeights {
  readonly kind: 'cpu';
  readonly tensors: ReadonlyMap<string, CpuTensor>;
  /**
   * True where they will not change while the chat is open: they are then copied once, when it is opened, and later
   * edits are NOT seen. Faster per token, the more the larger the model; at most MAX_FIXED_BYTES all together.
   */
  readonly isFixed?: boolean;
}

export type ChatWeights = GpuWeights | CpuWeights;

/** Fixed weights are part of the graph, which onnxruntime takes as one message of less than 2 GiB, and copies. */
export const MAX_FIXED_BYTES = 2 ** 29;

/**
 * Checks that every required tensor is there, in its shape and with all its elements.
 * @throws MismatchFault naming the first tensor that is not as the architecture says; BudgetFault for fixed weights
 *   above MAX_FIXED_BYTES.
 */
export function checkWeights(weights: ChatWeights, required: readonly RequiredTensor[]): void {
  let bytes = 0;
  for (const { name, shape } of required) {
    const tensor = weights.tensors.get(name);
    if (!tensor) throw new MismatchFault(`${name} is not among the weights that chat was given.`, { tensor: name });
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
      throw new MismatchFault(
        `${name} has the shape [${tensor.shape.join(', ')}] where config.json calls for [${shape.join(', ')}]; add the config.json that belongs to these weights.`,
        { tensor: name, shape: tensor.shape, expected: shape },
      );
    }
    const elements = shape.reduce((product, size) => product * size, 1);
    const held = 'data' in tensor ? tensor.data.length : tensor.buffer.size / 4;
    // A buffer may be rounded up; data in memory is exactly the tensor.
    if ('data' in tensor ? held !== elements : held < elements) {
      throw new MismatchFault(`${name} holds ${held} numbers where its shape calls for ${elements}.`, { tensor: name });
    }
    bytes += elements * 4;
  }
  if ('isFixed' in weights && weights.isFixed === true && bytes > MAX_FIXED_BYTES) {
    throw new BudgetFault(`Fixed weights of ${bytes} bytes are more than the ${MAX_FIXED_BYTES} that chat can copy.`);
  }
}
