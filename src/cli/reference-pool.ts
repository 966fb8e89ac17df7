/**
 * Reference pool: the worker threads of the CPU path, as `CpuArithmetic` wants them. Not what they compute.
 */

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Remote, releaseProxy, wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { BudgetFault } from '../bytes/fault.ts';
import type { ReferenceWorker } from '../merge/cpu-arithmetic.ts';

/** More threads than this wait for the disk. */
const MOST_THREADS = 16;

/** Starts one thread per core with the built file `script`. */
export function startReferencePool(script: URL): ReferenceWorker[] {
  return Array.from({ length: Math.min(MOST_THREADS, availableParallelism()) }, () => startThread(script));
}

function startThread(script: URL): ReferenceWorker {
  const thread = new Worker(script);
  const remote: Remote<Pick<ReferenceWorker, 'run'>> = wrap(nodeEndpoint(thread));
  // A thread that dies never answers: whoever waits for it has to be told.
  const died = new Promise<never>((_, reject) => {
    thread.once('error', (cause: unknown) => reject(asFault(cause)));
    thread.once('exit', () => reject(new Error('a reference thread ended before its work did')));
  });
  died.catch(() => undefined);
  return {
    run: (work) => Promise.race([remote.run(work), died]),
    terminate() {
      remote[releaseProxy]();
      void thread.terminate();
    },
  };
}

function asFault(cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code !== 'ERR_WORKER_OUT_OF_MEMORY') return cause;
  return new BudgetFault('A thread ran out of memory; give merging less with --memory, such as --memory 256MB.');
}
