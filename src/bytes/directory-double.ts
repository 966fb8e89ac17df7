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

  // Only the members that are used are there, so the whole interface has to be claimed.
  double.handle = {
    kind: 'directory',
    name,
    async *keys() {
      yield* [...files.keys()];
    },
    async getFileHandle(file: string, options?: { create?: boolean }) {
      if (!files.has(file)) {
        if (!options?.create) throw new DOMException('not there', 'NotFoundError');
        double.onStep('create', file);
        files.set(file, new Uint8Array());
      }
      return { kind: 'file', name: file, createWritable: async () => writer(file) };
    },
    async removeEntry(file: string) {
      double.onStep('remove', file);
      if (!files.delete(file)) throw new DOMException('not there', 'NotFoundError');
    },
  };
  return double as DirectoryDouble;
}
