import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bytes } from './bytes.ts';
import { countingBytes } from './counting-bytes.ts';
import { MalformedFault, MissingFault } from './fault.ts';
import { fileBytes } from './file-bytes.ts';
import { memoryBytes } from './memory-bytes.ts';
import { type NodeBytes, nodeBytes } from './node-bytes.ts';

const content = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
let directory: string;
let path: string;
const opened: NodeBytes[] = [];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bytes-'));
  path = join(directory, 'data.bin');
  await writeFile(path, content);
});
afterAll(async () => {
  await Promise.all(opened.map((bytes) => bytes.close()));
  await rm(directory, { recursive: true });
});

/** Every kind of Bytes over the same content, all of them called data.bin. */
const kinds: [string, () => Promise<Bytes>][] = [
  ['memoryBytes', async () => memoryBytes('data.bin', content)],
  ['memoryBytes over a view', async () => memoryBytes('data.bin', Uint8Array.of(9, ...content, 9).subarray(1, 1001))],
  ['fileBytes', async () => fileBytes(new File([content], 'data.bin'))],
  ['fileBytes over a Blob', async () => fileBytes(new Blob([content]), 'data.bin')],
  [
    'nodeBytes',
    async () => {
      const bytes = await nodeBytes(path, 'data.bin');
      opened.push(bytes);
      return bytes;
    },
  ],
  ['countingBytes', async () => countingBytes(memoryBytes('data.bin', content))],
];

describe.each(kinds)('%s', (_, make) => {
  it('reads any range, whole and empty ones too', async () => {
    const bytes = await make();
    expect(bytes).toMatchObject({ name: 'data.bin', size: 1000 });
    for (const [start, end] of [
      [0, 1000],
      [0, 0],
      [1000, 1000],
      [3, 4],
      [250, 999],
    ] as const) {
      expect(await bytes.slice(start, end)).toEqual(content.slice(start, end));
    }
  });

  it('reads concurrently', async () => {
    const bytes = await make();
    const starts = Array.from({ length: 20 }, (_, i) => i * 37);
    const slices = await Promise.all(starts.map((start) => bytes.slice(start, start + 100)));
    slices.forEach((slice, i) => expect(slice).toEqual(content.slice(i * 37, i * 37 + 100)));
  });

  it('gives memory of its own', async () => {
    const bytes = await make();
    (await bytes.slice(0, 10)).fill(99);
    expect(await bytes.slice(0, 10)).toEqual(content.slice(0, 10));
    expect((await bytes.slice(5, 10)).buffer.byteLength).toBe(5);
  });

  it('names the file where it ends early, before it allocates', async () => {
    const bytes = await make();
    const short = bytes.slice(990, 2 ** 52);
    await expect(short).rejects.toThrow(MalformedFault);
    await expect(short).rejects.toThrow(/data\.bin ended early.*only 10 of them are there; fetch it again/);
    await expect(bytes.slice(2000, 2001)).rejects.toThrow(/only 0 of them/);
  });

  it('treats a range that is none as a bug', async () => {
    const bytes = await make();
    for (const [start, end] of [
      [-1, 3],
      [5, 4],
      [0.5, 2],
      [0, Number.NaN],
    ] as const) {
      await expect(bytes.slice(start, end)).rejects.toThrow(RangeError);
    }
  });
});

describe('nodeBytes', () => {
  it('notices a file that shrank after it was opened', async () => {
    const shrinking = join(directory, 'shrinking.bin');
    await writeFile(shrinking, content);
    const bytes = await nodeBytes(shrinking);
    await truncate(shrinking, 500);
    await expect(bytes.slice(400, 600)).rejects.toThrow(/shrinking\.bin ended early.*only 100 of them/);
    await bytes.close();
  });

  it('throws after close, which may come twice', async () => {
    const bytes = await nodeBytes(path);
    await bytes.close();
    await bytes.close();
    await expect(bytes.slice(0, 1)).rejects.toThrow();
  });

  it('names what is not a file', async () => {
    await expect(nodeBytes(join(directory, 'nothing'))).rejects.toThrow(MissingFault);
    await expect(nodeBytes(join(path, 'below-a-file'))).rejects.toThrow(MissingFault);
    await expect(nodeBytes(directory)).rejects.toThrow(/is not a file/);
  });
});

describe('fileBytes', () => {
  const broken = (error: Error) => {
    const blob = new Blob([content]);
    blob.slice = () => Object.assign(new Blob(), { arrayBuffer: () => Promise.reject(error) });
    return fileBytes(blob, 'moved.bin');
  };

  it('says that a file was moved or changed', async () => {
    const error = new DOMException('The file could not be read.', 'NotReadableError');
    await expect(broken(error).slice(0, 1)).rejects.toThrow(MissingFault);
    await expect(broken(error).slice(0, 1)).rejects.toThrow(/moved\.bin can no longer be read/);
  });

  it('passes other errors on', async () => {
    await expect(broken(new RangeError('too large')).slice(0, 1)).rejects.toThrow(RangeError);
  });

  it('notices a browser that gives less than was asked for', async () => {
    const blob = new Blob([content]);
    blob.slice = () => new Blob(['abc']);
    await expect(fileBytes(blob, 'short.bin').slice(0, 10)).rejects.toThrow(/only 3 of them/);
  });

  it('never reads as a stream', async () => {
    const file = new File([content], 'x');
    file.stream = () => expect.fail('stream() was called');
    expect(await fileBytes(file).slice(0, 3)).toEqual(content.slice(0, 3));
  });
});

describe('countingBytes', () => {
  it('records what is asked for, also where it fails', async () => {
    const bytes = countingBytes(memoryBytes('m', content));
    await bytes.slice(0, 8);
    await bytes.slice(8, 108);
    await bytes.slice(0, 2000).catch(() => undefined);
    expect(bytes.bytesRead).toBe(2108);
    expect(bytes.reads).toEqual([
      { start: 0, end: 8 },
      { start: 8, end: 108 },
      { start: 0, end: 2000 },
    ]);
  });
});
