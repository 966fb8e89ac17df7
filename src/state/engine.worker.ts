/** The engine's worker: exposes one Engine to the page and starts the CPU path's workers for it. */

import './wire.ts';
import { expose, releaseProxy, wrap, type Remote } from 'comlink';
import { gpuHere } from '../gpu/device.ts';
import type { ReferenceWorker } from '../merge/cpu-arithmetic.ts';
import { Engine } from './engine.ts';

/** Workers of the CPU path: one per core, one left for the page. */
const MOST_REFERENCE_WORKERS = 8;

function startReferenceWorkers(): ReferenceWorker[] {
  const count = Math.max(1, Math.min(MOST_REFERENCE_WORKERS, navigator.hardwareConcurrency - 1));
  return Array.from({ length: count }, () => {
    const worker = new Worker(new URL('../merge/reference.worker.ts', import.meta.url), { type: 'module' });
    const remote: Remote<Pick<ReferenceWorker, 'run'>> = wrap(worker);
    return {
      run: (work) => remote.run(work),
      terminate() {
        remote[releaseProxy]();
        worker.terminate();
      },
    };
  });
}

expose(new Engine({ gpu: gpuHere(), startReferenceWorkers }));
