/** A worker of the CPU path in a browser: does reference work for whoever started it. Node's is in `cli/`. */

import { expose, transfer } from 'comlink';
import { doReferenceWork, type ReferenceResult, type ReferenceWork, transferables } from './reference-work.ts';

expose({
  run(work: ReferenceWork): ReferenceResult {
    const result = doReferenceWork(work);
    return transfer(result, transferables(result));
  },
});
