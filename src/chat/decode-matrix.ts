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
import type { SizedDispatch } from './step-recording.ts';

/** The entry points of the shader: what lies next to one another in a matrix, and how. */
export type MatrixKernel = 'rows_f32' | 'columns_f32' | 'rows_q8' | 'rows_q4';

/** What a product reads and writes, from byte 0. `y` is none of the others. */
export interface MatrixBuffers {
  /** f32 [inputs]. */
  readonly x: GPUBuffer;
  /** f32 [outputs, inputs] or [inputs, outputs], or the codes of blocks [outputs, inputs / 32]. */
  readonly values: GPUBuffer;
  /** f32 [outputs, inputs / 32] of blocks; else null. */
  readonly scales: GPUBuffer | null;
  /** f32 [outputs]; null: none. */
  readonly bias: GPUBuffer | null;
  /** f32 [outputs]; written. */
  readonly y: GPUBuffer;
}

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

const compiled = new WeakMap<GPUDevice, Map<MatrixKernel, Promise<GPUComputePipeline>>>();

/** Products on one device. */
export class DecodeMatrices {
  readonly #device: GPUDevice;
  readonly #pipelines: ReadonlyMap<MatrixKernel, GPUComputePipeline>;
  /** What the shader calls `Matrix`, by its words. */
  readonly #shapes = new Map<string, GPUBuffer>();

  private constructor(device: GPUDevice, pipelines: ReadonlyMap<MatrixKernel, GPUComputePipeline>) {
    this.#device = device;
    this.#pipelines = pipelines;
  }

  /** Compiles some of the kernels, each once for a device. Rejects where the device refuses one. */
  static async open(device: GPUDevice, kernels: ReadonlySet<MatrixKernel>): Promise<DecodeMatrices> {
    const pipelines = [...kernels].map(async (kernel) => [kernel, await pipelineOf(device, kernel)] as const);
    return new DecodeMatrices(device, new Map(await Promise.all(pipelines)));
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
    const pipeline = this.#pipelines.get(kernel);
    if (!pipeline) throw new Error(`${kernel} was not opened`);
    const { x, values, scales, bias, y } = buffers;
    const shape = this.#shape(inputs, outputs, bias !== null);
    // Something has to be bound where a bias would be.
    const bound = [x, values, bias ?? x, y, shape, ...(scales === null ? [] : [scales])];
    const group = this.#device.createBindGroup({
      label: kernel,
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    return { pipeline, groups: [group], size: [Math.ceil(outputs / GROUP_OUTPUTS), 1, 1] };
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

function pipelineOf(device: GPUDevice, kernel: MatrixKernel): Promise<GPUComputePipeline> {
  const known = compiled.get(device) ?? new Map<MatrixKernel, Promise<GPUComputePipeline>>();
  compiled.set(device, known);
  const before = known.get(kernel);
  if (before) return before;
  const module = device.createShaderModule({ label: 'decode-matrix', code: shaderText('decode-matrix') });
  const compute = { module, entryPoint: kernel };
  const compiling = device.createComputePipelineAsync({ label: kernel, layout: 'auto', compute });
  known.set(kernel, compiling);
  compiling.catch(() => known.delete(kernel));
  return compiling;
}
