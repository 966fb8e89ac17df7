/**
 * Dropped files: what a person dropped or picked, as files with paths. Folders are walked to a bounded depth and
 * count, because a dropped home directory must not hang the page.
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import type { PathedFile } from '../state/samples.ts';

const MAX_DEPTH = 4;
const MAX_FILES = 5000;

/** Files of an `<input>`: those of a picked folder carry their path. */
export function pickedFiles(files: FileList | null): readonly PathedFile[] {
  return Array.from(files ?? [], (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** Everything in a drop. Must be called at once in the drop event: the items are gone afterwards. */
export function droppedFiles(items: DataTransferItemList): Promise<readonly PathedFile[]> {
  const entries = Array.from(items, (item) => (item.kind === 'file' ? item.webkitGetAsEntry() : null));
  const loose = Array.from(items, (item) => (item.kind === 'file' ? item.getAsFile() : null));
  return (async () => {
    const out: PathedFile[] = [];
    for (const [i, entry] of entries.entries()) {
      const file = loose[i];
      if (entry) await walk(entry, 0, out);
      else if (file) out.push({ path: file.name, file });
    }
    return out;
  })();
}

async function walk(entry: FileSystemEntry, depth: number, out: PathedFile[]): Promise<void> {
  if (entry.name.startsWith('.')) return;
  if (out.length >= MAX_FILES) {
    throw new UnsupportedFault(`More than ${MAX_FILES} files were dropped. Drop the model folders one by one.`);
  }
  const path = entry.fullPath.replace(/^\//, '');
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    out.push({ path, file });
  } else if (isFolder(entry) && depth < MAX_DEPTH) {
    const reader = entry.createReader();
    // A reader gives at most a hundred entries at a time, and none when it has given all.
    for (let batch = await read(reader); batch.length > 0; batch = await read(reader)) {
      for (const inner of batch) await walk(inner, depth + 1, out);
    }
  }
}

function read(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
