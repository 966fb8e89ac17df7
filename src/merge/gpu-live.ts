/**
 * GpuLive: room for live weights on the GPU: one F32 buffer per tensor, all of them or none. Not what is written there.
 */

import { BudgetFault } from '../bytes/fault.ts';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { liveBytesOf, LiveWeights, type LiveTensor } from './live-weights.ts';

const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;

interface LiveShape {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
}

/** Makes room for live weights. Throws BudgetFault where one of the buffers cannot be had. */
export async function allocateLive(device: GPUDevice, tensors: readonly LiveShape[]): Promise<LiveWeights> {
  const live = new Map<string, LiveTensor>();
  const release = () => {
    for (const tensor of live.values()) if (tensor.kind === 'gpu') tensor.buffer.destroy();
  };
  device.pushErrorScope('out-of-memory');
  let refusal: unknown = null;
  try {
    allocateAll(device, tensors, live);
  } catch (error) {
    refusal = error;
  }
  const exhausted = await device.popErrorScope();
  if (refusal !== null) {
    release();
    throw refusal;
  }
  if (exhausted) {
    release();
    throw new BudgetFault(
      `The graphics device has no room for the ${liveBytesOf(tensors)} bytes that chat needs; close other tabs or lower the memory budget. The merge can still be saved.`,
    );
  }
  return new LiveWeights(live, device);
}

function allocateAll(device: GPUDevice, tensors: readonly LiveShape[], live: Map<string, LiveTensor>): void {
  for (const { name, shape, elements } of tensors) {
    const size = Math.max(4, elements * 4);
    if (size > device.limits.maxBufferSize) {
      throw new BudgetFault(
        `${name} takes ${size} bytes for chat, but this graphics device allows ${device.limits.maxBufferSize} in one buffer; the merge can still be saved.`,
        { tensors: [name] },
      );
    }
    const buffer = device.createBuffer({ label: name, size, usage: STORAGE | COPY_SRC | COPY_DST });
    live.set(name, { kind: 'gpu', buffer, shape, elements });
  }
}
