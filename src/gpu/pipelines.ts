/**
 * Pipelines: compiled kernels by what their source depends on. A source is composed once and compiled once; compiles
 * in flight are shared, failures are not kept, and an error names the line of the composed source. One per device.
 */

import { DeviceFault } from '../bytes/fault.ts';

/** The layout that all kernels share; see the bindings in prelude.wgsl. */
const BINDINGS: readonly GPUBufferBindingLayout[] = [
  { type: 'read-only-storage' },
  { type: 'read-only-storage' },
  { type: 'storage' },
  { type: 'storage' },
  { type: 'uniform', hasDynamicOffset: true },
  { type: 'read-only-storage' },
];

/** Compiled kernels of one device. */
export class Pipelines {
  readonly bindGroupLayout: GPUBindGroupLayout;
  readonly #device: GPUDevice;
  readonly #layout: GPUPipelineLayout;
  readonly #compiled = new Map<string, Promise<GPUComputePipeline>>();

  constructor(device: GPUDevice) {
    this.#device = device;
    this.bindGroupLayout = device.createBindGroupLayout({
      entries: BINDINGS.map((buffer, binding) => ({ binding, visibility: 4 /* GPUShaderStage.COMPUTE */, buffer })),
    });
    this.#layout = device.createPipelineLayout({ bindGroupLayouts: [this.bindGroupLayout] });
  }

  /**
   * The pipeline of a kernel. Throws DeviceFault with the compiler's message and the source around it.
   * @param variant all that `compose` depends on beside the name: the same name and variant mean the same source.
   */
  get(name: string, variant: string, compose: () => string, entryPoint: string): Promise<GPUComputePipeline> {
    const key = `${name} ${entryPoint} ${variant}`;
    const known = this.#compiled.get(key);
    if (known) return known;
    const compiling = this.#compile(name, compose(), entryPoint).catch((error: unknown) => {
      this.#compiled.delete(key);
      throw error;
    });
    this.#compiled.set(key, compiling);
    return compiling;
  }

  async #compile(name: string, code: string, entryPoint: string): Promise<GPUComputePipeline> {
    const module = this.#device.createShaderModule({ label: name, code });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter((message) => message.type === 'error');
    if (errors.length > 0) {
      const lines = code.split('\n');
      const text = errors.map((e) => `${e.lineNum}:${e.linePos} ${e.message}\n    ${lines[e.lineNum - 1] ?? ''}`);
      throw new DeviceFault(`The graphics driver refuses the kernel ${name}: ${text.join('\n')}`, { kernel: name });
    }
    return this.#device.createComputePipelineAsync({
      label: name,
      layout: this.#layout,
      compute: { module, entryPoint },
    });
  }
}
