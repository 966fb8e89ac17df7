/**
 * File bytes: Bytes over a File or Blob that the browser gave. Each slice is one `slice().arrayBuffer()`; never
 * `stream()`, which fails on large files in WebKit. The browser reads the disk on each call; nothing is kept.
 */

import type { Bytes } from './bytes.ts';
import { MissingFault } from './fault.ts';
import { checkRange, endedEarly } from './short-read.ts';

/**
 * Bytes over a File or Blob. `name` defaults to the file's own name. A slice throws MissingFault where the browser
 * can no longer read the file: it was moved, deleted or changed after it was chosen.
 */
export function fileBytes(file: Blob, name = file instanceof File ? file.name : 'blob'): Bytes {
  return {
    name,
    size: file.size,
    async slice(start, end) {
      checkRange(name, file.size, start, end);
      let buffer: ArrayBuffer;
      try {
        buffer = await file.slice(start, end).arrayBuffer();
      } catch (cause) {
        if (!isUnreadable(cause)) throw cause;
        throw new MissingFault(
          `${name} can no longer be read; it was moved, deleted or changed after it was added, so add it again.`,
          { file: name, cause: String(cause) },
        );
      }
      if (buffer.byteLength !== end - start) throw endedEarly(name, start, end, buffer.byteLength);
      return new Uint8Array(buffer);
    },
  };
}

function isUnreadable(cause: unknown): boolean {
  return cause instanceof DOMException && ['NotReadableError', 'NotFoundError', 'SecurityError'].includes(cause.name);
}
