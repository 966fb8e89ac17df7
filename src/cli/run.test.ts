/** What a call of the command line says, refuses and leaves behind. */

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CountingBytes } from '../bytes/counting-bytes.ts';
import type * as NodeBytesModule from '../bytes/node-bytes.ts';
import { openPlace } from './device.ts';
import { startKernelPool } from './kernel-pool.ts';
import { runCli } from './test/run-cli.ts';
import { writeFamily, writeTiny } from './test/tiny-checkpoint.ts';

/** Every file that was opened since the last test began, with its reads. */
const watched = vi.hoisted(() => ({ files: [] as CountingBytes[] }));

vi.mock('../bytes/node-bytes.ts', async (importOriginal) => {
  const original = await importOriginal<typeof NodeBytesModule>();
  const { countingBytes } = await import('../bytes/counting-bytes.ts');
  return {
    nodeBytes: async (path: string, name?: string) => {
      const bytes = await original.nodeBytes(path, name);
      const counting = countingBytes(bytes);
      watched.files.push(counting);
      return Object.assign(counting, { close: () => bytes.close() });
    },
  };
});

/** How many bytes of weights were read: whatever lies behind a weight file's header. */
async function weightBytesRead(): Promise<number> {
  let bytes = 0;
  for (const file of watched.files.filter(({ name }) => name.endsWith('.safetensors'))) {
    const view = new DataView((await readFile(file.name)).buffer.slice(0, 8));
    const dataStart = 8 + Number(view.getBigUint64(0, true));
    for (const { start, end } of file.reads) bytes += Math.max(0, end - Math.max(start, dataStart));
  }
  return bytes;
}

