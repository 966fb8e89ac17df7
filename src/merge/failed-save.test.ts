/**
 * Saves that fail: the disk is full, the permission is withdrawn, the folder is gone, a source changes, at every step
 * there is. Each ends in a sentence that names the file and what to do, and what is left opens as no model.
 */

import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directoryDouble, type DirectoryDouble } from '../bytes/directory-double.ts';
import { fileBytes } from '../bytes/file-bytes.ts';
import { handleFolder, pickedFolder } from '../bytes/handle-folder.ts';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { nodeBytes } from '../bytes/node-bytes.ts';
import type { Folder } from '../bytes/sink.ts';
import { zipFolder } from '../bytes/zip-folder.ts';
import { collector } from '../bytes/zip-reader-double.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoints } from '../formats/open.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { Blend } from './blend.ts';
import { check } from './check.ts';
import { CpuArithmetic } from './cpu-arithmetic.ts';
import { save } from './save.ts';
import { family } from './test/checkpoints.ts';

const RECIPE = 'merge_method: task_arithmetic\nbase_model: base\nmodels:\n  - model: tune-1\n  - model: tune-2\n';

/** Saves a merge in several shards. */
async function saveTo(folder: Folder, models: readonly Checkpoint[] = family(2), signal?: AbortSignal) {
  const { lineup } = check(parseRecipe(RECIPE), (name) => models.find((own) => own.name === name));
  if (!lineup) throw new Error('the family does not fit');
  const blend = new Blend(new CpuArithmetic(), { budgetBytes: 2 ** 28, keepsSources: false });
  const options = { name: 'merged', recipeText: RECIPE, version: '0', maxShardBytes: 6000, signal };
  return save(blend, lineup, folder, options);
}

/** The checkpoints that what lies in a folder opens as. */
async function opensAs(files: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const given = [...files].map(([path, bytes]) => ({ path: `merged/${path}`, bytes: memoryBytes(path, bytes) }));
  return (await openCheckpoints(given)).checkpoints.map(({ name }) => name);
}

type Step = Parameters<DirectoryDouble['onStep']>[0];

/** How often a whole save does each step. */
async function stepsOf(): Promise<{ step: Step; file: string }[]> {
  const double = directoryDouble('picked');
  const steps: { step: Step; file: string }[] = [];
  double.onStep = (step, file) => steps.push({ step, file });
  await saveTo(await handleFolder(double.handle));
  expect(await opensAs(double.files)).toEqual(['merged']);
  return steps;
}

const REASONS = [
  ['QuotaExceededError', /no room left for .+; free some space or choose another place/],
  ['NotAllowedError', /does not let this page write .+; save again, and allow it when asked/],
  ['NotFoundError', /cannot be written, because its folder is not there any more; choose another place/],
  ['NoModificationAllowedError', /another program or tab has it open; close it there and save again/],
] as const;

describe('a save to a folder', () => {
  it.each(REASONS)(
    'that meets %s names the file and the remedy at every step, and leaves nothing',
    async (name, words) => {
      const steps = await stepsOf();
      for (const [n, { file }] of steps.entries()) {
        const double = directoryDouble('picked');
        let at = -1;
        double.onStep = (step) => {
          if (step !== 'remove' && ++at === n) throw new DOMException('refused', name);
        };
        const failure = await saveTo(await handleFolder(double.handle)).catch((thrown: unknown) => thrown);
        expect(failure, `step ${n}`).toMatchObject({ code: 'output', message: expect.stringMatching(words) });
        expect(failure).toMatchObject({ message: expect.stringContaining(file) });
        expect([...double.files.keys()]).toEqual([]);
      }
    },
  );

  it('whose permission is withdrawn says what it could not take back, and none of it opens as a model', async () => {
    const steps = await stepsOf();
    for (const n of steps.keys()) {
      const double = directoryDouble('picked');
      let at = -1;
      double.onStep = () => {
        if (++at >= n) throw new DOMException('refused', 'NotAllowedError');
      };
      const failure = await saveTo(await handleFolder(double.handle)).catch((thrown: unknown) => thrown);
      expect(failure).toMatchObject({
        code: 'output',
        message: expect.stringContaining('does not let this page write'),
      });
      const left = [...double.files.keys()];
      for (const name of left.sort().slice(0, 5))
        expect(failure).toMatchObject({ message: expect.stringContaining(name) });
      if (left.length > 0) {
        expect(failure).toMatchObject({
          message: expect.stringMatching(/The folder picked still holds .*; delete (it|them)\.$/),
        });
      }
      expect(double.files.has('config.json') && (double.files.get('config.json')?.length ?? 0) > 0).toBe(false);
    }
  });

  it('that is killed at any moment opens as no model before the last weights are there', async () => {
    const steps = await stepsOf();
    const closes = steps.filter(({ step }) => step === 'close');
    const weights = closes.filter(({ file }) => file.endsWith('.safetensors')).length;
    expect(weights).toBeGreaterThan(2);
    for (const n of steps.keys()) {
      const double = directoryDouble('picked');
      let at = -1;
      let closed = 0;
      // Nothing comes after a kill: no more steps, and no abort.
      const killed = new Promise<never>((_, reject) => {
        double.onStep = (step, file) => {
          if (++at >= n) {
            reject(new Error('killed'));
            throw new DOMException('gone', 'InvalidStateError');
          }
          if (step === 'close' && file.endsWith('.safetensors')) closed++;
        };
      });
      const folder = await handleFolder(double.handle);
      await Promise.race([saveTo({ ...folder, abort: async () => undefined }), killed]).catch(() => undefined);
      const opened = await opensAs(double.files);
      if (closed < weights) expect(opened, `step ${n}`).toEqual([]);
    }
  });

  it('that is stopped where nothing can be removed says so', async () => {
    const double = directoryDouble('picked');
    const stop = new AbortController();
    double.onStep = (step) => {
      if (step === 'remove') throw new DOMException('refused', 'NotAllowedError');
      if (step === 'write') stop.abort();
    };
    const failure = await saveTo(await handleFolder(double.handle), family(2), stop.signal).catch(
      (own: unknown) => own,
    );
    expect(failure).toMatchObject({
      code: 'output',
      message: expect.stringMatching(/^The save was stopped\. The folder picked still holds .*; delete (it|them)\.$/),
    });
  });

  it('that the browser refuses from the start names the folder', async () => {
    const { handle } = directoryDouble('picked', new Map([['notes.txt', Uint8Array.of(1)]]));
    const refused = {
      ...handle,
      keys: handle.keys.bind(handle),
      name: 'picked',
      getFileHandle: async () => {
        throw new DOMException('refused', 'NotAllowedError');
      },
    } as unknown as FileSystemDirectoryHandle;
    await expect(pickedFolder(refused, 'merged')).rejects.toThrow(/does not let this page write picked/);
  });
});

