/**
 * MatrixKernels: the entry points of one shader of matrix products, compiled and bound. Both shaders have the same ones and
 * bind the same things: for one vector (`decode-matrix.ts`) and for many (`prompt-matrix.ts`).
 */

/** The entry points: what lies next to one another in a matrix, and how. */
export type MatrixKernel = 'rows_f32' | 'columns_f32' | 'rows_q8' | 'rows_q4';

/** What a product of one vector or of several reads and writes, from byte 0. `y` is none of the others. */
export interface MatrixBuffers {
  /** f32 [inputs] of each vector. */
  readonly x: GPUBuffer;
  /** f32 [outputs, inputs] or [inputs, outputs], or the codes of blocks [outputs, inputs / 32]. */
  readonly values: GPUBuffer;
  /** f32 [outputs, inputs / 32] of blocks; else null. */
  readonly scales: GPUBuffer | null;
  /** f32 [outputs]; null: none. */
  readonly bias: GPUBuffer | null;
  /** f32 [outputs] of each vector; written. */
  readonly y: GPUBuffer;
}

/** A shader by its name, and its text. */
export interface MatrixShader {
  readonly name: string;
  readonly code: () => string;
}

/** A kernel with what it is to work on. */
export interface BoundMatrix {
  readonly pipeline: GPUComputePipeline;
  readonly groups: readonly GPUBindGroup[];
}

/** By the shader's name and the entry point. */
const compiled = new WeakMap<GPUDevice, Map<string, Promise<GPUComputePipeline>>>();

/** Some kernels of one shader on one device. */
export class MatrixKernels {
  readonly #device: GPUDevice;
  readonly #pipelines: ReadonlyMap<MatrixKernel, GPUComputePipeline>;

  private constructor(device: GPUDevice, pipelines: ReadonlyMap<MatrixKernel, GPUComputePipeline>) {
    this.#device = device;
    this.#pipelines = pipelines;
  }

  /** Compiles them, each once for a device. Rejects where the device refuses one. */
  static async open(
    device: GPUDevice,
    shader: MatrixShader,
    kernels: ReadonlySet<MatrixKernel>,
  ): Promise<MatrixKernels> {
    const pipelines = [...kernels].map(async (kernel) => [kernel, await pipelineOf(device, shader, kernel)] as const);
    return new MatrixKernels(device, new Map(await Promise.all(pipelines)));
  }

  /**
   * Binds one.
   * @param kernel one of those that were opened.
   * @param shape what the shader calls the measures of the product.
   * @param label of the bind group.
   */
  bind(
    kernel: MatrixKernel,
    { x, values, scales, bias, y }: MatrixBuffers,
    shape: GPUBuffer,
    label: string,
  ): BoundMatrix {
    const pipeline = this.#pipelines.get(kernel);
    if (!pipeline) throw new Error(`${kernel} was not opened`);
    // Something has to be bound where a bias would be.
    const bound = [x, values, bias ?? x, y, shape, ...(scales === null ? [] : [scales])];
    const group = this.#device.createBindGroup({
      label,
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    return { pipeline, groups: [group] };
  }
}

function pipelineOf(
  device: GPUDevice,
  { name, code }: MatrixShader,
  kernel: MatrixKernel,
): Promise<GPUComputePipeline> {
  const known = compiled.get(device) ?? new Map<string, Promise<GPUComputePipeline>>();
  compiled.set(device, known);
  const key = `${name} ${kernel}`;
  const before = known.get(key);
  if (before) return before;
  const compute = { module: device.createShaderModule({ label: name, code: code() }), entryPoint: kernel };
  const compiling = device.createComputePipelineAsync({ label: kernel, layout: 'auto', compute });
  known.set(key, compiling);
  compiling.catch(() => known.delete(key));
  return compiling;
}