let root: string;
beforeEach(async () => {
  watched.files.length = 0;
  root = await mkdtemp(join(tmpdir(), 'fusewright-cli-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const RECIPE = 'merge_method: varm\nbase_model: base\nmodels:\n  - model: m1\n  - model: m2\n';
const models = fileURLToPath(new URL('../../e2e/fixtures/models/', import.meta.url));

async function recipe(text: string): Promise<string> {
  const path = join(root, 'recipe.yml');
  await writeFile(path, text);
  return path;
}

/** One line on stderr with our prefix, nothing on stdout, and nothing new in the folder. */
async function expectRefusal(args: readonly string[], pattern: RegExp): Promise<void> {
  const before = (await readdir(root)).sort();
  const { code, stdout, stderr } = await runCli(args);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^fusewright: [^\n]+\n$/);
  expect(stderr).toMatch(pattern);
  expect((await readdir(root)).sort()).toEqual(before);
}

describe('arguments', () => {
  it.each([['--help'], ['-h'], []])('%s prints the help', async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(args);
    expect([code, stderr]).toEqual([0, '']);
    for (const word of ['merge <recipe.yml> <out-dir>', '--device', '--dry-run', '--max-shard-size', '--memory']) {
      expect(stdout).toContain(word);
    }
  });

  it('--version prints the version', async () => {
    expect(await runCli(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it.each([
    [['blend', 'a', 'b'], /no command 'blend'/],
    [['merge'], /needs a recipe and a folder/],
    [['merge', 'a.yml'], /needs a folder/],
    [['merge', 'a.yml', 'b', 'c'], /'c' is one too many/],
    [['merge', 'a.yml', 'b', '--devise', 'cpu'], /--devise.*--help/],
    [['merge', 'a.yml', 'b', '--device'], /--device.*--help/],
    [['merge', 'a.yml', 'b', '--device', 'tpu'], /auto, gpu or cpu, and 'tpu'/],
    [['merge', 'a.yml', 'b', '--max-shard-size', '5 elephants'], /--max-shard-size is a size .*'5 elephants'/],
    [['merge', 'a.yml', 'b', '--max-shard-size', '0'], /--max-shard-size/],
    [['merge', 'a.yml', 'b', '--memory=-1GB'], /--memory is a size/],
    [['merge', 'nowhere.yml', 'b'], /nowhere\.yml does not exist/],
    [['merge', tmpdir(), 'b'], /is not a file/],
  ])('%j is refused', (args, pattern) => expectRefusal(args, pattern));
});

describe('refusals', () => {
  it('names the line, the column and the meant word of an unknown key', async () => {
    const path = await recipe(RECIPE.replace('m1\n', 'm1\n    parameters:\n      wieght: 2\n'));
    await expectRefusal(['merge', path, join(root, 'out')], /line 6, column 7: .*wieght.*Did you mean 'weight'/);
  });

  it('refuses models that are no siblings before any weight is read, and names the tensors', async () => {
    const [stories, llama] = ['stories260K-llama', 'llama2xs-500it'].map((name) => join(models, name));
    const path = await recipe(
      `merge_method: varm\nbase_model: ${stories}\nmodels:\n  - model: ${llama}\n  - model: ${stories}\n`,
    );
    await expectRefusal(['merge', path, join(root, 'out')], /model\.(layers|embed_tokens)[\w.]+ is \d+/);
    expect(watched.files.filter(({ name }) => name.endsWith('.safetensors'))).toHaveLength(2);
    expect(await weightBytesRead()).toBe(0);
  });

  it('says where it looked for a model, and that nothing is downloaded', async () => {
    const path = await recipe(RECIPE.replace('m2', 'mistralai/Mistral-7B-v0.1'));
    await writeFamily(root, { kind: 'llama', dtype: 'BF16', models: 1 });
    await expectRefusal(['merge', path, join(root, 'out')], /mistralai\/Mistral-7B-v0\.1.*downloads nothing/);
    await recipe(RECIPE.replace('m2', './m9'));
    await expectRefusal(['merge', path, join(root, 'out')], /names \.\/m9, .*relative to the recipe’s folder/);
  });

  it('says what a word meant that is no folder: a home folder, a tokenizer’s source', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    const home = await recipe(RECIPE.replace('m2', '~/m2'));
    await expectRefusal(
      ['merge', home, join(root, 'out')],
      /names ~\/m2, .*only a shell knows ~; write the whole path/,
    );
    const typo = await recipe(`${RECIPE}tokenizer_source: unoin\n`);
    await expectRefusal(['merge', typo, join(root, 'out')], /names unoin, .*Did you mean 'union'\?/);
  });

  it('leaves what is in the output folder alone', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    const path = await recipe(RECIPE);
    await mkdir(join(root, 'out'));
    await writeFile(join(root, 'out', 'notes.txt'), 'mine');
    await expectRefusal(['merge', path, join(root, 'out')], /out is not empty \(notes\.txt\)/);
    await expectRefusal(['merge', path, path], /recipe\.yml is a file/);
    await expectRefusal(['merge', path, join(root, 'm1')], /not empty/);
    expect(await readFile(join(root, 'out', 'notes.txt'), 'utf8')).toBe('mine');
    expect(await weightBytesRead()).toBe(0);
  });

  it('prints other people’s names on one line, without what steers a terminal', async () => {
    const path = await recipe(RECIPE.replace('base\n', '"no\\u202ewhere"\n'));
    const { code, stderr } = await runCli(['merge', path, join(root, 'out')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^fusewright: [^\n]+\n$/);
    expect(stderr).not.toMatch(/[\u202e\u001b]/);
  });

  it('refuses weights that add up to zero before any weight is read', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'F32' });
    const path = await recipe(
      'merge_method: linear\nmodels:\n  - model: m1\n    parameters: {weight: 1}\n  - model: m2\n    parameters: {weight: -1}\n',
    );
    await expectRefusal(['merge', path, join(root, 'out')], /must not add up to zero/);
    expect(await weightBytesRead()).toBe(0);
  });

  it('leaves nothing where a source breaks off during the merge', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'F32' });
    const path = await recipe(RECIPE);
    // Infinity shows only when the weights are read, by which time the folder has been begun.
    const broken = join(root, 'm2', 'model.safetensors');
    const bytes = await readFile(broken);
    bytes.writeFloatLE(Number.POSITIVE_INFINITY, bytes.length - 4);
    await writeFile(broken, bytes);
    await expectRefusalAfterPlace(
      ['merge', path, join(root, 'out'), '--device', 'cpu'],
      /lm_head\.weight holds NaN, infinity/,
    );
    expect((await readdir(root)).sort()).toEqual(['base', 'm1', 'm2', 'recipe.yml']);
  });
});

