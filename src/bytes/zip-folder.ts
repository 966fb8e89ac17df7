/**
 * Zip folder: a Folder that becomes one zip file, written to a stream as the bytes come: stored, not compressed
 * (weights do not compress), zip64 where it is needed, never more than a few pieces in memory. The table of
 * contents is a zip's last part, so an unfinished one opens nowhere.
 */

import { makeZip } from 'client-zip';
import { OutputFault } from './fault.ts';
import { measuredFolder, outputFault } from './measured-folder.ts';
import { Rendezvous } from './rendezvous.ts';
import type { Folder } from './sink.ts';

/** Largest piece that is copied and handed on, so that a caller's large buffer is not held twice. */
const PIECE_BYTES = 2 ** 20;

interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly lastModified: Date;
  readonly input: AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/**
 * Makes a Folder that writes a zip to `destination` (a file's writable stream, a response body …). `finish` closes
 * the destination and `abort` aborts it. `root` is the name of a folder inside the zip that holds everything.
 * A write resolves when its bytes are on their way, at the pace of the destination; OutputFault where that fails.
 */
export function zipFolder(
  destination: WritableStream<Uint8Array<ArrayBuffer>>,
  { root = '', lastModified = new Date() }: { readonly root?: string; readonly lastModified?: Date } = {},
): Folder {
  const entries = new Rendezvous<ZipEntry>();
  let content: Rendezvous<Uint8Array<ArrayBuffer>> | null = null;
  const reader = makeZip(entries).getReader();
  const writer = destination.getWriter();
  let isAborted = false;

  /** Frees whoever waits for the zip to go on. */
  const fail = (reason: unknown) => {
    entries.fail(reason);
    content?.fail(reason);
  };

  const pump = async (): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        await writer.write(value as Uint8Array<ArrayBuffer>);
      }
      if (!isAborted) await writer.close();
    } catch (cause) {
      const fault = cause instanceof OutputFault ? cause : outputFault('the zip', cause);
      fail(fault);
      await writer.abort(fault).catch(() => undefined);
      throw fault;
    }
  };
  const pumped = pump();
  // The failure reaches the caller through the write that waits, or through finish; here it is only marked as seen.
  pumped.catch(() => undefined);

  return measuredFolder({
    async create(name, sizeBytes) {
      const pieces = new Rendezvous<Uint8Array<ArrayBuffer>>();
      content = pieces;
      await entries.put({ name: root === '' ? name : `${root}/${name}`, size: sizeBytes, lastModified, input: pieces });
      return {
        async write(data) {
          for (let start = 0; start < data.byteLength; start += PIECE_BYTES) {
            // A copy, because the zip may still hold the piece when the caller reuses its buffer.
            await pieces.put(data.slice(start, start + PIECE_BYTES));
          }
        },
        async close() {
          pieces.end();
        },
      };
    },
    async finish() {
      entries.end();
      await pumped;
    },
    async abort() {
      isAborted = true;
      const reason = new OutputFault('The zip was abandoned before it was finished; save it again.');
      fail(reason);
      // A destination that is stuck in a write is freed by this, and the pump with it.
      await writer.abort(reason).catch(() => undefined);
      await pumped.catch(() => undefined);
    },
  });
}
