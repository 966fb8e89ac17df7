/**
 * Measured folder: the part that every Folder shares. It holds callers to the contract (plain names, each once; one
 * file open at a time; exactly the announced number of bytes) and leaves to the destination only how bytes are
 * written, kept and removed.
 */

import { OutputFault } from './fault.ts';
import type { Folder, Sink } from './sink.ts';

/** One open file of a destination. */
export interface RawFile {
  /** Writes all of `data` after what was written before. `data` may be reused once the promise resolves. */
  write(data: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the file. All its bytes have been written. */
  close(): Promise<void>;
}

/** How one kind of destination writes. Called in order, never concurrently, except `abort`. */
export interface Destination {
  create(name: string, sizeBytes: number): Promise<RawFile>;
  finish(): Promise<void>;
  /** Called at most once, and not after a finish that succeeded. */
  abort(): Promise<void>;
}

/** Makes a Folder of a destination. Breaking the order of calls is a bug and throws a plain Error. */
export function measuredFolder(destination: Destination): Folder {
  const names = new Set<string>();
  let openName: string | null = null;
  let state: 'open' | 'finished' | 'aborted' = 'open';
  let finishing: Promise<void> | null = null;
  let aborting: Promise<void> | null = null;

  const requireOpen = () => {
    if (state === 'aborted') throw new OutputFault('The output was abandoned before it was finished; save it again.');
    if (state === 'finished') throw new Error('the folder is finished');
  };

  return {
    async file(name, sizeBytes): Promise<Sink> {
      requireOpen();
      requirePlainName(name);
      if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new RangeError(`${sizeBytes} is not a file size`);
      if (openName !== null) throw new Error(`${openName} must be closed before ${name} is opened`);
      if (names.has(name)) throw new OutputFault(`The output would hold two files named ${name}; rename one.`);
      names.add(name);
      openName = name;
      const raw = await destination.create(name, sizeBytes);
      let written = 0;
      let isClosed = false;
      return {
        async write(data) {
          requireOpen();
          if (isClosed) throw new Error(`${name} is closed`);
          if (written + data.byteLength > sizeBytes) throw wrongSize(name, sizeBytes, written + data.byteLength);
          written += data.byteLength;
          if (data.byteLength > 0) await raw.write(data);
        },
        async close() {
          requireOpen();
          if (isClosed) throw new Error(`${name} is closed`);
          if (written !== sizeBytes) throw wrongSize(name, sizeBytes, written);
          isClosed = true;
          await raw.close();
          openName = null;
        },
      };
    },
    async finish() {
      requireOpen();
      if (openName !== null) throw new Error(`${openName} must be closed before the folder is finished`);
      finishing = destination.finish();
      await finishing;
      state = 'finished';
    },
    async abort() {
      // What is becoming visible cannot be stopped half-way: it either is whole in a moment, or has failed.
      await finishing?.catch(() => undefined);
      if (state === 'finished') return;
      state = 'aborted';
      aborting ??= destination.abort();
      await aborting;
    },
  };
}

/** A file's name, or a folder's and a file's with a slash between them. */
function requirePlainName(name: string): void {
  const parts = name.split('/');
  if (parts.length > 2 || parts.some((part) => part === '' || part === '.' || part === '..' || /[\\\0]/.test(part))) {
    throw new OutputFault(`"${name}" cannot be a file's name in the output; use a plain name, in one folder at most.`, {
      file: name,
    });
  }
}

function wrongSize(name: string, announced: number, written: number): OutputFault {
  return new OutputFault(
    `${name} was announced with ${announced} bytes and got ${written}; nothing was kept, so save it again.`,
    { file: name, announced, written },
  );
}

/** Turns what a destination's own API threw into an OutputFault that says what to do. @param where a file, or `the zip` */
export function outputFault(where: string, cause: unknown): OutputFault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  // Node says it in `code`, browsers in `name` (a DOMException's own `code` is an old number).
  const kinds = cause instanceof Error ? [cause.name, 'code' in cause ? cause.code : null] : [];
  const is = (...wanted: readonly string[]) => kinds.some((kind) => wanted.includes(String(kind)));
  const fault = (sentence: string) => new OutputFault(sentence, { reason });
  if (is('ENOSPC', 'EDQUOT', 'QuotaExceededError')) {
    return fault(`There is no room left for ${where}; free some space or choose another place.`);
  }
  if (is('NotAllowedError', 'SecurityError')) {
    return fault(`The browser does not let this page write ${where}; save again, and allow it when asked.`);
  }
  if (is('NotFoundError', 'ENOENT')) {
    return fault(`${named(where)} cannot be written, because its folder is not there any more; choose another place.`);
  }
  if (is('NoModificationAllowedError', 'EBUSY')) {
    return fault(
      `${named(where)} cannot be written, because another program or tab has it open; close it there and save again.`,
    );
  }
  return fault(`${named(where)} cannot be written (${reason}); choose another place.`);
}

/** A file keeps the letters of its name at the beginning of a sentence. */
function named(where: string): string {
  return where === 'the zip' ? 'The zip' : where;
}
