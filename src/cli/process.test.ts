/**
 * The command line as a process: built, started through its launcher, with its threads, its signals and Dawn. The
 * only file that builds, so that no two builds meet.
 */

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../tools/chromium.mjs';
import { openFolder } from '../formats/node-open.ts';
import { planShards } from '../formats/safetensors-writer.ts';
import { deviation, readModel, varm } from './test/oracle.ts';
import { runCli } from './test/run-cli.ts';
import { writeFamily } from './test/tiny-checkpoint.ts';

const DRIVER = 'vk_swiftshader_icd.json';
const launcher = fileURLToPath(new URL('../../tools/fusewright.mjs', import.meta.url));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusewright-process-'));
  await writeFamily(root, { kind: 'llama', dtype: 'BF16', maxShardBytes: 40_000 });
  await writeFile(join(root, 'recipe.yml'), RECIPE);
  expect(await start(['--version']).ended).toMatchObject({ code: 0 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const RECIPE =
  'merge_method: varm\nbase_model: base\nmodels:\n  - model: m1\n  - model: m2\nparameters:\n  granularity: element\n';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [launcher, ...args], { cwd: root, env: { ...process.env, ...env } });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => (said.stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.stderr += data.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  return { child, ended };
}

/** So many tensors that nobody who looks for the first of them misses all the rest, however busy the machine is. */
const SLOW_TENSORS = 45;

/** A family of tensors of zeros so large that merging each takes a second; sparse, so that they take no disk. */
async function writeSlow(): Promise<void> {
  const names = Array.from({ length: SLOW_TENSORS }, (_, layer) => `model.layers.${layer}.mlp.up_proj.weight`);
  const { shards } = planShards(names.map((name) => ({ name, dtype: 'F32', shape: [5000, 5000] }) as const));
  for (const model of ['base', 'm1', 'm2']) {
    await mkdir(join(root, 'slow', model), { recursive: true });
    for (const shard of shards) {
      const file = await open(join(root, 'slow', model, shard.fileName), 'w');
      await file.write(shard.header);
      await file.truncate(shard.sizeBytes);
      await file.close();
    }
    await writeFile(join(root, 'slow', model, 'config.json'), '{"model_type": "llama"}');
  }
  await writeFile(join(root, 'slow', 'recipe.yml'), RECIPE);
}

const SLOW_BYTES = SLOW_TENSORS * 5000 * 5000 * 4;

/** The begun output once some of its weights are written, and not all of them. */
async function begun(name: string): Promise<string> {
  for (;;) {
    const partial = (await readdir(root)).find((entry) => entry.startsWith(`${name}.partial-`));
    if (partial !== undefined) {
      const weights = await stat(join(root, partial, 'model.safetensors')).catch(() => null);
      if (weights && weights.size > 4096) {
        expect(weights.size).toBeLessThan(SLOW_BYTES);
        return join(root, partial);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('the process', () => {
  it('merges on threads with the very bits of one thread', async () => {
    const { code, stdout, stderr } = await start(['merge', 'recipe.yml', 'threads', '--device', 'cpu']).ended;
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Merging on the CPU, .*\n$/) });
    expect(stdout).toMatch(/^Wrote \d+ files, .* to threads in /);
    expect(await runCli(['merge', join(root, 'recipe.yml'), join(root, 'one'), '--device', 'cpu'])).toMatchObject({
      code: 0,
    });
    expect(readModel(join(root, 'threads'))).toEqual(readModel(join(root, 'one')));
  });

  it('exits with 1 and one line where it refuses', async () => {
    await writeFile(join(root, 'wrong.yml'), RECIPE.replace('varm', 'vram'));
    const { code, stdout, stderr } = await start(['merge', 'wrong.yml', 'never']).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^fusewright: Recipe, line 1, column 15: .*Did you mean 'varm'\?\n$/);
    expect(await readdir(root)).not.toContain('never');
  });

  it('leaves nothing after Ctrl-C', async () => {
    await writeSlow();
    const started = performance.now();
    const { child, ended } = start(['merge', 'slow/recipe.yml', 'stopped', '--device', 'cpu']);
    await begun('stopped');
    const pressed = performance.now();
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    // As the machine is now: stopping is nothing beside the rest of the work.
    expect(performance.now() - pressed).toBeLessThan(20_000 + pressed - started);
    expect(code).toBe(130);
    expect(stderr).toMatch(/fusewright: Stopped before it was finished; nothing was kept\.\n$/);
    expect((await readdir(root)).filter((name) => name.startsWith('stopped'))).toEqual([]);
  });

  it('leaves nothing that looks whole where it is killed', async () => {
    await writeSlow();
    const { child, ended } = start(['merge', 'slow/recipe.yml', 'killed', '--device', 'cpu']);
    const partial = await begun('killed');
    child.kill('SIGKILL');
    expect((await ended).signal).toBe('SIGKILL');
    expect((await readdir(root)).filter((name) => name.startsWith('killed'))).toEqual([partial.slice(root.length + 1)]);
    // What is left is called partial, has no config, and no reader takes its weights for whole.
    expect(await readdir(partial)).toEqual(['model.safetensors']);
    await expect(openFolder(partial)).rejects.toMatchObject({ code: 'malformed' });
  });

  // Chromium for Linux brings a software driver and the loader for it; elsewhere Dawn needs the machine's own.
  it.runIf(process.platform === 'linux')('merges through WebGPU where Dawn finds an adapter', async () => {
    const folder = await driverFolder();
    const driver = join(folder, DRIVER);
    const result = await start(['merge', 'recipe.yml', 'gpu', '--device', 'gpu'], {
      LD_LIBRARY_PATH: folder,
      VK_ICD_FILENAMES: driver,
      VK_DRIVER_FILES: driver,
    }).ended;
    expect(result).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^Merging on the GPU through WebGPU: SwiftShader/),
    });
    const models = ['m1', 'm2'].map((name) => readModel(join(root, name)));
    const expected = varm(readModel(join(root, 'base')), models, { granularity: 'element', statistic: 'square' });
    const got = readModel(join(root, 'gpu'));
    for (const [name, values] of expected) {
      const tensor = got.get(name);
      // Float32 arithmetic may fall on the other side of a tie: the neighbour, and no further.
      expect(tensor ? deviation(tensor, values, 2) : Number.NaN, name).toBeLessThanOrEqual(1);
    }
  });
});

/** The folder of a Chromium with its software driver; its command may be a link or a script that lies elsewhere. */
async function driverFolder(): Promise<string> {
  const found = findChromium();
  const beside = found === undefined ? [] : [dirname(await realpath(found))];
  for (const folder of [...beside, '/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome']) {
    const files: string[] = await readdir(folder).catch(() => []);
    if (files.includes(DRIVER) && files.includes('libvulkan.so.1')) return folder;
  }
  throw new Error('there is no Chromium with a software driver; npm test installs one');
}
