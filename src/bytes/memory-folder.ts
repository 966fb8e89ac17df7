/**
 * Memory folder: a Folder that keeps its files in memory, for tests and small outputs. Like every Folder it shows
 * nothing before it is finished.
 */

import { measuredFolder } from './measured-folder.ts';
import type { Folder } from './sink.ts';

/** A Folder with its files: null until `finish()`, and again null for ever after `abort()`. */
export interface MemoryFolder extends Folder {
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>> | null;
}

/** Makes an empty folder in memory. */
export function memoryFolder(): MemoryFolder {
  const written = new Map<string, Uint8Array<ArrayBuffer>>();
  let isFinished = false;
  const folder = measuredFolder({
    async create(name, sizeBytes) {
      const data = new Uint8Array(sizeBytes);
      let position = 0;
      return {
        async write(chunk) {
          data.set(chunk, position);
          position += chunk.byteLength;
        },
        async close() {
          written.set(name, data);
        },
      };
    },
    async finish() {
      isFinished = true;
    },
    async abort() {
      written.clear();
    },
  });
  return {
    ...folder,
    get files() {
      return isFinished ? written : null;
    },
  };
}
