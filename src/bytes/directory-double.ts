/**
 * Directory double: a FileSystemDirectoryHandle in memory, for tests in Node. It behaves as browsers do in what
 * matters here: a new file is empty until its writer is closed, an aborted writer changes nothing, and what fails
 * throws a DOMException. Not for production, and only as much of the interface as `handle-folder.ts` uses.
 */

/** The handle, with what a person would see in the directory, and a way to make it fail. */
export interface DirectoryDouble {
  readonly handle: FileSystemDirectoryHandle;
  readonly files: Map<string, Uint8Array>;
  /** Called before each step with its name; throw here to make it fail. */
  onStep: (step: 'create' | 'write' | 'close' | 'remove', file: string) => void;
}

/** Makes a directory that holds `files`. */
export function directoryDouble(name: string, files: Map<string, Uint8Array> = new Map()): DirectoryDouble {
  const double = { files, onStep: (() => undefined) as DirectoryDouble['onStep'], handle: null as unknown };

  const writer = (file: string) => {
    let chunks: Uint8Array[] = [];
    return {
      async write(data: Uint8Array) {
        double.onStep('write', file);
        chunks.push(data.slice());
      },
      async close() {
        double.onStep('close', file);
        files.set(file, new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer()));
      },
      async abort() {
        chunks = [];
      },
    };
  };

  const folders = new Set<string>();
  // Only the members that are used are there, so the whole interface has to be claimed.
  const directory = (own: string, prefix: string): unknown => ({
    kind: 'directory',
    name: own,
    async *keys() {
      const all = [...files.keys(), ...folders].filter((path) => path.startsWith(prefix));
      yield* new Set(all.map((path) => path.slice(prefix.length).split('/')[0] ?? ''));
    },
    async getFileHandle(file: string, options?: { create?: boolean }) {
      const path = prefix + file;
      if (folders.has(path)) throw new DOMException('a directory', 'TypeMismatchError');
      if (!files.has(path)) {
        if (!options?.create) throw new DOMException('not there', 'NotFoundError');
        double.onStep('create', path);
        files.set(path, new Uint8Array());
      }
      return { kind: 'file', name: file, createWritable: async () => writer(path) };
    },
    async getDirectoryHandle(folder: string, options?: { create?: boolean }) {
      if (!folders.has(prefix + folder) && !options?.create) throw new DOMException('not there', 'NotFoundError');
      folders.add(prefix + folder);
      return directory(folder, `${prefix}${folder}/`);
    },
    async removeEntry(entry: string, options?: { recursive?: boolean }) {
      const path = prefix + entry;
      double.onStep('remove', path);
      const inside = [...files.keys()].filter((file) => file.startsWith(`${path}/`));
      if (!options?.recursive && inside.length > 0) throw new DOMException('not empty', 'InvalidModificationError');
      for (const file of inside) files.delete(file);
      const wasThere = folders.delete(path) || files.delete(path);
      if (!wasThere) throw new DOMException('not there', 'NotFoundError');
    },
  });
  double.handle = directory(name, '');
  return double as DirectoryDouble;
}
