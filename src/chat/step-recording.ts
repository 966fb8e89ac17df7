/**
 * StepRecording: the GPU commands of one captured step, taken down at the device while onnxruntime replays them, and
 * given to the queue by ourselves from then on: one encoder, one pass and one submission for a token, where onnxruntime
 * submits every sixteen commands and crosses into WebAssembly for each. Runs of its dispatches can be exchanged for
 * others (`step-replacing.ts`). It owns no buffer: pipelines, bindings and what they point to stay alive as long as the
 * session that made them. Whether what it does is right is for `session.ts` to prove.
 */

import { followingEncoders, followPasses } from './runtime-encoders.ts';
import { type BoundKernel, KernelWatch } from './step-kernels.ts';

/** What differs from token to token, by the names of the graph's small inputs. */
export type StepNumbers = Readonly<Record<string, number>>;

/** Numbers of workgroups. */
export type Workgroups = readonly [x: number, y: number, z: number];

/** One dispatch, with all that it needs. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  /** By index of the group. */
  readonly groups: readonly GPUBindGroup[];
  /** A function works it out anew for each token. */
  readonly size:
    | Workgroups
    | { readonly buffer: GPUBuffer; readonly offset: number }
    | ((numbers: StepNumbers) => Workgroups);
}

/** One dispatch whose size does not depend on the token. */
export interface SizedDispatch extends Dispatch {
  readonly size: Workgroups;
}

/** A dispatch that was taken down. */
export interface RecordedDispatch extends Dispatch {
  /** Null where it is not known what it computes with; then it must stay. */
  readonly kernel: BoundKernel | null;
}

/** Dispatches in the place of others. */
export interface StepReplacement {
  /** Index of the first one that is left out. */
  readonly first: number;
  /** How many are left out, one at least. */
  readonly count: number;
  readonly dispatches: readonly Dispatch[];
}

/** What was done on the device. */
export class StepRecording {
  /** As they were recorded, whatever is exchanged. */
  readonly recorded: readonly RecordedDispatch[];
  readonly #device: GPUDevice;
  readonly #dispatches: readonly Dispatch[];

  private constructor(device: GPUDevice, recorded: readonly RecordedDispatch[], dispatches: readonly Dispatch[]) {
    this.#device = device;
    this.recorded = recorded;
    this.#dispatches = dispatches;
  }

  /**
   * Takes down what onnxruntime does during `run`.
   * @returns null where something else than dispatches was done, which a recording could not do again.
   */
  static async of(device: GPUDevice, run: () => Promise<void>): Promise<StepRecording | null> {
    const dispatches: Dispatch[] = [];
    const watch = KernelWatch.on(device);
    let isComplete = true;
    const onOther = () => {
      isComplete = false;
    };
    await followingEncoders(device, (encoder) => follow(encoder, dispatches, onOther), run);
    if (!isComplete || dispatches.length === 0) return null;
    const recorded = dispatches.map((one) => ({ ...one, kernel: watch.kernelOf(one.pipeline, one.groups) }));
    return new StepRecording(device, recorded, recorded);
  }

  /**
   * A recording with some of what was recorded exchanged; this one stays as it is.
   * @throws RangeError where two of them meet, or one reaches outside.
   */
  with(replacements: readonly StepReplacement[]): StepRecording {
    const inOrder = [...replacements].sort((one, other) => one.first - other.first);
    const dispatches: Dispatch[] = [];
    let next = 0;
    for (const { first, count, dispatches: own } of inOrder) {
      if (count < 1 || first < next || first + count > this.recorded.length) {
        throw new RangeError(`dispatches ${first} to ${first + count} cannot be exchanged`);
      }
      dispatches.push(...this.recorded.slice(next, first), ...own);
      next = first + count;
    }
    dispatches.push(...this.recorded.slice(next));
    return new StepRecording(this.#device, this.recorded, dispatches);
  }

  /** Does it all again, for another token. */
  submit(numbers: StepNumbers): void {
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
      if (typeof size === 'function') pass.dispatchWorkgroups(...size(numbers));
      else if ('buffer' in size) pass.dispatchWorkgroupsIndirect(size.buffer, size.offset);
      else pass.dispatchWorkgroups(...size);
    }
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
  }
}

/** Takes down the dispatches of one encoder; anything else that would have to be done again calls `onOther`. */
function follow(encoder: GPUCommandEncoder, dispatches: Dispatch[], onOther: () => void): void {
  followPasses(encoder, (pass) => followPass(pass, dispatches, onOther));
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
