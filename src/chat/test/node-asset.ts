/**
 * NodeAsset: an asset's bytes in Node, where its address is its path below the project. Not shipped.
 */

import { readFile } from 'node:fs/promises';

/** Reads the asset at an address such as `/e2e/fixtures/…`. */
export function readNodeAsset(address: string): Promise<Uint8Array> {
  return readFile(`.${address}`);
}
