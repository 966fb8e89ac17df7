import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutputFault } from './fault.ts';
import { nodeFolder } from './node-folder.ts';
import type { Folder } from './sink.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'node-folder-'));
});
afterEach(() => rm(root, { recursive: true }));

async function put(folder: Folder, name: string, text: string): Promise<void> {
  const data = new TextEncoder().encode(text);
  const sink = await folder.file(name, data.byteLength);
  await sink.write(data);
  await sink.close();
}

describe('nodeFolder', () => {
  it('writes beside its target, under a name that says partial', async () => {
    const folder = await nodeFolder(join(root, 'out'));
    await put(folder, 'config.json', '{}');
    const inside = await readdir(root);
    expect(inside).toHaveLength(1);
    expect(inside[0]).toMatch(/^out\.partial-/);
    await folder.finish();
    expect(await readdir(root)).toEqual(['out']);
    expect(await readFile(join(root, 'out/config.json'), 'utf8')).toBe('{}');
  });

  it('removes all of it on abort', async () => {
    const folder = await nodeFolder(join(root, 'out'));
    await put(folder, 'a', 'x');
    await folder.file('b', 10);
    await folder.abort();
    expect(await readdir(root)).toEqual([]);
  });

  it('makes missing parents, and takes an empty directory', async () => {
    const deep = await nodeFolder(join(root, 'a/b/c'));
    await put(deep, 'x', '1');
    await deep.finish();
    expect(await readdir(join(root, 'a/b'))).toEqual(['c']);
    await mkdir(join(root, 'empty'));
    const empty = await nodeFolder(join(root, 'empty'));
    await put(empty, 'x', '1');
    await empty.finish();
    expect(await readdir(join(root, 'empty'))).toEqual(['x']);
  });

  it('goes through a link to an empty directory', async () => {
    await mkdir(join(root, 'real'));
    await symlink(join(root, 'real'), join(root, 'link'));
    const folder = await nodeFolder(join(root, 'link'));
    await put(folder, 'x', '1');
    await folder.finish();
    expect(await readdir(join(root, 'real'))).toEqual(['x']);
    expect((await readdir(root)).sort()).toEqual(['link', 'real']);
  });

  it('refuses a directory with something in it, a file, and a place below a file', async () => {
    await mkdir(join(root, 'full'));
    await writeFile(join(root, 'full/keep'), 'precious');
    await writeFile(join(root, 'file'), 'precious');
    await expect(nodeFolder(join(root, 'full'))).rejects.toThrow(/is not empty \(keep\)/);
    await expect(nodeFolder(join(root, 'file'))).rejects.toThrow(/is a file/);
    await expect(nodeFolder(join(root, 'file/below'))).rejects.toThrow(OutputFault);
    expect((await readdir(root)).sort()).toEqual(['file', 'full']);
  });

  it('refuses the current directory', async () => {
    const before = process.cwd();
    const spy = process.cwd;
    process.cwd = () => root;
    try {
      await expect(nodeFolder(root)).rejects.toThrow(/current directory/);
    } finally {
      process.cwd = spy;
    }
    expect(process.cwd()).toBe(before);
  });

  it.each(['directory', 'file'] as const)('destroys no %s that came in between', async (kind) => {
    const target = join(root, 'out');
    const folder = await nodeFolder(target);
    await put(folder, 'x', 'new');
    if (kind === 'file') await writeFile(target, 'precious');
    else {
      await mkdir(target);
      await writeFile(join(target, 'keep'), 'precious');
    }
    await expect(folder.finish()).rejects.toThrow(/was taken/);
    await folder.abort();
    expect(await readFile(kind === 'file' ? target : join(target, 'keep'), 'utf8')).toBe('precious');
    expect(await readdir(root)).toEqual(['out']);
  });

  it('lets one of two concurrent runs win, whole', async () => {
    const target = join(root, 'out');
    const folders = await Promise.all([nodeFolder(target), nodeFolder(target)]);
    await Promise.all(folders.map((folder, i) => put(folder, `from-${i}`, 'x')));
    const outcomes = await Promise.allSettled(folders.map((folder) => folder.finish()));
    await Promise.all(folders.map((folder) => folder.abort()));
    const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(await readdir(target)).toEqual([`from-${winners[0]}`]);
    expect(await readdir(root)).toEqual(['out']);
  });
});
