import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MalformedFault, MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import { readTensor } from './checkpoint.ts';
import { openFolder } from './node-open.ts';
import { planShards } from './safetensors-writer.ts';

const fixtures = fileURLToPath(new URL('../../e2e/fixtures/models/', import.meta.url));
const stories = join(fixtures, 'stories260K-llama');
let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'node-open-'));
});
afterEach(() => rm(temporary, { recursive: true }));

describe('openFolder', () => {
  it.each([stories, `${stories}/`, join(stories, 'model.safetensors')])('opens %s', async (path) => {
    const checkpoint = await openFolder(path);
    expect(checkpoint).toMatchObject({ name: 'stories260K-llama', totalBytes: 1_040_128 });
    expect(checkpoint.sideFiles.has('tokenizer.json')).toBe(true);
    const norm = checkpoint.tensors.get('model.norm.weight');
    if (!norm) return expect.fail('no tensor');
    expect(await readTensor(norm, 0, 8)).toHaveLength(8);
    await checkpoint.close();
    await checkpoint.close();
    await expect(readTensor(norm, 0, 8)).rejects.toThrow();
  });

  it('opens one file among several by its own name', async () => {
    await cp(stories, temporary, { recursive: true });
    await cp(join(stories, 'model.safetensors'), join(temporary, 'tuned.safetensors'));
    const checkpoint = await openFolder(join(temporary, 'tuned.safetensors'));
    expect(checkpoint).toMatchObject({
      name: 'tuned',
      weightFiles: ['tuned.safetensors'],
      config: { vocab_size: 512 },
    });
    await checkpoint.close();
    await expect(openFolder(temporary)).rejects.toThrow(/several models .*name one of the files/);
  });

  it('opens all shards by the name of one', async () => {
    const specs = ['a', 'b'].map((name) => ({ name, dtype: 'U8', shape: [3] }) as const);
    const plan = planShards(specs, { maxShardBytes: 3 });
    for (const { fileName, header } of plan.shards) {
      await writeFile(join(temporary, fileName), Buffer.concat([header, new Uint8Array(3)]));
    }
    const checkpoint = await openFolder(join(temporary, 'model-00002-of-00002.safetensors'));
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b']);
    await checkpoint.close();
  });

  it('refuses what is not a model, by the kind of fault', async () => {
    await mkdir(join(temporary, 'empty'));
    await writeFile(join(temporary, 'x.safetensors'), 'GGUF\x03\0\0\0');
    await writeFile(join(temporary, 'notes.txt'), 'x');
    await expect(openFolder(join(temporary, 'nowhere'))).rejects.toThrow(MissingFault);
    await expect(openFolder(join(temporary, 'empty'))).rejects.toThrow(MissingFault);
    await expect(openFolder(join(temporary, 'x.safetensors'))).rejects.toThrow(UnsupportedFault);
    await expect(openFolder(join(temporary, 'notes.txt'))).rejects.toThrow(UnsupportedFault);
    await expect(openFolder(join(fixtures, 'safetensors-edge'))).rejects.toThrow(MalformedFault);
  });
});
