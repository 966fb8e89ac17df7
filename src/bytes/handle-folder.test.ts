import { describe, expect, it } from 'vitest';
import { directoryDouble } from './directory-double.ts';
import { OutputFault } from './fault.ts';
import { handleFolder, pickedFolder } from './handle-folder.ts';
import type { Folder } from './sink.ts';

async function put(folder: Folder, name: string, ...bytes: number[]): Promise<void> {
  const sink = await folder.file(name, bytes.length);
  await sink.write(Uint8Array.from(bytes));
  await sink.close();
}

async function namesIn(directory: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of directory.keys()) names.push(name);
  return names;
}

const holding = (...names: string[]) =>
  directoryDouble('picked', new Map(names.map((name) => [name, Uint8Array.of(7)])));

describe('handleFolder', () => {
  it('puts config.json in place last', async () => {
    const watched = directoryDouble('picked');
    const closed: string[] = [];
    watched.onStep = (step, file) => {
      if (step === 'close') closed.push(file);
    };
    const folder = await handleFolder(watched.handle);
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) await put(folder, name, 1);
    expect(closed).toEqual([]);
    await folder.finish();
    expect(closed).toEqual(['model.safetensors', 'tokenizer.json', 'config.json']);
  });

  it('names the files that it would overwrite, before it writes any', async () => {
    const { handle, files } = holding('b.json', 'a.json', 'unrelated.txt');
    const made = handleFolder(handle, ['a.json', 'b.json', 'c.json']);
    await expect(made).rejects.toThrow(OutputFault);
    await expect(made).rejects.toThrow('The folder picked already holds a.json, b.json; choose an empty folder.');
    expect(files.size).toBe(3);
  });

  it.each(['old.safetensors', 'model.safetensors.index.json'])('refuses a folder with the weights %s', async (name) => {
    await expect(handleFolder(holding(name).handle)).rejects.toThrow(name);
  });

  it('overwrites nothing that was not announced either, and abort spares it', async () => {
    const { handle, files } = holding('config.json', 'notes.txt');
    const folder = await handleFolder(handle);
    await put(folder, 'model.safetensors', 1);
    await expect(folder.file('config.json', 1)).rejects.toThrow(/already holds config\.json/);
    await folder.abort();
    expect([...files]).toEqual([
      ['config.json', Uint8Array.of(7)],
      ['notes.txt', Uint8Array.of(7)],
    ]);
  });

  it.each(['create', 'write', 'close'] as const)('reports a %s that fails, and abort leaves nothing', async (step) => {
    const double = directoryDouble('picked');
    const folder = await handleFolder(double.handle);
    await put(folder, 'a', 1);
    double.onStep = (now, file) => {
      if (now === step && file === 'b') throw new DOMException('full', 'QuotaExceededError');
    };
    const work = async () => {
      await put(folder, 'b', 2);
      await folder.finish();
    };
    await expect(work()).rejects.toThrow(/no room left for b/);
    await folder.abort();
    expect([...double.files.keys()]).toEqual([]);
  });

  it('makes a folder inside, removes it on abort, and leaves alone one that was there', async () => {
    const { handle, files } = directoryDouble('picked');
    const folder = await handleFolder(handle);
    await put(folder, 'onnx/model.onnx', 1);
    await put(folder, 'onnx/model.onnx_data', 2);
    await folder.abort();
    for await (const name of handle.keys()) expect.fail(`${name} was left`);

    await handle.getDirectoryHandle('onnx', { create: true });
    files.set('onnx/other.onnx', Uint8Array.of(7));
    const second = await handleFolder(handle);
    await expect(second.file('onnx/model.onnx', 1)).rejects.toThrow(/already holds onnx/);
    await second.abort();
    expect([...files.keys()]).toEqual(['onnx/other.onnx']);
  });

  it('does not mind that a file was removed by someone else before abort', async () => {
    const { handle, files } = directoryDouble('picked');
    const folder = await handleFolder(handle);
    await put(folder, 'a', 1);
    files.delete('a');
    await folder.abort();
    expect(files.size).toBe(0);
  });

  it('says that it cannot read a directory', async () => {
    const { handle } = directoryDouble('picked');
    Object.assign(handle, {
      keys: () => {
        throw new DOMException('no permission', 'NotAllowedError');
      },
    });
    await expect(handleFolder(handle)).rejects.toThrow(
      'The browser does not let this page write picked; save again, and allow it when asked.',
    );
  });
});

describe('pickedFolder', () => {
  it('is the directory itself where that is empty', async () => {
    const { handle, files } = directoryDouble('picked');
    const { folder, within } = await pickedFolder(handle, 'merged');
    await put(folder, 'a', 1);
    await folder.finish();
    expect(within).toBeNull();
    expect([...files.keys()]).toEqual(['a']);
  });

  it('is a folder of its own beside what lies there, and is gone after abort', async () => {
    const { handle, files } = holding('model.safetensors');
    const kept = await pickedFolder(handle, 'one');
    await put(kept.folder, 'model.safetensors', 1);
    await kept.folder.finish();
    expect(kept.within).toBe('one');
    const dropped = await pickedFolder(handle, 'two');
    await put(dropped.folder, 'model.safetensors', 1);
    await dropped.folder.abort();
    expect([...files.keys()]).toEqual(['model.safetensors', 'one/model.safetensors']);
    expect(await namesIn(handle)).toEqual(['model.safetensors', 'one']);
  });

  it('leaves a folder that was there, empty or not, and writes nothing beside a model in it', async () => {
    const { handle, files } = holding('notes.txt');
    await handle.getDirectoryHandle('merged', { create: true });
    await (await pickedFolder(handle, 'merged')).folder.abort();
    expect(await namesIn(handle)).toEqual(['notes.txt', 'merged']);
    files.set('merged/model.safetensors', Uint8Array.of(7));
    await expect(pickedFolder(handle, 'merged')).rejects.toThrow('merged already holds model.safetensors');
  });
});
