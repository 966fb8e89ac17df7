/**
 * Device: where the command line merges, by speed: on a graphics card through Dawn (the optional package `webgpu`), else
 * by the same kernels on the CPU, which are faster than a GPU that is only played in software. Decides and says why; it
 * merges nothing.
 */

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { DeviceFault } from '../bytes/fault.ts';
import { type Device, isSoftwareAdapter, openDevice } from '../gpu/device.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { CpuArithmetic, type KernelThread } from '../merge/cpu-arithmetic.ts';
import { GpuArithmetic } from '../merge/gpu-arithmetic.ts';

export type DeviceChoice = 'auto' | 'gpu' | 'cpu';

/** Where merging happens. */
export interface Place {
  readonly arithmetic: Arithmetic;
  /** One sentence: which of the two, and why. */
  readonly reason: string;
  /** Most bytes that merging holds here unless the user says otherwise. */
  readonly budgetBytes: number;
  dispose(): void;
}

/** WebGPU's entry point in Node, or the reason why there is none. */
export type FoundGpu = { readonly gpu: GPU } | { readonly gpu: null; readonly why: string };

/** Which adapters are worth finding: `hardware`, or `any`, software rasterisers included. */
export type WantedGpu = 'hardware' | 'any';

const GIB = 2 ** 30;

/** Half of it holds tensors while they are looked through; the process stays well below a gigabyte. */
const CPU_BUDGET_BYTES = GIB / 2;

/** A driver that does not answer by then will not. */
const PROBE_MS = 20_000;

/**
 * Asks for an adapter in a process of its own: a driver that crashes takes only that one with it, and what it
 * prints does not mix with our lines. The package's address is the one argument; the answer is the last line.
 */
const PROBE = `
const { create, globals } = await import(process.argv[1]);
Object.assign(globalThis, globals);
const adapter = await create([]).requestAdapter({ powerPreference: 'high-performance' });
if (!adapter) process.exit(3);
const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
process.stdout.write('\\n' + JSON.stringify({ vendor, architecture, description, isFallbackAdapter }), () => process.exit(0));
`;

/** Opens the place. Throws DeviceFault for `gpu` where there is no adapter. */
export async function openPlace(
  choice: DeviceChoice,
  find: (wanted: WantedGpu) => Promise<FoundGpu>,
  startThreads: () => readonly KernelThread[],
): Promise<Place> {
  let why = 'as asked';
  if (choice !== 'cpu') {
    const opened = await openGpu(() => find(choice === 'gpu' ? 'any' : 'hardware'));
    if (typeof opened === 'string') {
      if (choice === 'gpu')
        throw new DeviceFault(
          `--device gpu found no GPU to run on: ${opened}; leave the option out to merge on the CPU.`,
        );
      why = opened;
    } else if (opened.isSoftware && choice === 'auto') {
      opened.device.destroy();
      why = softwareOnly(opened.label);
    } else {
      return gpuPlace(opened);
    }
  }
  const threads = startThreads();
  const arithmetic = new CpuArithmetic(threads);
  const count = `${Math.max(1, threads.length)} ${threads.length > 1 ? 'threads' : 'thread'}`;
  return {
    arithmetic,
    reason: `Merging on the CPU, ${count}: ${why}.`,
    budgetBytes: CPU_BUDGET_BYTES,
    dispose: () => arithmetic.dispose(),
  };
}

function softwareOnly(label: string): string {
  return `the only graphics adapter is a software one (${label}), which is slower`;
}

async function openGpu(find: () => Promise<FoundGpu>): Promise<Device | string> {
  const found = await find();
  if (found.gpu === null) return found.why;
  try {
    return await openDevice(found.gpu);
  } catch (cause) {
    return (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '');
  }
}

function gpuPlace(device: Device): Place {
  const arithmetic = new GpuArithmetic(device);
  const software = device.isSoftware ? ' (a software adapter: right, but slower than --device cpu)' : '';
  return {
    arithmetic,
    reason: `Merging on the GPU through WebGPU: ${device.label}${software}.`,
    budgetBytes: 2 * GIB,
    dispose() {
      arithmetic.dispose();
      device.device.destroy();
    },
  };
}

/** Dawn lives only as long as this object: without a reference to it, everything on its devices is freed under us. */
let dawn: GPU | null = null;

/** Dawn, where its package is installed and finds a wanted adapter. */
export async function findDawn(wanted: WantedGpu): Promise<FoundGpu> {
  let address: string;
  try {
    address = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  } catch {
    return { gpu: null, why: 'the optional package webgpu is not installed' };
  }
  const obstacle = await probe(address, wanted);
  if (obstacle !== null) return { gpu: null, why: obstacle };
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    dawn ??= create([]);
    return { gpu: dawn };
  } catch (cause) {
    return { gpu: null, why: `WebGPU could not be loaded (${cause instanceof Error ? cause.message : String(cause)})` };
  }
}

/** What stands against Dawn here, or null. */
function probe(address: string, wanted: WantedGpu): Promise<string | null> {
  return new Promise((resolve) => {
    const args = ['--input-type=module', '--eval', PROBE, address];
    execFile(process.execPath, args, { timeout: PROBE_MS, windowsHide: true }, (error, stdout, stderr) => {
      if (error === null) return resolve(wanted === 'any' ? null : softwareObstacle(stdout));
      const vulkan = /Couldn't load Vulkan: ([^\n]+)/.exec(stderr)?.[1];
      if (vulkan !== undefined) return resolve(`no graphics driver for Vulkan was found (${vulkan.trim()})`);
      if (error.code === 3) return resolve('WebGPU found no graphics adapter');
      if (error.killed === true) return resolve('the graphics driver did not answer');
      const reason = /^\w*Error: ([^\n]+)/m.exec(stderr)?.[1] ?? error.signal ?? `exit code ${error.code}`;
      return resolve(`WebGPU could not be started (${reason})`);
    });
  });
}

/** Known before Dawn is loaded into this process, which would cost a second and its memory. */
function softwareObstacle(stdout: string): string | null {
  const info = JSON.parse(stdout.trim().split('\n').pop() ?? '{}') as GPUAdapterInfo;
  return isSoftwareAdapter(info) ? softwareOnly(info.description || info.vendor) : null;
}
