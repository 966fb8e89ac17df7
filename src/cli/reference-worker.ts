/**
 * Reference worker: a thread of the CPU path in Node; does reference work for whoever started it. A file of its own
 * beside the built command line, because a thread begins with a file. The browser's is in `merge/`.
 */

import { parentPort } from 'node:worker_threads';
import { expose, transfer } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { doReferenceWork, type ReferenceResult, type ReferenceWork, transferables } from '../merge/reference-work.ts';

if (!parentPort) throw new Error('reference-worker runs as a worker thread only');

expose(
  {
    run(work: ReferenceWork): ReferenceResult {
      const result = doReferenceWork(work);
      return transfer(result, transferables(result));
    },
  },
  nodeEndpoint(parentPort),
);
