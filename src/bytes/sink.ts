/**
 * Sink and Folder: where bytes go. A Folder is a whole output (shards, config, tokenizer, recipe): it either
 * finishes and looks whole, or is aborted and leaves nothing that could be mistaken for a model. Implementations:
 * `node-folder.ts` (disk), `handle-folder.ts` (a picked directory), `zip-folder.ts` (a download).
 */

/** One file that is being written. Writes may come only in rising, gapless positions. */
export interface Sink {
  write(data: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the file. Throws OutputFault where fewer or more bytes than announced were written. */
  close(): Promise<void>;
}

/** A set of files that becomes visible as a whole or not at all. One file is open at a time. */
export interface Folder {
  /**
   * Opens the next file. `sizeBytes` is its exact final size.
   * @param name a plain name, or `FOLDER/NAME` for a file in a folder of the output, one level deep.
   */
  file(name: string, sizeBytes: number): Promise<Sink>;
  /** Makes the folder visible under its final name. */
  finish(): Promise<void>;
  /** Removes what was written so far. Safe to call at any time, also twice. */
  abort(): Promise<void>;
}
