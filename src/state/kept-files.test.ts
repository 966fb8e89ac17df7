import { describe, expect, it } from 'vitest';
import { askToRead, changesSince, filesOf, marksOf, mayRead, openingKey } from './kept-files.ts';

const file = (path: string, text = 'x', lastModified = 5) => ({
  path,
  file: new File([text], path.split('/').pop() ?? path, { lastModified }),
});

function handle(name: string, inner: readonly FileSystemHandle[] | null, state: PermissionState = 'granted') {
  let permission = state;
  return {
    kind: inner ? 'directory' : 'file',
    name,
    getFile: async () => {
      if (name === 'gone.json') throw new DOMException('gone', 'NotFoundError');
      if (name === 'broken.json') throw new DOMException('broken', 'NotReadableError');
      return new File(['x'], name);
    },
    async *values() {
      yield* inner ?? [];
    },
    queryPermission: async () => permission,
    requestPermission: async () => {
      if (name !== 'refused') permission = 'granted';
      return permission;
    },
  } as unknown as FileSystemHandle;
}

describe('the marks of files', () => {
  it('are of what the page looks into', () => {
    const marks = marksOf([file('m/model.safetensors'), file('m/photo.jpg'), file('m/config.json')]);
    expect(marks).toEqual([
      { path: 'm/model.safetensors', bytes: 1, changedMs: 5 },
      { path: 'm/config.json', bytes: 1, changedMs: 5 },
    ]);
  });

  it('tell what changed by size or date, and what is missing', () => {
    const marks = marksOf([file('a.safetensors'), file('b.safetensors'), file('c.safetensors'), file('d.safetensors')]);
    const now = [file('a.safetensors'), file('b.safetensors', 'xx'), file('c.safetensors', 'x', 6)];
    expect(changesSince(marks, now)).toEqual({
      changed: ['b.safetensors', 'c.safetensors'],
      missing: ['d.safetensors'],
    });
  });

  it('have keys that sort by time', () => {
    const keys = [9, 10, 1e12].map(openingKey);
    expect(keys.toSorted()).toEqual(keys);
  });
});

describe('handles', () => {
  it('give the paths that a drop gives, without what is hidden or gone', async () => {
    const folder = handle('m', [
      handle('model.safetensors', null),
      handle('gone.json', null),
      handle('.git', [handle('config', null)]),
      handle('deep', [handle('config.json', null)]),
    ]);
    const paths = (await filesOf([folder, handle('loose.safetensors', null)])).map(({ path }) => path);
    expect(paths).toEqual(['m/deep/config.json', 'm/model.safetensors', 'loose.safetensors']);
  });

  it('fail where a file is there and cannot be read', async () => {
    await expect(filesOf([handle('m', [handle('broken.json', null)])])).rejects.toThrow('broken');
  });

  it('ask only where it must be, and stop at a refusal', async () => {
    const [granted, prompt] = [handle('a', []), handle('b', [], 'prompt')];
    expect(await mayRead([granted, prompt])).toBe(false);
    expect(await askToRead([granted, handle('refused', [], 'prompt')])).toBe(false);
    expect(await askToRead([granted, prompt])).toBe(true);
    expect(await mayRead([granted, prompt])).toBe(true);
  });
});
