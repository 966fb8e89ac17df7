/**
 * Device: where the command line merges: on the GPU through Dawn (the optional package `webgpu`) where that finds an
 * adapter, else on the methods' float64 references. Decides and says why; it merges nothing.
 */

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { DeviceFault } from '../bytes/fault.ts';
import { type Device, openDevice } from '../gpu/device.ts';
import type { Arithmetic } from '../merge/arithmetic.ts';
import { CpuArithmetic, type ReferenceWorker } from '../merge/cpu-arithmetic.ts';
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

const GIB = 2 ** 30;

/** A driver that does not answer by then will not. */
const PROBE_MS = 20_000;

/**
 * Asks for an adapter in a process of its own: a driver that crashes takes only that one with it, and what it
 * prints does not mix with our lines. The package's address is the one argument.
 */
const PROBE = `
const { create, globals } = await import(process.argv[1]);
Object.assign(globalThis, globals);
const adapter = await create([]).requestAdapter({ powerPreference: 'high-performance' });
process.exit(adapter ? 0 : 3);
`;

/** Opens the place. Throws DeviceFault for `gpu` where there is no adapter. */
export async function openPlace(
  choice: DeviceChoice,
  find: () => Promise<FoundGpu>,
  startWorkers: () => readonly ReferenceWorker[],
): Promise<Place> {
  let why = 'as asked';
  if (choice !== 'cpu') {
    const opened = await openGpu(find);
    if (typeof opened !== 'string') return gpuPlace(opened);
    if (choice === 'gpu') throw new DeviceFault(`--device gpu found no GPU to run on: ${opened}.`);
    why = opened;
  }
  const workers = startWorkers();
  const arithmetic = new CpuArithmetic(workers);
  const threads = `${Math.max(1, workers.length)} ${workers.length > 1 ? 'threads' : 'thread'}`;
  return {
    arithmetic,
    reason: `Merging on the CPU by the float64 references, ${threads}: ${why}.`,
    budgetBytes: GIB,
    dispose: () => arithmetic.dispose(),
  };
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
  const software = device.isSoftware ? ' (a software adapter: right, but slow; --device cpu may be faster)' : '';
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

/** Dawn, where its package is installed and finds an adapter. */
export async function findDawn(): Promise<FoundGpu> {
  let address: string;
  try {
    address = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  } catch {
    return { gpu: null, why: 'the optional package webgpu is not installed' };
  }
  const obstacle = await probe(address);
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

function probe(address: string): Promise<string | null> {
  return new Promise((resolve) => {
    const args = ['--input-type=module', '--eval', PROBE, address];
    execFile(process.execPath, args, { timeout: PROBE_MS, windowsHide: true }, (error, _stdout, stderr) => {
      if (error === null) return resolve(null);
      const vulkan = /Couldn't load Vulkan: ([^\n]+)/.exec(stderr)?.[1];
      if (vulkan !== undefined) return resolve(`no graphics driver for Vulkan was found (${vulkan.trim()})`);
      if (error.code === 3) return resolve('WebGPU found no graphics adapter');
      if (error.killed === true) return resolve('the graphics driver did not answer');
      const reason = /^\w*Error: ([^\n]+)/m.exec(stderr)?.[1] ?? error.signal ?? `exit code ${error.code}`;
      return resolve(`WebGPU could not be started (${reason})`);
    });
  });
}
