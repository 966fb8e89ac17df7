/**
 * KeptFiles: the files that a person gave to the page, told well enough to be found again on another visit: their names,
 * sizes and dates, and handles where the browser gives them. No bytes are kept. Not their opening (`studio.ts`).
 */

import { UnsupportedFault } from '../bytes/fault.ts';
import { isOpenable } from '../formats/open.ts';
import type { PathedFile } from './samples.ts';

/** A file as it was when it was opened. */
export interface FileMark {
  readonly path: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly changedMs: number;
}

/** Files that came in one go, by a drop or a dialog. */
export interface Opening {
  /** Unlike any other; later ones sort after earlier ones. */
  readonly key: string;
  readonly source: 'files' | 'samples';
  /** What of them the page looks into. */
  readonly files: readonly FileMark[];
  /** The checkpoints that came of them. */
  readonly names: readonly string[];
}

/** What was given, with handles where the browser has them. */
export interface GivenFiles {
  readonly files: readonly PathedFile[];
  /** Empty where the files cannot be found again without the person. */
  readonly handles: readonly FileSystemHandle[];
}

/** Files of an opening that are told of; more are not compared. */
export const MOST_MARKS = 2000;
const MAX_DEPTH = 4;
const MAX_FILES = 5000;

/** A key for a new opening. */
export function openingKey(nowMs: number): string {
  return `${String(nowMs).padStart(15, '0')}-${crypto.randomUUID()}`;
}

/** The marks of those files that the page looks into. */
export function marksOf(files: readonly PathedFile[]): readonly FileMark[] {
  return files
    .filter(({ path }) => isOpenable(path.split('/').pop() ?? path))
    .slice(0, MOST_MARKS)
    .map(({ path, file }) => ({ path, bytes: file.size, changedMs: file.lastModified }));
}

/** What became of files since they were marked, by path. */
export function changesSince(
  marks: readonly FileMark[],
  files: readonly PathedFile[],
): { readonly changed: readonly string[]; readonly missing: readonly string[] } {
  const now = new Map(files.map(({ path, file }) => [path, file]));
  const isOther = ({ path, bytes, changedMs }: FileMark) => {
    const file = now.get(path);
    return file !== undefined && (file.size !== bytes || file.lastModified !== changedMs);
  };
  return {
    changed: marks.filter(isOther).map(({ path }) => path),
    missing: marks.filter(({ path }) => !now.has(path)).map(({ path }) => path),
  };
}

/** The names under which a person dropped or picked an opening's files: folders, or files that came without one. */
export function droppedNames({ files }: Opening): readonly string[] {
  return [...new Set(files.map(({ path }) => path.split('/')[0] ?? path))];
}

/** The part of a handle that asks; TypeScript's DOM types leave it out. */
interface Asking {
  readonly queryPermission?: (options: { readonly mode: 'read' }) => Promise<PermissionState>;
  readonly requestPermission?: (options: { readonly mode: 'read' }) => Promise<PermissionState>;
}

/** Whether all handles may be read without a question. */
export async function mayRead(handles: readonly FileSystemHandle[]): Promise<boolean> {
  for (const handle of handles as readonly (FileSystemHandle & Asking)[]) {
    const state = (await handle.queryPermission?.({ mode: 'read' })) ?? 'granted';
    if (state !== 'granted') return false;
  }
  return true;
}

/** Asks the person for each handle that may not be read; gives whether all may now. Must be called within a click. */
export async function askToRead(handles: readonly FileSystemHandle[]): Promise<boolean> {
  for (const handle of handles as readonly (FileSystemHandle & Asking)[]) {
    if (await mayRead([handle])) continue;
    const state = await handle.requestPermission?.({ mode: 'read' }).catch(() => 'denied' as const);
    if (state !== 'granted') return false;
  }
  return true;
}

/**
 * The files of handles, with the paths that a drop of the same would give. What is not there any more is left out. Folders
 * are walked to a bounded depth.
 * @throws UnsupportedFault for more files than any family of models has
 */
export async function filesOf(handles: readonly FileSystemHandle[]): Promise<readonly PathedFile[]> {
  const out: PathedFile[] = [];
  const walk = async (handle: FileSystemHandle, before: string, depth: number): Promise<void> => {
    if (handle.name.startsWith('.')) return;
    if (out.length >= MAX_FILES) {
      throw new UnsupportedFault(`There are more than ${MAX_FILES} files. Add the model folders one by one.`);
    }
    const path = before + handle.name;
    try {
      if (isFile(handle)) out.push({ path, file: await handle.getFile() });
      else if (isFolder(handle) && depth < MAX_DEPTH) {
        const inside: FileSystemHandle[] = [];
        for await (const inner of handle.values()) inside.push(inner);
        inside.sort((a, b) => (a.name < b.name ? -1 : 1));
        for (const inner of inside) await walk(inner, `${path}/`, depth + 1);
      }
    } catch (thrown) {
      if (!(thrown instanceof DOMException && thrown.name === 'NotFoundError')) throw thrown;
    }
  };
  for (const handle of handles) await walk(handle, '', 0);
  return out;
}

function isFile(handle: FileSystemHandle): handle is FileSystemFileHandle {
  return handle.kind === 'file';
}

function isFolder(handle: FileSystemHandle): handle is FileSystemDirectoryHandle {
  return handle.kind === 'directory';
}
