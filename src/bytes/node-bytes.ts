/**
 * Node bytes: Bytes over a path, read by position through one open file handle. For Node only: nothing that a
 * browser loads may import it.
 */

import { type FileHandle, open } from 'node:fs/promises';
import type { Bytes } from './bytes.ts';
import { MissingFault } from './fault.ts';
import { checkRange, endedEarly } from './short-read.ts';
import { spareBuffers } from './spare-buffers.ts';

/** Bytes of a file on disk, with the handle that must be closed. */
export interface NodeBytes extends Bytes {
  /** Closes the file. Safe to call twice. Slices after it throw. */
  close(): Promise<void>;
}

/** One system read is at most 2 GiB - 1; larger slices take several. */
const MAX_READ_BYTES = 2 ** 30;

/**
 * Opens `path`. `name` is used in messages. Throws MissingFault where it is not a file that can be read; a slice throws it
 * where the file has changed since it was opened.
 */
export async function nodeBytes(path: string, name = path): Promise<NodeBytes> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    throw unreadable(name, cause);
  }
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new MissingFault(`${name} is not a file; name a file.`, { file: name });
  }
  let isClosed = false;
  return {
    name,
    size: stat.size,
    async slice(start, end) {
      checkRange(name, stat.size, start, end);
      const data = spareBuffers.take(end - start);
      let filled = 0;
      while (filled < data.byteLength) {
        const length = Math.min(MAX_READ_BYTES, data.byteLength - filled);
        const { bytesRead } = await handle.read(data, filled, length, start + filled);
        // The file shrank after it was opened: its size said that these bytes were there.
        if (bytesRead === 0) throw endedEarly(name, start, end, filled);
        filled += bytesRead;
      }
      // Some of the old and some of the new would make a model that never was.
      const now = await handle.stat();
      if (now.mtimeMs !== stat.mtimeMs || now.size !== stat.size) throw changed(name);
      return data;
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await handle.close();
    },
  };
}

function changed(name: string): MissingFault {
  return new MissingFault(`${name} changed on disk after it was opened; wait until it is written, then run again.`, {
    file: name,
  });
}

function unreadable(name: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new MissingFault(`${name} does not exist; check the path.`, { file: name });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new MissingFault(`${name} may not be read by this user; change its permissions.`, { file: name });
  }
  return cause;
}
