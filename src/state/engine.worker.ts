/** The engine's worker: exposes one Engine to the page and starts the CPU path's workers for it. */

import './wire.ts';
import { expose, wrap } from 'comlink';
import { gpuHere } from '../gpu/device.ts';
import type { KernelThread } from '../merge/cpu-arithmetic.ts';
import { type KernelEndpoint, kernelThread } from '../merge/kernel-thread.ts';
import { Engine } from './engine.ts';
import { onWire } from './engine-wire.ts';

/** Workers of the CPU path: one per core, one left for the page. */
const MOST_KERNEL_WORKERS = 8;

function startKernelWorkers(): KernelThread[] {
  const count = Math.max(1, Math.min(MOST_KERNEL_WORKERS, navigator.hardwareConcurrency - 1));
  return Array.from({ length: count }, () => {
    const worker = new Worker(new URL('../merge/kernel.worker.ts', import.meta.url), { type: 'module' });
    const died = new Promise<never>((_, reject) => {
      worker.addEventListener('error', ({ message }) =>
        reject(new Error(`a worker of the CPU path failed (${message || 'it could not be started'})`)),
      );
    });
    return kernelThread(wrap<KernelEndpoint>(worker), died, () => worker.terminate());
  });
}

expose(onWire(new Engine({ gpu: gpuHere(), startKernelWorkers })));
