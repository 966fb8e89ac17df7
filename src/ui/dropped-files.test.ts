import { describe, expect, it } from 'vitest';
import { droppedFiles } from './dropped-files.ts';

function fileEntry(fullPath: string) {
  const name = fullPath.split('/').at(-1) ?? '';
  const file = (done: (file: File) => void) => done(new File(['x'], name));
  return { name, fullPath, isFile: true, isDirectory: false, file } as unknown as FileSystemEntry;
}

/** A folder whose reader, like a browser's, gives a hundred entries at a time. */
function folderEntry(fullPath: string, inner: readonly FileSystemEntry[]) {
  const name = fullPath.split('/').at(-1) ?? '';
  const createReader = () => {
    let at = 0;
    return {
      readEntries(done: (entries: readonly FileSystemEntry[]) => void) {
        done(inner.slice(at, at + 100));
        at += 100;
      },
    };
  };
  return { name, fullPath, isFile: false, isDirectory: true, createReader } as unknown as FileSystemEntry;
}

function items(...entries: (FileSystemEntry | File | string)[]) {
  return entries.map((entry) => ({
    kind: typeof entry === 'string' ? 'string' : 'file',
    webkitGetAsEntry: () => (entry instanceof File || typeof entry === 'string' ? null : entry),
    getAsFile: () => (entry instanceof File ? entry : null),
  })) as unknown as DataTransferItemList;
}

const paths = async (...entries: Parameters<typeof items>) =>
  (await droppedFiles(items(...entries))).map(({ path }) => path);

describe('droppedFiles', () => {
  it('walks folders and keeps their paths', async () => {
    const inner = folderEntry('/pair/b', [fileEntry('/pair/b/model.safetensors')]);
    const pair = folderEntry('/pair', [fileEntry('/pair/config.json'), inner]);
    expect(await paths(pair, fileEntry('/loose.safetensors'))).toEqual([
      'pair/config.json',
      'pair/b/model.safetensors',
      'loose.safetensors',
    ]);
  });
  it('reads folders of more entries than a browser gives at a time', async () => {
    const many = Array.from({ length: 250 }, (_, i) => fileEntry(`/m/${i}`));
    expect(await paths(folderEntry('/m', many))).toHaveLength(250);
  });
  it('leaves out hidden files, folders that lie too deep, and text', async () => {
    let deep = fileEntry('/1/2/3/4/5/6/model');
    for (const path of ['/1/2/3/4/5/6', '/1/2/3/4/5', '/1/2/3/4', '/1/2/3', '/1/2', '/1'])
      deep = folderEntry(path, [deep]);
    expect(await paths(deep, fileEntry('/.DS_Store'), folderEntry('/.git', [fileEntry('/.git/x')]), 'text')).toEqual(
      [],
    );
  });
  it('takes plain files where the browser has no entries', async () => {
    expect(await paths(new File([], 'a.safetensors'))).toEqual(['a.safetensors']);
  });
  it('refuses more files than any model has', async () => {
    const many = Array.from({ length: 5001 }, (_, i) => fileEntry(`/home/${i}`));
    await expect(paths(folderEntry('/home', many))).rejects.toThrow(/one by one/);
  });
});
