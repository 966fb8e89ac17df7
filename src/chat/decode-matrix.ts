/**
 * DecodeMatrix: a matrix times one vector, as one dispatch of our own (shaders/decode-matrix.wgsl), for matrices in every
 * form in which live weights hold them (`formats/block-quantised.ts`). Made for adapters that compute in software: what
 * onnxruntime uses there makes 32 rows of a product of which one is wanted, or waits at barriers that software has to
 * imitate. Where it stands in for that is `step-matrices.ts`.
 */

import { bitsOf, isTransposed, type LiveForm } from '../formats/block-quantised.ts';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { shaderText } from '../methods/index.ts';
import type { Linear } from './architecture.ts';
import { type MatrixBuffers, type MatrixKernel, MatrixKernels, type MatrixShader } from './matrix-kernels.ts';
import type { SizedDispatch } from './step-recording.ts';

/** Outputs of one workgroup: four of each of 16 invocations, as the shader has it. */
const GROUP_OUTPUTS = 64;

/** What any device dispatches along one axis. */
const MOST_GROUPS = 65_535;

const { UNIFORM, COPY_DST } = BUFFER_USAGE;

/**
 * The kernel for a matrix held in a form; null where there is none: float32 is read four elements at a time, so that the
 * side along which it lies has to be a multiple of 4 (both sides where it is transposed).
 */
export function matrixKernelOf(linear: Omit<Linear, 'weight' | 'bias'>, form: LiveForm): MatrixKernel | null {
  const { inputs, outputs } = linear;
  if (outputs > GROUP_OUTPUTS * MOST_GROUPS) return null;
  if (form !== 'f32') {
    return isTransposed(form) === linear.isTransposed && inputs % 32 === 0 ? `rows_q${bitsOf(form)}` : null;
  }
  if (inputs % 4 !== 0) return null;
  if (!linear.isTransposed) return 'rows_f32';
  return outputs % 4 === 0 ? 'columns_f32' : null;
}

const SHADER: MatrixShader = { name: 'decode-matrix', code: () => shaderText('decode-matrix') };

/** Products on one device. */
export class DecodeMatrices {
  readonly #device: GPUDevice;
  readonly #kernels: MatrixKernels;
  /** What the shader calls `Matrix`, by its words. */
  readonly #shapes = new Map<string, GPUBuffer>();

  private constructor(device: GPUDevice, kernels: MatrixKernels) {
    this.#device = device;
    this.#kernels = kernels;
  }

  /** Compiles some of the kernels, each once for a device. Rejects where the device refuses one. */
  static async open(device: GPUDevice, kernels: ReadonlySet<MatrixKernel>): Promise<DecodeMatrices> {
    return new DecodeMatrices(device, await MatrixKernels.open(device, SHADER, kernels));
  }

  /**
   * The command of one product.
   * @param kernel one of those that were opened, as `matrixKernelOf` names it for this matrix.
   */
  dispatch(
    kernel: MatrixKernel,
    { inputs, outputs }: Pick<Linear, 'inputs' | 'outputs'>,
    buffers: MatrixBuffers,
  ): SizedDispatch {
    const shape = this.#shape(inputs, outputs, buffers.bias !== null);
    const bound = this.#kernels.bind(kernel, buffers, shape, kernel);
    return { ...bound, size: [Math.ceil(outputs / GROUP_OUTPUTS), 1, 1] };
  }

  /** Frees what it holds; commands that are submitted later must not be of its making. */
  dispose(): void {
    for (const buffer of this.#shapes.values()) buffer.destroy();
  }

  #shape(inputs: number, outputs: number, hasBias: boolean): GPUBuffer {
    const words = Uint32Array.of(inputs, outputs, hasBias ? 1 : 0, 0);
    const known = this.#shapes.get(words.join());
    if (known) return known;
    const buffer = this.#device.createBuffer({ label: 'matrix', size: words.byteLength, usage: UNIFORM | COPY_DST });
    this.#device.queue.writeBuffer(buffer, 0, words);
    this.#shapes.set(words.join(), buffer);
    return buffer;
  }
}
