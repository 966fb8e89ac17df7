/**
 * PromptMatrix: a matrix times many vectors, as one dispatch of our own (shaders/prompt-matrix.wgsl), for matrices in every
 * form in which live weights hold them. Made for adapters that compute in software, like `decode-matrix.ts`, which takes one
 * vector. Where it stands in for onnxruntime's products is `prompt-products.ts`.
 */

import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { shaderText } from '../methods/index.ts';
import type { Linear } from './architecture.ts';
import { type MatrixBuffers, type MatrixKernel, MatrixKernels, type MatrixShader } from './matrix-kernels.ts';
import type { SizedDispatch } from './step-recording.ts';

/** Outputs and rows of one workgroup: eight by eight of each of 16 invocations, as the shader has it. */
const GROUP = { outputs: 128, rows: 8 };

const { UNIFORM, COPY_DST } = BUFFER_USAGE;

const SHADER: MatrixShader = {
  name: 'prompt-matrix',
  code: () => shaderText('prompt-tiles') + shaderText('prompt-matrix'),
};

/** Products on one device. */
export class PromptMatrices {
  readonly #device: GPUDevice;
  readonly #kernels: MatrixKernels;
  /** What the shader calls `Product`, by its words without the rows, and the rows that it holds. */
  readonly #shapes = new Map<string, { readonly buffer: GPUBuffer; rows: number }>();

  private constructor(device: GPUDevice, kernels: MatrixKernels) {
    this.#device = device;
    this.#kernels = kernels;
  }

  /** Compiles some of the kernels, each once for a device. Rejects where the device refuses one. */
  static async open(device: GPUDevice, kernels: ReadonlySet<MatrixKernel>): Promise<PromptMatrices> {
    return new PromptMatrices(device, await MatrixKernels.open(device, SHADER, kernels));
  }

  /**
   * The command of one product: `x` f32 [rows, inputs], `y` f32 [rows, outputs]. Between two commands that are not of the
   * same rows, what was encoded has to be submitted.
   * @param kernel one of those that were opened, as `matrixKernelOf` names it for this matrix.
   */
  dispatch(
    kernel: MatrixKernel,
    { inputs, outputs }: Pick<Linear, 'inputs' | 'outputs'>,
    buffers: MatrixBuffers,
    rows: number,
  ): SizedDispatch {
    const shape = this.#shape(inputs, outputs, buffers.bias !== null, rows);
    const bound = this.#kernels.bind(kernel, buffers, shape, `prompt ${kernel}`);
    return { ...bound, size: [Math.ceil(outputs / GROUP.outputs), Math.ceil(rows / GROUP.rows), 1] };
  }

  /** Frees what it holds; commands that are submitted later must not be of its making. */
  dispose(): void {
    for (const { buffer } of this.#shapes.values()) buffer.destroy();
  }

  #shape(inputs: number, outputs: number, hasBias: boolean, rows: number): GPUBuffer {
    const key = [inputs, outputs, hasBias].join();
    let shape = this.#shapes.get(key);
    if (!shape) {
      const buffer = this.#device.createBuffer({ label: 'product', size: 16, usage: UNIFORM | COPY_DST });
      shape = { buffer, rows: 0 };
      this.#shapes.set(key, shape);
    }
    if (shape.rows !== rows) {
      this.#device.queue.writeBuffer(shape.buffer, 0, Uint32Array.of(inputs, outputs, rows, hasBias ? 1 : 0));
      shape.rows = rows;
    }
    return shape.buffer;
  }
}
