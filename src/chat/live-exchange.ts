/**
 * LiveExchange: exchanges dispatches of onnxruntime for others at the device, while it makes them: for runs that are never
 * recorded, because each is of another length. What is exchanged and for what is the caller's; everything else passes.
 * The recorded step has its own way (`step-recording.ts`).
 */

import { followingEncoders, followPasses } from './runtime-encoders.ts';
import { type BoundKernel, KernelWatch } from './step-kernels.ts';
import type { SizedDispatch } from './step-recording.ts';

/** What stands in for a dispatch; null: it stays. */
export type Exchange = (kernel: BoundKernel) => readonly SizedDispatch[] | null;

/** Runs something of onnxruntime's with dispatches exchanged. Calls must be made in turn. */
export async function exchanging<T>(device: GPUDevice, exchange: Exchange, run: () => Promise<T>): Promise<T> {
  const watch = KernelWatch.on(device);
  const stopWatching = watch.watchBindings();
  const followed = (encoder: GPUCommandEncoder) => followPasses(encoder, (pass) => follow(pass, watch, exchange));
  try {
    return await followingEncoders(device, followed, run);
  } finally {
    stopWatching();
  }
}

function follow(pass: GPUComputePassEncoder, watch: KernelWatch, exchange: Exchange): void {
  let pipeline: GPUComputePipeline | null = null;
  const groups: GPUBindGroup[] = [];
  let hasOffsets = false;
  const setPipeline = pass.setPipeline.bind(pass);
  const setBindGroup = pass.setBindGroup.bind(pass) as (...what: unknown[]) => undefined;
  const dispatch = pass.dispatchWorkgroups.bind(pass);
  pass.setPipeline = (next) => {
    pipeline = next;
    return setPipeline(next);
  };
  pass.setBindGroup = (index: number, group: GPUBindGroup | null | undefined, ...offsets: unknown[]) => {
    hasOffsets ||= offsets.length > 0;
    if (group) groups[index] = group;
    return setBindGroup(index, group, ...offsets);
  };
  pass.dispatchWorkgroups = (x, y, z) => {
    const kernel = pipeline === null || hasOffsets ? null : watch.kernelOf(pipeline, groups);
    const own = kernel === null ? null : exchange(kernel);
    if (own === null || pipeline === null) return dispatch(x, y, z);
    for (const one of own) {
      setPipeline(one.pipeline);
      one.groups.forEach((group, index) => setBindGroup(index, group));
      dispatch(...one.size);
    }
    // As whoever encodes left it.
    setPipeline(pipeline);
    groups.forEach((group, index) => setBindGroup(index, group));
    return undefined;
  };
}
