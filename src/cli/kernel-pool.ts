/**
 * Kernel pool: the worker threads of the CPU path, as `CpuArithmetic` wants them. Not what they compute.
 */

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { BudgetFault } from '../bytes/fault.ts';
import type { KernelThread } from '../merge/cpu-arithmetic.ts';
import { type KernelEndpoint, kernelThread } from '../merge/kernel-thread.ts';

/** More threads than this wait for the disk. */
const MOST_THREADS = 16;

/** Starts one thread per core with the built file `script`. */
export function startKernelPool(script: URL, threads = Math.min(MOST_THREADS, availableParallelism())): KernelThread[] {
  return Array.from({ length: threads }, () => startThread(script));
}

function startThread(script: URL): KernelThread {
  const thread = new Worker(script);
  // A thread that dies never answers: whoever waits for it has to be told.
  const died = new Promise<never>((_, reject) => {
    thread.once('error', (cause: unknown) => reject(asFault(cause)));
    thread.once('exit', () => reject(new Error('a kernel thread ended before its work did')));
  });
  return kernelThread(wrap<KernelEndpoint>(nodeEndpoint(thread)), died, () => void thread.terminate());
}

function asFault(cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code !== 'ERR_WORKER_OUT_OF_MEMORY') return cause;
  return new BudgetFault('A thread ran out of memory; give merging less with --memory, such as --memory 256MB.');
}
