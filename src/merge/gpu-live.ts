/**
 * GpuLive: room for live weights on the GPU: one buffer of float32 values per tensor, or one of codes and one of scales,
 * all of them or none. Not what is written there.
 */

import { BudgetFault } from '../bytes/fault.ts';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { formBytes } from '../formats/block-quantised.ts';
import { destroyLive, liveBytesOf, type LiveTensor, LiveWeights, type LiveWish } from './live-weights.ts';

const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;

/** Makes room for live weights. Throws BudgetFault where one of the buffers cannot be had. */
export async function allocateLive(device: GPUDevice, tensors: readonly LiveWish[]): Promise<LiveWeights> {
  const live = new Map<string, LiveTensor>();
  const release = () => {
    for (const tensor of live.values()) destroyLive(tensor);
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

function allocateAll(device: GPUDevice, tensors: readonly LiveWish[], live: Map<string, LiveTensor>): void {
  for (const { name, shape, elements, form } of tensors) {
    const bytes = formBytes(form, elements);
    const size = Math.max(4, bytes.values);
    if (size > device.limits.maxBufferSize) {
      const remedy = form === 'f32' ? 'choose 8 or 4 bits for chat, or save the merge' : 'the merge can still be saved';
      throw new BudgetFault(
        `${name} takes ${size} bytes for chat, but this graphics device allows ${device.limits.maxBufferSize} in one buffer; ${remedy}.`,
        { tensors: [name] },
      );
    }
    const take = (label: string, own: number) =>
      device.createBuffer({ label, size: own, usage: STORAGE | COPY_SRC | COPY_DST });
    const buffer = take(name, size);
    if (form === 'f32') live.set(name, { kind: 'gpu', form, buffer, shape, elements });
    else live.set(name, { kind: 'gpu', form, buffer, scales: take(`${name}.scales`, bytes.scales), shape, elements });
  }
}
