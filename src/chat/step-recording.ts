/**
 * StepRecording: the GPU commands of one captured step, taken down at the device while onnxruntime replays them, and
 * given to the queue by ourselves from then on: one encoder, one pass and one submission for a token, where onnxruntime
 * submits every sixteen commands and crosses into WebAssembly for each. It owns no buffer: pipelines, bindings and what
 * they point to stay alive as long as the session that made them. Whether what it does is right is for
 * `session.ts` to prove.
 */

/** One dispatch, with all that it needs. */
interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  /** By index of the group. */
  readonly groups: readonly GPUBindGroup[];
  readonly size: readonly [x: number, y: number, z: number] | { readonly buffer: GPUBuffer; readonly offset: number };
}

/** What was done on the device. */
export class StepRecording {
  readonly #device: GPUDevice;
  readonly #dispatches: readonly Dispatch[];

  private constructor(device: GPUDevice, dispatches: readonly Dispatch[]) {
    this.#device = device;
    this.#dispatches = dispatches;
  }

  /**
   * Takes down what onnxruntime does during `run`. Encoders of our own have labels, by which they are told apart: merging
   * may go on at the same time.
   * @returns null where something else than dispatches was done, which a recording could not do again.
   */
  static async of(device: GPUDevice, run: () => Promise<void>): Promise<StepRecording | null> {
    const dispatches: Dispatch[] = [];
    let isComplete = true;
    const create = device.createCommandEncoder.bind(device);
    device.createCommandEncoder = (descriptor) => {
      const encoder = create(descriptor);
      if (!descriptor?.label) {
        follow(encoder, dispatches, () => {
          isComplete = false;
        });
      }
      return encoder;
    };
    try {
      await run();
    } finally {
      // What was there before is the prototype's.
      Reflect.deleteProperty(device, 'createCommandEncoder');
    }
    return isComplete && dispatches.length > 0 ? new StepRecording(device, dispatches) : null;
  }

  /** Does it all again. */
  submit(): void {
    const encoder = this.#device.createCommandEncoder({ label: 'step' });
    const pass = encoder.beginComputePass();
    let pipeline: GPUComputePipeline | null = null;
    for (const dispatch of this.#dispatches) {
      if (dispatch.pipeline !== pipeline) pass.setPipeline(dispatch.pipeline);
      pipeline = dispatch.pipeline;
      for (let index = 0; index < dispatch.groups.length; index++) {
        pass.setBindGroup(index, dispatch.groups[index]);
      }
      const { size } = dispatch;
      if ('buffer' in size) pass.dispatchWorkgroupsIndirect(size.buffer, size.offset);
      else pass.dispatchWorkgroups(...size);
    }
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
  }
}

/** Takes down the dispatches of one encoder; anything else that would have to be done again calls `onOther`. */
function follow(encoder: GPUCommandEncoder, dispatches: Dispatch[], onOther: () => void): void {
  const begin = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = (descriptor) => {
    const pass = begin(descriptor);
    followPass(pass, dispatches, onOther);
    return pass;
  };
  for (const name of ['copyBufferToBuffer', 'clearBuffer'] as const) {
    const own = encoder[name].bind(encoder) as (...what: unknown[]) => undefined;
    encoder[name] = (...what: unknown[]) => {
      onOther();
      return own(...what);
    };
  }
}

function followPass(pass: GPUComputePassEncoder, dispatches: Dispatch[], onOther: () => void): void {
  let pipeline: GPUComputePipeline | null = null;
  const groups: GPUBindGroup[] = [];
  const take = (size: Dispatch['size']) => {
    // A gap would be a group that was not set.
    if (pipeline === null || Object.keys(groups).length !== groups.length) onOther();
    else dispatches.push({ pipeline, groups: [...groups], size });
  };
  const setPipeline = pass.setPipeline.bind(pass);
  pass.setPipeline = (next) => {
    pipeline = next;
    return setPipeline(next);
  };
  const setBindGroup = pass.setBindGroup.bind(pass) as (...what: unknown[]) => undefined;
  pass.setBindGroup = (index: number, group: GPUBindGroup | null | undefined, ...offsets: unknown[]) => {
    // Offsets that change from call to call are nothing that onnxruntime uses.
    if (!group || offsets.length > 0) onOther();
    else groups[index] = group;
    return setBindGroup(index, group, ...offsets);
  };
  const dispatch = pass.dispatchWorkgroups.bind(pass);
  pass.dispatchWorkgroups = (x, y = 1, z = 1) => {
    take([x, y, z]);
    return dispatch(x, y, z);
  };
  const indirect = pass.dispatchWorkgroupsIndirect.bind(pass);
  pass.dispatchWorkgroupsIndirect = (buffer, offset) => {
    take({ buffer, offset });
    return indirect(buffer, offset);
  };
}