/** As a refusal, after the line that says where it runs. */
async function expectRefusalAfterPlace(args: readonly string[], pattern: RegExp): Promise<void> {
  const { code, stderr } = await runCli(args);
  expect(code).toBe(1);
  const lines = stderr.trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^fusewright: /);
  expect(lines[1]).toMatch(pattern);
}

describe('a dry run', () => {
  it('prints the plan, reads no weight and writes nothing', async () => {
    await writeFamily(root, { kind: 'qwen2', dtype: 'BF16', maxShardBytes: 10_000 });
    const path = await recipe(RECIPE);
    const before = await readdir(root);
    for (const output of [[], [join(root, 'deep', 'out')]]) {
      const { code, stdout } = await runCli([
        'merge',
        path,
        ...output,
        '--dry-run',
        '--device',
        'cpu',
        '--max-shard-size',
        '20kB',
      ]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/method: varm of 2 models on base/);
      expect(stdout).toMatch(/tensors: 38 blended|tensors: \d+ blended/);
      expect(stdout).toMatch(/reads: [\d.]+ kB, once/);
      expect(stdout).toMatch(/writes: [\d.]+ kB as BF16 in \d+ weight files/);
      expect(stdout).toMatch(/memory: at most .* of 537 MB/);
    }
    expect(await weightBytesRead()).toBe(0);
    expect(await readdir(root)).toEqual(before);
  });

  it('lists every finding and exits with 1 where one refuses', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    await writeTiny(join(root, 'm2'), { kind: 'qwen2', dtype: 'BF16', model: 2 });
    const path = await recipe(RECIPE);
    const { code, stdout, stderr } = await runCli(['merge', path, '--dry-run']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^error: /m);
    expect(stdout).toMatch(/^warning: m2 has 9 tensors that base lacks/m);
    expect(stderr).toMatch(/^fusewright: [^\n]+\n$/);
  });
});

