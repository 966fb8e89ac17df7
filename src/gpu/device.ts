/**
 * Device: one GPUDevice for merging and chat, asked for with what the adapter offers and nothing that could give
 * wrong numbers. Not a fallback: where there is no adapter it says why, and the caller decides.
 */

import { DeviceFault } from '../bytes/fault.ts';

/** An open device with the facts about it that others decide by. */
export interface Device {
  readonly device: GPUDevice;
  /** A name for people, such as "NVIDIA, lovelace" or "SwiftShader". */
  readonly label: string;
  /** True for a software rasteriser: right, but slow. */
  readonly isSoftware: boolean;
  /** Largest buffer that a kernel can bind, in bytes. */
  readonly bindingLimitBytes: number;
  /** Largest buffer, in bytes. */
  readonly bufferLimitBytes: number;
  /** Resolves when the device is lost, with a sentence. Never rejects. */
  readonly lost: Promise<string>;
}

/** The limits worth raising above WebGPU's defaults: sizes, and the storage buffers that chat's fused kernels bind. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/** Software adapters name themselves so; `isFallbackAdapter` is not set by every browser. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|warp|basic render/i;

/** Whether an adapter is a software rasteriser, by what it says of itself. */
export function isSoftwareAdapter(
  info: Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'description'> & { readonly isFallbackAdapter?: boolean },
): boolean {
  return info.isFallbackAdapter === true || SOFTWARE.test(`${info.vendor} ${info.architecture} ${info.description}`);
}

/** WebGPU's entry point in this place, or null where there is none. */
export function gpuHere(): GPU | null {
  return typeof navigator === 'undefined' ? null : ((navigator as { gpu?: GPU }).gpu ?? null);
}

/**
 * Opens the device. Throws DeviceFault where WebGPU or an adapter is missing.
 * @param gpu WebGPU's entry point: the browser's, or Dawn's in Node.
 */
export async function openDevice(gpu: GPU | null): Promise<Device> {
  if (!gpu) {
    throw new DeviceFault(
      'This browser offers no WebGPU here; it needs a recent Chrome, Edge, Safari or Firefox and an https or localhost address.',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new DeviceFault('WebGPU found no graphics card that it may use.');

  const requiredLimits: Record<string, number> = {};
  for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name];

  const requiredFeatures: GPUFeatureName[] = [];
  for (const feature of ['shader-f16', 'timestamp-query'] as const) {
    if (adapter.features.has(feature)) requiredFeatures.push(feature);
  }
  // onnxruntime's prefill attention is silently wrong at subgroup size 4, which small adapters report.
  if (adapter.features.has('subgroups') && (adapter.info.subgroupMinSize ?? 0) >= 8) requiredFeatures.push('subgroups');

  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  const { vendor, architecture, description } = adapter.info;
  const label = description || [vendor, architecture].filter(Boolean).join(', ') || 'unnamed adapter';
  return {
    device,
    label,
    isSoftware: isSoftwareAdapter(adapter.info),
    bindingLimitBytes: device.limits.maxStorageBufferBindingSize,
    bufferLimitBytes: device.limits.maxBufferSize,
    lost: device.lost.then((info) => info.message || `The graphics device was lost (${info.reason}).`),
  };
}
