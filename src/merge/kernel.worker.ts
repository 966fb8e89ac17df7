/** A thread of the CPU path in a browser: one `CpuWorker` for whoever started it. Node's is in `cli/`. */

import { expose } from 'comlink';
import { kernelEndpoint } from './kernel-thread.ts';

expose(kernelEndpoint());
