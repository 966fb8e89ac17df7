/**
 * RuntimeBuffers: GPU tensors that onnxruntime owns. Only such a buffer can be bound as an output again and again (one of
 * ours is unregistered after its first run), and nothing but an output of a session makes one: here of a session whose
 * single node spreads a zero.
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { OnnxBuilder } from './onnx.ts';
import type { Runtime } from './runtime.ts';

/** Makes tensors on one device. All calls must be made in turn (`runtime.ts`, `inTurn`). */
export class RuntimeBuffers {
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;

  private constructor(runtime: Runtime, session: InferenceSession) {
    this.#runtime = runtime;
    this.#session = session;
  }

  /** Opens it. */
  static async open(runtime: Runtime, device: GPUDevice): Promise<RuntimeBuffers> {
    const builder = new OnnxBuilder('room');
    builder.input('zero', 'float32', [1]);
    builder.input('shape', 'int64', [4]);
    builder.node('Expand', ['zero', 'shape'], 'room');
    builder.output('room', 'float32', ['a', 'b', 'c', 'd']);
    const session = await runtime.InferenceSession.create(builder.finish(), {
      executionProviders: [{ name: 'webgpu', device }],
      preferredOutputLocation: 'gpu-buffer',
    });
    return new RuntimeBuffers(runtime, session);
  }

  /** A tensor of zeros, f32. Its `dispose` gives the buffer back to onnxruntime, which keeps a few for later. */
  async make(shape: readonly [number, number, number, number]): Promise<Tensor> {
    const { Tensor } = this.#runtime;
    const { room } = await this.#session.run({
      zero: new Tensor('float32', new Float32Array(1), [1]),
      shape: new Tensor('int64', BigInt64Array.from(shape, BigInt), [4]),
    });
    if (!room) throw new Error('the runtime gave no buffer');
    return room;
  }

  /** Another view of a tensor's buffer; disposing of it frees nothing. */
  view(tensor: Tensor, dims: readonly number[]): Tensor {
    return this.#runtime.Tensor.fromGpuBuffer(gpuBufferOf(tensor), { dataType: 'float32', dims });
  }

  /** Ends it, after the tensors that it made. */
  async dispose(): Promise<void> {
    await this.#session.release();
  }
}

/** The buffer of a tensor on the GPU. */
export function gpuBufferOf(tensor: Tensor): GPUBuffer {
  return tensor.gpuBuffer as unknown as GPUBuffer;
}
