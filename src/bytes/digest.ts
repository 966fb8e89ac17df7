/**
 * Digest: SHA-256 of bytes as they pass by, a chunk at a time. This one is WebAssembly and runs anywhere; Node's own,
 * several times faster, is `node-digest.ts`.
 */

import { createSHA256 } from 'hash-wasm';

/** One running SHA-256. */
export interface Digest {
  /** Takes the next bytes. They may be reused afterwards. */
  update(data: Uint8Array): void;
  /** The sum of everything so far, as 64 lower-case hexadecimal digits. Called once, at the end. */
  hex(): string;
}

/** Begins a SHA-256. */
export type StartDigest = () => Promise<Digest>;

/** A SHA-256 in WebAssembly. */
export const wasmDigest: StartDigest = async () => {
  const hasher = await createSHA256();
  hasher.init();
  return {
    update(data) {
      hasher.update(data);
    },
    hex: () => hasher.digest('hex'),
  };
};