describe('a save as a zip', () => {
  it.each(REASONS)(
    'that meets %s says so of the zip at every write, and has no table of contents',
    async (name, words) => {
      const whole = collector();
      let writes = 0;
      await saveTo(zipFolder(counting(whole.stream, () => void writes++)));
      expect(writes).toBeGreaterThan(10);
      for (let n = 0; n <= writes; n += Math.max(1, Math.floor(writes / 12))) {
        const zip = collector();
        let at = -1;
        const failing = counting(zip.stream, () => {
          if (++at === n) throw new DOMException('refused', name);
        });
        const failure = await saveTo(zipFolder(failing)).catch((thrown: unknown) => thrown);
        if (at < n) continue;
        expect(failure, `write ${n}`).toMatchObject({ code: 'output', message: expect.stringMatching(words) });
        expect(failure).toMatchObject({ message: expect.stringMatching(/[Tt]he zip/) });
        expect(zip.isClosed()).toBe(false);
      }
    },
  );
});

/** The same stream, told of before each write. */
function counting(
  stream: WritableStream<Uint8Array<ArrayBuffer>>,
  onWrite: () => void,
): WritableStream<Uint8Array<ArrayBuffer>> {
  const writer = stream.getWriter();
  return new WritableStream({
    write(chunk) {
      onWrite();
      return writer.write(chunk);
    },
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
  });
}

describe('a source', () => {
  it('that was changed or removed while it was open is named at whichever read it is found', async () => {
    for (let n = 0; n < 6; n++) {
      const models = family(2);
      const [base, first, second] = models;
      if (!base || !first || !second) throw new Error('a family of three');
      const whole = await first.file.slice(0, first.file.size);
      const file = new File([whole], 'model.safetensors');
      const bytes = fileBytes(file, 'tune-1/model.safetensors');
      let reads = 0;
      const given = {
        ...bytes,
        slice: (start: number, end: number) => {
          if (reads++ < n) return bytes.slice(start, end);
          // As a browser answers for a file that is not what it was.
          const gone = {
            size: file.size,
            slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException('', 'NotReadableError')) }),
          };
          return fileBytes(gone as unknown as File, bytes.name).slice(start, end);
        },
      };
      const moved = {
        ...first,
        tensors: new Map([...first.tensors].map(([name, entry]) => [name, { ...entry, file: given }])),
      };
      const double = directoryDouble('picked');
      const failure = await saveTo(await handleFolder(double.handle), [base, moved, second]).catch(
        (own: unknown) => own,
      );
      if (reads <= n) continue;
      expect(failure).toMatchObject({
        code: 'missing',
        message:
          'tune-1/model.safetensors can no longer be read; it was moved, deleted or changed after it was added, so add it again.',
      });
      expect([...double.files.keys()]).toEqual([]);
    }
  });

  it('on disk that is written while it is open is not read on, though its size is the same', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'changed-'));
    const path = join(folder, 'model.safetensors');
    await writeFile(path, new Uint8Array(64).fill(1));
    const bytes = await nodeBytes(path, 'model.safetensors');
    try {
      expect(await bytes.slice(0, 4)).toEqual(Uint8Array.of(1, 1, 1, 1));
      await writeFile(path, new Uint8Array(64).fill(2));
      await utimes(path, new Date(), new Date(Date.now() + 5000));
      await expect(bytes.slice(4, 8)).rejects.toMatchObject({
        code: 'missing',
        message: 'model.safetensors changed on disk after it was opened; wait until it is written, then run again.',
      });
    } finally {
      await bytes.close();
      await rm(folder, { recursive: true });
    }
  });
});
