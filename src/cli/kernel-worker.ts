/**
 * Kernel worker: a thread of the CPU path in Node: one `CpuWorker` for whoever started it. A file of its own beside the
 * built command line, because a thread begins with a file. The browser's is in `merge/`.
 */

import { parentPort } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { kernelEndpoint } from '../merge/kernel-thread.ts';

if (!parentPort) throw new Error('kernel-worker runs as a worker thread only');

expose(kernelEndpoint(), nodeEndpoint(parentPort));
