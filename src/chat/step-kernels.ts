/**
 * StepKernels: what others compile and bind on a device, remembered from the calls by which they do it: the text of a
 * pipeline's shader and the buffers of a bind group, so that a recorded dispatch can be told by what it computes with.
 * onnxruntime's modules have a kernel's name for a label, and its shaders name their variables. Nothing is changed and
 * nothing kept alive.
 */

/** A buffer as a dispatch binds it. */
export interface BoundBuffer {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  /** Undefined: to the end of the buffer. */
  readonly size: number | undefined;
  readonly access: 'read' | 'read_write' | 'uniform';
  /** As the shader declares it: `array<vec4<f32>>`. */
  readonly type: string;
}

/** What is known of one dispatch: the shader, and what it binds by the names of its variables. */
export interface BoundKernel {
  /** The label of its module: onnxruntime's name for the kind of kernel, not for what is compiled into it. */
  readonly name: string;
  readonly code: string;
  readonly bindings: ReadonlyMap<string, BoundBuffer>;
}

interface BoundRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number | undefined;
}

interface Variable {
  readonly name: string;
  readonly binding: number;
  readonly access: BoundBuffer['access'];
  readonly type: string;
}

interface Kernel {
  readonly name: string;
  readonly code: string;
  /** Undefined until somebody asks. */
  variables?: readonly Variable[];
}

const VARIABLE =
  /@group\((\d+)\)\s*@binding\((\d+)\)\s*var<\s*(storage|uniform)\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*([^;]+);/g;

/** What one device was seen to do. */
export class KernelWatch {
  readonly #kernels = new WeakMap<GPUComputePipeline, Kernel>();
  readonly #groups = new WeakMap<GPUBindGroup, ReadonlyMap<number, BoundRange>>();
  #watchers = 0;

  private constructor(device: GPUDevice) {
    const modules = new WeakMap<GPUShaderModule, Kernel>();
    const createShaderModule = device.createShaderModule.bind(device);
    device.createShaderModule = (descriptor) => {
      const module = createShaderModule(descriptor);
      modules.set(module, { name: descriptor.label ?? '', code: descriptor.code });
      return module;
    };
    const keep = (pipeline: GPUComputePipeline, { compute }: GPUComputePipelineDescriptor) => {
      const kernel = modules.get(compute.module);
      if (kernel !== undefined) this.#kernels.set(pipeline, kernel);
      return pipeline;
    };
    const createComputePipeline = device.createComputePipeline.bind(device);
    device.createComputePipeline = (descriptor) => keep(createComputePipeline(descriptor), descriptor);
    const createComputePipelineAsync = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = async (descriptor) =>
      keep(await createComputePipelineAsync(descriptor), descriptor);
    const createBindGroup = device.createBindGroup.bind(device);
    device.createBindGroup = (descriptor) => {
      const group = createBindGroup(descriptor);
      if (this.#watchers > 0) this.#groups.set(group, rangesOf(descriptor));
      return group;
    };
  }

  static readonly #all = new WeakMap<GPUDevice, KernelWatch>();

  /** Watches a device from now on; the second call gives the same. What was compiled before stays unknown. */
  static on(device: GPUDevice): KernelWatch {
    const known = KernelWatch.#all.get(device);
    if (known) return known;
    const watch = new KernelWatch(device);
    KernelWatch.#all.set(device, watch);
    return watch;
  }

  /** Takes bind groups down from now on until the function that it returns is called. */
  watchBindings(): () => void {
    this.#watchers++;
    let isOn = true;
    return () => {
      if (isOn) this.#watchers--;
      isOn = false;
    };
  }

  /** What a dispatch computes with; null where its pipeline or its group was not seen, or is not of the usual kind. */
  kernelOf(pipeline: GPUComputePipeline, groups: readonly GPUBindGroup[]): BoundKernel | null {
    const kernel = this.#kernels.get(pipeline);
    const [group] = groups;
    const ranges = group && groups.length === 1 ? this.#groups.get(group) : undefined;
    if (kernel === undefined || ranges === undefined) return null;
    const { name: kernelName, code } = kernel;
    kernel.variables ??= variablesOf(code);
    if (kernel.variables.length === 0 || kernel.variables.length !== ranges.size) return null;
    const bindings = new Map<string, BoundBuffer>();
    for (const { name, binding, access, type } of kernel.variables) {
      const range = ranges.get(binding);
      if (!range) return null;
      bindings.set(name, { ...range, access, type });
    }
    return { name: kernelName, code, bindings };
  }
}

/** What a shader binds, all of it in group 0; empty where that is not so. */
function variablesOf(code: string): readonly Variable[] {
  const variables: Variable[] = [];
  for (const [, group, binding, space, access, name = '', type = ''] of code.matchAll(VARIABLE)) {
    if (group !== '0') return [];
    variables.push({
      name,
      binding: Number(binding),
      access: space === 'uniform' ? 'uniform' : access === 'read_write' ? 'read_write' : 'read',
      type: type.trim(),
    });
  }
  // A declaration that is written in another way would be one that is overlooked.
  return code.split('@binding').length - 1 === variables.length ? variables : [];
}

function rangesOf({ entries }: GPUBindGroupDescriptor): ReadonlyMap<number, BoundRange> {
  const ranges = new Map<number, BoundRange>();
  for (const { binding, resource } of entries) {
    if ('buffer' in resource) {
      ranges.set(binding, { buffer: resource.buffer, offset: resource.offset ?? 0, size: resource.size });
    } else if (resource instanceof GPUBuffer) {
      ranges.set(binding, { buffer: resource, offset: 0, size: undefined });
    }
  }
  return ranges;
}
