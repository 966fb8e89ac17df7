/** What every Folder must do, whatever it writes to. What is special to one is in that one's own test. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryDouble } from './directory-double.ts';
import { OutputFault } from './fault.ts';
import { handleFolder } from './handle-folder.ts';
import { memoryFolder } from './memory-folder.ts';
import { nodeFolder } from './node-folder.ts';
import type { Folder } from './sink.ts';
import { zipFolder } from './zip-folder.ts';
import { collector, unzip } from './zip-reader-double.ts';

interface Case {
  readonly folder: Folder;
  /** The non-empty files that someone else would see now, by name. */
  seen(): Promise<Record<string, number[]>>;
}

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'folder-'));
});
afterAll(() => rm(root, { recursive: true }));

const plain = (files: Iterable<[string, Uint8Array]>) =>
  Object.fromEntries([...files].filter(([, data]) => data.length > 0).map(([name, data]) => [name, [...data]]));

const kinds: [string, () => Promise<Case>][] = [
  [
    'memoryFolder',
    async () => {
      const folder = memoryFolder();
      return { folder, seen: async () => plain(folder.files ?? []) };
    },
  ],
  [
    'nodeFolder',
    async () => {
      const path = join(root, String(count++));
      const folder = await nodeFolder(path);
      const seen = async () => {
        const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
        const names = entries
          .filter((own) => own.isFile())
          .map((own) => relative(path, join(own.parentPath, own.name)));
        return plain(
          await Promise.all(
            names.map(async (name): Promise<[string, Uint8Array]> => [name, await readFile(join(path, name))]),
          ),
        );
      };
      return { folder, seen };
    },
  ],
  [
    'handleFolder',
    async () => {
      const { handle, files } = directoryDouble('picked');
      return { folder: await handleFolder(handle), seen: async () => plain(files) };
    },
  ],
  [
    'zipFolder',
    async () => {
      const zip = collector();
      return { folder: zipFolder(zip.stream), seen: async () => plain(zip.isClosed() ? unzip(zip.bytes()) : []) };
    },
  ],
];

async function put(folder: Folder, name: string, ...chunks: number[][]): Promise<void> {
  const sink = await folder.file(name, chunks.flat().length);
  for (const chunk of chunks) await sink.write(Uint8Array.from(chunk));
  await sink.close();
}

describe.each(kinds)('%s', (_, make) => {
  it('shows nothing before it is finished, and everything after', async () => {
    const { folder, seen } = await make();
    await put(folder, 'model.safetensors', [1, 2], [], [3]);
    await put(folder, 'config.json', [4]);
    expect(await seen()).toEqual({});
    await folder.finish();
    expect(await seen()).toEqual({ 'config.json': [4], 'model.safetensors': [1, 2, 3] });
  });

  it('writes files of a folder inside, and takes them back with the rest', async () => {
    const kept = await make();
    const files = { 'config.json': [3], 'onnx/model.onnx': [1], 'onnx/model.onnx_data': [1, 2] };
    for (const [name, bytes] of Object.entries(files)) await put(kept.folder, name, bytes);
    expect(await kept.seen()).toEqual({});
    await kept.folder.finish();
    expect(await kept.seen()).toEqual(files);
    const given = await make();
    await put(given.folder, 'onnx/model.onnx', [1]);
    await given.folder.abort();
    expect(await given.seen()).toEqual({});
  });

  it('lets the caller reuse its buffer', async () => {
    const { folder, seen } = await make();
    const sink = await folder.file('a', 6);
    const buffer = new Uint8Array(2);
    for (const value of [1, 2, 3]) await sink.write(buffer.fill(value));
    buffer.fill(9);
    await sink.close();
    await folder.finish();
    expect(await seen()).toEqual({ a: [1, 1, 2, 2, 3, 3] });
  });

  it('writes views and empty files', async () => {
    const { folder, seen } = await make();
    const sink = await folder.file('a', 2);
    await sink.write(new Uint8Array([9, 1, 2, 9]).subarray(1, 3));
    await sink.close();
    await put(folder, 'empty');
    await folder.finish();
    expect(await seen()).toEqual({ a: [1, 2] });
  });

  it('refuses more bytes than announced, before it writes them', async () => {
    const { folder, seen } = await make();
    const sink = await folder.file('a', 3);
    await sink.write(new Uint8Array(2));
    await expect(sink.write(new Uint8Array(2))).rejects.toThrow(/a was announced with 3 bytes and got 4/);
    await folder.abort();
    expect(await seen()).toEqual({});
  });

  it('refuses fewer bytes than announced', async () => {
    const { folder, seen } = await make();
    const sink = await folder.file('a', 3);
    await sink.write(new Uint8Array(2));
    await expect(sink.close()).rejects.toThrow(OutputFault);
    await folder.abort();
    expect(await seen()).toEqual({});
  });

  it('leaves nothing when it is aborted, however often and whenever', async () => {
    const { folder, seen } = await make();
    await put(folder, 'whole', [1, 2, 3]);
    const sink = await folder.file('half', 10);
    await sink.write(new Uint8Array(5));
    await Promise.all([folder.abort(), folder.abort()]);
    await folder.abort();
    expect(await seen()).toEqual({});
    await expect(sink.write(new Uint8Array(5))).rejects.toThrow(OutputFault);
    await expect(folder.file('more', 1)).rejects.toThrow(OutputFault);
    await expect(folder.finish()).rejects.toThrow(OutputFault);
    expect(await seen()).toEqual({});
  });

  it('can be aborted before anything was written, and changes nothing after it was finished', async () => {
    const early = await make();
    await early.folder.abort();
    expect(await early.seen()).toEqual({});
    const late = await make();
    await put(late.folder, 'a', [1]);
    await late.folder.finish();
    await late.folder.abort();
    expect(await late.seen()).toEqual({ a: [1] });
  });

  it('finishes whole or fails whole where abort comes during finish', async () => {
    const { folder, seen } = await make();
    await put(folder, 'a', [1]);
    await put(folder, 'config.json', [2]);
    const finished = folder.finish().then(
      () => true,
      () => false,
    );
    await folder.abort();
    expect(await seen()).toEqual((await finished) ? { a: [1], 'config.json': [2] } : {});
  });

  it.each(['', '.', '..', '../up', '/a', 'a/', 'a//b', 'a/..', 'a/b/c', 'a\\b', 'a/b\\c', 'a\0'])(
    'refuses the name %j',
    async (name) => {
      const { folder } = await make();
      await expect(folder.file(name, 1)).rejects.toThrow(OutputFault);
      await folder.abort();
    },
  );

  it('refuses a name twice', async () => {
    const { folder } = await make();
    await put(folder, 'a', [1]);
    await expect(folder.file('a', 1)).rejects.toThrow(OutputFault);
    await folder.abort();
  });

  it('treats calls out of order as bugs', async () => {
    const { folder } = await make();
    const sink = await folder.file('a', 0);
    await expect(folder.file('b', 0)).rejects.toThrow('a must be closed before b is opened');
    await expect(folder.finish()).rejects.toThrow('a must be closed');
    await sink.close();
    await expect(sink.close()).rejects.toThrow('a is closed');
    await expect(folder.file('c', -1)).rejects.toThrow(RangeError);
    await folder.finish();
    await expect(folder.file('d', 0)).rejects.toThrow('finished');
  });
});