describe('a merge', () => {
  it('writes a folder that says what it is', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    const text = `# mine\n${RECIPE}out_dtype: float32\n`;
    const path = await recipe(text);
    const out = join(root, 'some', 'where', 'merged');
    const { code, stdout, stderr } = await runCli(['merge', path, out, '--device', 'cpu', '--max-shard-size', '50kB']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^Merging on the CPU, 1 thread: as asked\.\n$/)]);
    expect(stdout).toMatch(/^Wrote \d+ files, [\d.]+ kB, to .*merged in [\d.]+ m?s on the CPU\.\n$/);
    const files = await readdir(out);
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'config.json', 'fusewright.yml', 'model.safetensors.index.json']),
    );
    expect(files.filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(2);
    expect(await readFile(join(out, 'fusewright.yml'), 'utf8')).toBe(text);
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({ torch_dtype: 'float32' });
    const card = await readFile(join(out, 'README.md'), 'utf8');
    expect(card).toMatch(/Base: `base`/);
    expect(card).toMatch(/^# merged$/m);
    expect(card).not.toContain(root);
    expect((await stat(out)).mode & 0o777).toBe((await stat(join(root, 'some'))).mode & 0o777);
  });

  it('keeps quiet when asked, and still warns', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    await writeTiny(join(root, 'm2'), { kind: 'llama', dtype: 'F32', model: 2 });
    const config = join(root, 'm2', 'config.json');
    await writeFile(
      config,
      (await readFile(config, 'utf8')).replace('"num_key_value_heads": 1', '"num_key_value_heads": 2'),
    );
    const path = await recipe(RECIPE);
    const { code, stdout, stderr } = await runCli(['merge', path, join(root, 'out'), '--device', 'cpu', '--quiet']);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^warning: m2’s config\.json differs [^\n]+\n$/);
  });

  it('says loudly where the result holds infinity', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'F16' });
    const path = await recipe(
      'merge_method: linear\nmodels:\n  - model: m1\n    parameters: {weight: [{filter: norm, value: 1.0e+7}, {value: 1}]}\nparameters: {normalize: false}\n',
    );
    const { code, stderr } = await runCli(['merge', path, join(root, 'out'), '--device', 'cpu', '--quiet']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^WARNING: the result holds 140 NaN or infinite values, in model\.\S+ \(20\)/);
  });

  it('stops when asked, and leaves nothing', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'F32' });
    const path = await recipe(RECIPE);
    const stop = new AbortController();
    const { code, stdout, stderr } = await runCli(['merge', path, join(root, 'out'), '--device', 'cpu'], {
      signal: stop.signal,
      onStderr: (text) => {
        if (text.startsWith('Merging on')) stop.abort();
      },
    });
    expect([code, stdout]).toEqual([130, '']);
    expect(stderr).toMatch(/\nfusewright: Stopped before it was finished; nothing was kept\.\n$/);
    expect((await readdir(root)).sort()).toEqual(['base', 'm1', 'm2', 'recipe.yml']);
  });

  it('takes absolute paths, paths with ./, single files and a base that is also a model', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    const path = await recipe(
      `merge_method: task_arithmetic\nbase_model: ./base\nmodels:\n  - model: ${join(root, 'm1')}\n    parameters: {weight: 1}\n  - model: m2/model.safetensors\n    parameters: {weight: 1}\n`,
    );
    expect(await runCli(['merge', path, join(root, 'out'), '--device', 'cpu'])).toMatchObject({ code: 0 });
  });
});

describe('the place', () => {
  it('is refused where a GPU was asked for and there is none', async () => {
    const find = async () => ({ gpu: null, why: 'the machine has none' }) as const;
    await expect(openPlace('gpu', find, () => [])).rejects.toMatchObject({
      code: 'device',
      message: /the machine has none/,
    });
    const place = await openPlace('auto', find, () => []);
    expect(place.arithmetic.place).toBe('cpu');
    expect(place.reason).toMatch(/the machine has none/);
  });

  it('takes a software rasteriser only where a GPU was asked for', async () => {
    const destroy = vi.fn();
    const device = { limits: {}, lost: new Promise(() => undefined), destroy };
    const info = { vendor: 'mesa', architecture: '', description: 'llvmpipe (LLVM 19)' };
    const adapter = { info, limits: {}, features: new Set(), requestDevice: async () => device };
    const gpu = { requestAdapter: async () => adapter } as unknown as GPU;
    const find = vi.fn(async () => ({ gpu }));
    const place = await openPlace('auto', find, () => []);
    expect(place.arithmetic.place).toBe('cpu');
    expect(place.reason).toBe(
      'Merging on the CPU, 1 thread: the only graphics adapter is a software one (llvmpipe (LLVM 19)), which is slower.',
    );
    expect(destroy).toHaveBeenCalledOnce();
    expect(find).toHaveBeenLastCalledWith('hardware');
    await openPlace('gpu', find, () => []).catch(() => undefined);
    expect(find).toHaveBeenLastCalledWith('any');
  });

  it('does not ask for a GPU where the CPU was asked for', async () => {
    const find = vi.fn();
    expect((await openPlace('cpu', find, () => [])).arithmetic.place).toBe('cpu');
    expect(find).not.toHaveBeenCalled();
  });

  it('tells whoever waits for a thread that died', async () => {
    const [thread] = startKernelPool(new URL('data:text/javascript,throw new Error("no such thing")'), 1);
    await expect(thread?.call('release', [1], [])).rejects.toThrow('no such thing');
    // Also whoever asks after its death.
    await expect(thread?.call('release', [1], [])).rejects.toThrow('no such thing');
    thread?.terminate();
  });
});
