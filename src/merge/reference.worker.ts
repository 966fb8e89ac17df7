/** A worker of the CPU path in a browser: does reference work for whoever started it. Node's is in `cli/`. */

import { expose, transfer } from 'comlink';
import { doReferenceWork, type ReferenceResult, type ReferenceWork } from './reference-work.ts';

expose({
  run(work: ReferenceWork): ReferenceResult {
    const result = doReferenceWork(work);
    // The empty ones are shared constants: handing them over once would break the next result.
    const buffers = [result.bytes.buffer, result.values.buffer, result.partials.buffer];
    return transfer(
      result,
      buffers.filter((buffer) => buffer.byteLength > 0),
    );
  },
});
