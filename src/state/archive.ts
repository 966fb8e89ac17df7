/**
 * Archive: a zip that is being made for download. It goes to the origin's private file system, so that a model
 * larger than memory can be saved by browsers that cannot write to a folder; where there is none, to a Blob.
 */

import type { Folder } from '../bytes/sink.ts';
import { OutputFault } from '../bytes/fault.ts';
import { outputFault } from '../bytes/measured-folder.ts';
import { zipFolder } from '../bytes/zip-folder.ts';

/** Names of our scratch files, so that old ones can be told from other things. */
const SCRATCH = /^fusewright-save-.*\.zip$/;

/** A zip of this age has been read by whoever wanted it. */
const DOWNLOADED_AFTER_MS = 15 * 60 * 1000;

/** A zip under way: a folder to write to, and the file once the folder is finished. */
export interface Archive {
  readonly folder: Folder;
  readonly file: () => Promise<File>;
}

/** Starts a zip that holds one folder named `name`. Throws OutputFault where the browser gives no room. */
export async function openArchive(name: string): Promise<Archive> {
  await sweepArchives();
  const storage = await privateFiles();
  if (!storage) {
    const pipe = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
    const blob = new Response(pipe.readable).blob();
    blob.catch(() => undefined);
    return {
      folder: zipFolder(pipe.writable, { root: name }),
      file: async () => new File([await blob], `${name}.zip`, { type: 'application/zip' }),
    };
  }
  try {
    const handle = await storage.getFileHandle(`fusewright-save-${crypto.randomUUID()}.zip`, { create: true });
    const writable = await handle.createWritable();
    const zip = zipFolder(writable as WritableStream<Uint8Array<ArrayBuffer>>, { root: name });
    return {
      folder: {
        ...zip,
        async abort() {
          await zip.abort();
          await storage.removeEntry(handle.name).catch(() => undefined); // the next visit sweeps it away
        },
      },
      async file() {
        try {
          return new File([await handle.getFile()], `${name}.zip`, { type: 'application/zip' });
        } catch (cause) {
          throw outputFault('the zip', cause);
        }
      },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutputFault(`The browser gives no room for the zip (${reason}); free disk space, or save to a folder.`);
  }
}

/**
 * Removes zips that were finished long enough ago to have been downloaded, of this visit and of earlier ones. A
 * younger one may still be on its way to disk, from this page or from another. Never fails.
 */
export async function sweepArchives(): Promise<void> {
  const storage = await privateFiles();
  if (!storage) return;
  const names: string[] = [];
  for await (const name of storage.keys()) if (SCRATCH.test(name)) names.push(name);
  for (const name of names) {
    try {
      const file = await (await storage.getFileHandle(name)).getFile();
      if (Date.now() - file.lastModified > DOWNLOADED_AFTER_MS) await storage.removeEntry(name);
    } catch {
      // Gone already, or in use elsewhere: the next sweep sees to it.
    }
  }
}

async function privateFiles(): Promise<FileSystemDirectoryHandle | null> {
  try {
    return await navigator.storage.getDirectory();
  } catch {
    return null; // private windows of some browsers have none
  }
}
