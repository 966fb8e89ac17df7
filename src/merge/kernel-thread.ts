/**
 * Kernel thread: both ends of the wire between `CpuArithmetic` and a `CpuWorker` in a thread of its own. Messages are
 * comlink's; what starts a thread, and how its death is known, differ between a browser and Node and come from there.
 */

import { type Remote, releaseProxy, transfer } from 'comlink';
import type { KernelThread } from './cpu-arithmetic.ts';
import { buffersOf, type CpuCall, CpuWorker, perform } from './cpu-worker.ts';

/** What a thread exposes. */
export interface KernelEndpoint {
  perform(call: CpuCall, args: Parameters<CpuWorker[CpuCall]>): ReturnType<CpuWorker[CpuCall]>;
}

/** The thread's end: give it to comlink's `expose`. */
export function kernelEndpoint(): KernelEndpoint {
  const worker = new CpuWorker();
  return {
    perform(call, args) {
      const result = perform(worker, call, args);
      return typeof result === 'object' ? transfer(result, buffersOf(result)) : result;
    },
  };
}

/**
 * The caller's end.
 * @param died rejects when the thread can answer no more; a thread that dies says nothing by itself.
 */
export function kernelThread(
  remote: Remote<KernelEndpoint>,
  died: Promise<never>,
  terminate: () => void,
): KernelThread {
  // Not a race per call: a promise that lives as long as the thread would keep every answer that raced against it.
  const waiting = new Set<(reason: unknown) => void>();
  let death: { readonly reason: unknown } | null = null;
  died.catch((reason: unknown) => {
    death = { reason };
    for (const reject of waiting) reject(reason);
    waiting.clear();
  });
  return {
    call(call, args, buffers) {
      return new Promise((resolve, reject) => {
        if (death) return reject(death.reason);
        waiting.add(reject);
        // What TypeScript cannot see: the answer is that of this very call.
        const answer = remote.perform(call, buffers.length > 0 ? transfer(args, buffers) : args) as Promise<
          ReturnType<CpuWorker[typeof call]>
        >;
        answer.then(resolve, reject).finally(() => waiting.delete(reject));
      });
    },
    terminate() {
      remote[releaseProxy]();
      terminate();
    },
  };
}
