/**
 * GpuWeights: a device and weights on it for the tests that run in a browser. A missing adapter is an error here,
 * never a reason to skip. Not shipped.
 */

import type { Tensors } from './forward.ts';
import type { Placed } from './agreement.ts';

/** Opens a device as the product does: with the adapter's limits, and with subgroups only where ORT is right. */
export async function testDevice(features: readonly GPUFeatureName[] = []): Promise<GPUDevice> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error('This browser has no WebGPU adapter; the GPU suites need one (SwiftShader will do).');
  const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } = adapter.limits;
  return adapter.requestDevice({
    requiredFeatures: features.filter((feature) => adapter.features.has(feature)),
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage },
  });
}

/** Puts tensors into buffers of their own, some of them larger than they are, as a pool makes them. */
export function placeOnGpu(device: GPUDevice, tensors: Tensors): Placed {
  const placed = new Map(
    [...tensors].map(([name, { data, shape }], index) => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const buffer = device.createBuffer({ label: name, size: data.byteLength + (index % 3) * 256, usage });
      device.queue.writeBuffer(buffer, 0, data.slice());
      return [name, { buffer, shape }];
    }),
  );
  return {
    weights: { kind: 'gpu', device, tensors: placed },
    edit: (name, data) => {
      const tensor = placed.get(name);
      if (tensor) device.queue.writeBuffer(tensor.buffer, 0, data);
    },
    free: () => {
      for (const { buffer } of placed.values()) buffer.destroy();
    },
  };
}
