/**
 * Node folder: a Folder on disk. Everything is written into a new sibling `<name>.partial-<random>` and renamed to
 * its final name in one step at the end, so that a run that is stopped or killed leaves nothing under that name.
 * For Node only: nothing that a browser loads may import it.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OutputFault } from './fault.ts';
import { measuredFolder, outputFault } from './measured-folder.ts';
import type { Folder } from './sink.ts';

/** Bytes after which the disk is asked to start keeping them, so that at the end little is left to wait for. */
const SYNC_BYTES = 64 * 2 ** 20;

/**
 * Makes the folder `path`, which must not exist or be an empty directory. Its parents are made where they are
 * missing. Throws OutputFault where something is there already or the place cannot be written.
 */
export async function nodeFolder(path: string): Promise<Folder> {
  const target = await requireFree(resolve(path), path);
  let partial: string;
  try {
    await mkdir(dirname(target), { recursive: true });
    partial = `${target}.partial-${randomBytes(6).toString('hex')}`;
    // Not mkdtemp, which makes folders that nobody else may read.
    await mkdir(partial);
  } catch (cause) {
    throw outputFault(path, cause);
  }
  const handles = new Set<FileHandle>();

  return measuredFolder({
    async create(name) {
      const where = join(path, name);
      // A folder inside may be there already, from the file before.
      await mkdir(dirname(join(partial, name)), { recursive: true }).catch((cause: unknown) => {
        throw outputFault(where, cause);
      });
      const handle = await open(join(partial, name), 'wx').catch((cause: unknown) => {
        throw outputFault(where, cause);
      });
      handles.add(handle);
      let unsyncedBytes = 0;
      let syncing: Promise<void> | null = null;
      let failure: { readonly cause: unknown } | null = null;
      const startSync = () => {
        if (syncing || unsyncedBytes < SYNC_BYTES) return;
        unsyncedBytes = 0;
        syncing = handle.datasync().then(
          () => {
            syncing = null;
          },
          (cause: unknown) => {
            failure = { cause };
          },
        );
      };
      return {
        async write(data) {
          let done = 0;
          while (done < data.byteLength) {
            const { bytesWritten } = await handle.write(data, done, data.byteLength - done).catch((cause: unknown) => {
              throw outputFault(where, cause);
            });
            done += bytesWritten;
          }
          unsyncedBytes += data.byteLength;
          startSync();
          if (failure) throw outputFault(where, failure.cause);
        },
        async close() {
          try {
            await syncing;
            if (failure) throw failure.cause;
            // Without this, a power cut after the rename could leave the final name over bytes never written.
            await handle.sync();
            handles.delete(handle);
            await handle.close();
          } catch (cause) {
            throw outputFault(where, cause);
          }
        },
      };
    },
    async finish() {
      try {
        // Neither call can destroy anything: rmdir takes only an empty directory, rename replaces no full one.
        await rmdir(target).catch(ignoreMissing);
        await rename(partial, target);
      } catch (cause) {
        if (!isTaken(cause)) throw outputFault(path, cause);
        throw new OutputFault(`${path} was taken while the output was being written; choose another folder.`, {
          file: path,
          reason: String(cause),
        });
      }
    },
    async abort() {
      for (const handle of handles) await handle.close().catch(() => undefined);
      handles.clear();
      await rm(partial, { recursive: true, force: true, maxRetries: 3 });
    },
  });
}

/**
 * Gives the place that `nodeFolder(path)` would take: `target`, or what it links to. Throws OutputFault for whatever a
 * rename could not or should not replace. Writes nothing.
 */
export async function requireFree(target: string, path: string): Promise<string> {
  let real: string;
  try {
    real = await realpath(target);
  } catch {
    // Nothing there, or a link to nothing, at which the rename itself refuses.
    return target;
  }
  const found = await stat(real);
  if (!found.isDirectory()) throw new OutputFault(`${path} is a file; name a new folder.`, { file: path });
  let inside: string[];
  try {
    inside = await readdir(real);
  } catch (cause) {
    throw outputFault(path, cause);
  }
  if (inside.length > 0) {
    throw new OutputFault(`${path} is not empty (${inside.slice(0, 3).join(', ')}); name a new or an empty folder.`, {
      file: path,
    });
  }
  if (real === process.cwd()) {
    throw new OutputFault(`${path} is the current directory, which cannot be replaced; name a new folder in it.`, {
      file: path,
    });
  }
  if (found.dev !== (await stat(dirname(real))).dev) {
    throw new OutputFault(
      `${path} is where a disk is attached, which cannot be replaced; name a new folder in it, such as ${join(path, basename(real) || 'merged')}.`,
      { file: path },
    );
  }
  return real;
}

function isTaken(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(String(cause.code));
}

function ignoreMissing(cause: unknown): void {
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return;
  throw cause;
}
