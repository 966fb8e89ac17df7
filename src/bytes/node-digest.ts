/** Node digest: SHA-256 by Node's own, which uses the processor's instructions for it. For the command line only. */

import { createHash } from 'node:crypto';
import type { StartDigest } from './digest.ts';

/** A SHA-256 by `node:crypto`. */
export const nodeDigest: StartDigest = async () => {
  const hash = createHash('sha256');
  return {
    update(data) {
      hash.update(data);
    },
    hex: () => hash.digest('hex'),
  };
};
