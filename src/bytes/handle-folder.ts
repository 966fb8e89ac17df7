/**
 * Handle folder: a Folder over a directory that the user picked (or one in the origin's private file system). A
 * browser writes to a hidden swap file and puts it in place when the writer is closed; here every writer stays open
 * until `finish()`, so that before it the directory shows empty files only. config.json, without which nothing
 * loads a model, is put in place last.
 */

import { OutputFault } from './fault.ts';
import { listed } from './listed.ts';
import { measuredFolder, outputFault } from './measured-folder.ts';
import type { Folder } from './sink.ts';

/** Names that a sentence lists. */
const MOST_NAMED = 5;

/** What a reader would take for part of the same model, whatever it is called. */
const MODEL_FILE = /\.safetensors(\.index\.json)?$/;

/**
 * Makes a Folder of a writable directory handle. `plannedNames` are the files to come, as far as they are known:
 * naming them lets a clash be refused before anything is written. Throws OutputFault where the directory holds one
 * of them, or any other weight file, which a reader would mix with the new ones.
 */
export async function handleFolder(
  directory: FileSystemDirectoryHandle,
  plannedNames: readonly string[] = [],
): Promise<Folder> {
  await refuseClashes(directory, plannedNames);
  const created: string[] = [];
  /** Folders that were made in it, by name. */
  const folders = new Map<string, FileSystemDirectoryHandle>();
  const writers = new Map<string, FileSystemWritableFileStream>();

  const attempt = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw cause instanceof OutputFault ? cause : outputFault(name === '' ? directory.name : name, cause);
    }
  };

  /** A folder of this output. One that was there before is somebody else's. */
  const ownFolder = async (name: string): Promise<FileSystemDirectoryHandle> => {
    const known = folders.get(name);
    if (known) return known;
    if (await exists(directory, name)) throw clash(directory, [name]);
    const made = await directory.getDirectoryHandle(name, { create: true });
    created.push(name);
    folders.set(name, made);
    return made;
  };

  return measuredFolder({
    create: (name) =>
      attempt(name, async () => {
        const slash = name.indexOf('/');
        const folder = slash < 0 ? directory : await ownFolder(name.slice(0, slash));
        const fileName = name.slice(slash + 1);
        if (await exists(folder, fileName)) throw clash(directory, [name]);
        const handle = await folder.getFileHandle(fileName, { create: true });
        if (folder === directory) created.push(name);
        const writer = await handle.createWritable({ keepExistingData: false });
        writers.set(name, writer);
        return {
          write: (data) => attempt(name, () => writer.write(data)),
          async close() {
            // Left open on purpose: closing is what makes the bytes visible.
          },
        };
      }),
    async finish() {
      const names = [...writers.keys()].sort((a, b) => Number(a === 'config.json') - Number(b === 'config.json'));
      for (const name of names) {
        await attempt(name, async () => {
          await writers.get(name)?.close();
          writers.delete(name);
        });
      }
    },
    async abort() {
      for (const writer of writers.values()) await writer.abort().catch(() => undefined);
      writers.clear();
      const left: string[] = [];
      // Newest first: config.json goes before the weights do.
      for (const name of created.reverse()) {
        await directory.removeEntry(name, { recursive: folders.has(name) }).catch((cause: unknown) => {
          if (!isMissing(cause)) left.push(name);
        });
      }
      if (left.length > 0) throw leftovers(directory, left.sort());
    },
  });
}

/**
 * The output for a merge called `name` in a directory that the user picked: the directory itself where it is empty
 * (`within` is null), else a folder of that name in it. A folder that was made for it is removed on abort.
 */
export async function pickedFolder(
  picked: FileSystemDirectoryHandle,
  name: string,
): Promise<{ readonly folder: Folder; readonly within: string | null }> {
  if (await isEmpty(picked)) return { folder: await handleFolder(picked), within: null };
  const isOurs = !(await exists(picked, name).catch((cause: unknown) => {
    throw outputFault(picked.name, cause);
  }));
  const inner = await picked.getDirectoryHandle(name, { create: true }).catch((cause: unknown) => {
    throw outputFault(name, cause);
  });
  const folder = await handleFolder(inner);
  return {
    folder: {
      ...folder,
      async abort() {
        await folder.abort();
        // Not recursive: what somebody else has put there meanwhile stays, and then so does the folder.
        if (isOurs && (await isEmpty(inner))) await picked.removeEntry(name).catch(() => undefined);
      },
    },
    within: name,
  };
}

async function isEmpty(directory: FileSystemDirectoryHandle): Promise<boolean> {
  try {
    for await (const _ of directory.keys()) return false;
    return true;
  } catch (cause) {
    throw outputFault(directory.name, cause);
  }
}

async function refuseClashes(directory: FileSystemDirectoryHandle, plannedNames: readonly string[]): Promise<void> {
  const planned = new Set(plannedNames);
  const clashes: string[] = [];
  try {
    for await (const name of directory.keys()) {
      if (planned.has(name) || MODEL_FILE.test(name)) clashes.push(name);
    }
  } catch (cause) {
    throw outputFault(directory.name, cause);
  }
  if (clashes.length > 0) throw clash(directory, clashes.sort());
}

/** What a save that failed could not take back. */
function leftovers(directory: FileSystemDirectoryHandle, names: readonly string[]): OutputFault {
  const [files, them] = names.length === 1 ? ['a file', 'it'] : ['files', 'them'];
  return new OutputFault(
    `The folder ${directory.name} still holds ${files} of this save (${listed(names, MOST_NAMED)}), which make no model; delete ${them}.`,
    { names },
  );
}

function clash(directory: FileSystemDirectoryHandle, names: readonly string[]): OutputFault {
  return new OutputFault(
    `The folder ${directory.name} already holds ${listed(names, MOST_NAMED)}; choose an empty folder.`,
    {
      names,
    },
  );
}

async function exists(directory: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  try {
    await directory.getFileHandle(name);
    return true;
  } catch (cause) {
    if (isMissing(cause)) return false;
    // A directory of that name is in the way as well.
    if (cause instanceof DOMException && cause.name === 'TypeMismatchError') return true;
    throw cause;
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === 'NotFoundError';
}
