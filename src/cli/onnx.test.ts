/** `fusewright merge … --onnx`: what it writes, says and refuses. */

import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditReport } from '../merge/audit.ts';
import { inTurn, loadRuntime } from '../chat/runtime.ts';
import { parseDtypes } from './arguments.ts';
import { runCli } from './test/run-cli.ts';
import { writeFamily } from './test/tiny-checkpoint.ts';

const MODELS = fileURLToPath(new URL('../../e2e/fixtures/models/', import.meta.url));
const STORIES = join(MODELS, 'stories260K-llama');
const CPU = ['--device', 'cpu'];

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusewright-onnx-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Two copies of the story model, whose merge is the same model. */
async function recipe(): Promise<string> {
  for (const name of ['a', 'b']) await cp(STORIES, join(root, name), { recursive: true });
  return recipeOf('merge_method: linear\nmodels:\n  - model: a\n  - model: b\n');
}

async function recipeOf(text: string): Promise<string> {
  const path = join(root, 'recipe.yml');
  await writeFile(path, text);
  return path;
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  const kinds = await Promise.all(
    entries.map(async (name) => ((await stat(join(folder, name))).isFile() ? [name] : [])),
  );
  return kinds.flat().sort();
}

const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;

describe('merge --onnx', () => {
  it('writes a folder that says what it is, one graph and its data for each dtype', async () => {
    const out = join(root, 'out');
    const { code, stdout, stderr } = await runCli(['merge', await recipe(), out, '--onnx', 'q8,fp32', ...CPU]);
    expect(stderr).not.toMatch(/WARNING|fusewright:/);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Wrote 12 files, /);
    expect(await filesOf(out)).toEqual([
      'README.md',
      'config.json',
      'fusewright-audit.json',
      'fusewright.yml',
      'generation_config.json',
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'onnx/model_quantized.onnx',
      'onnx/model_quantized.onnx_data',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const config = await readJson(join(out, 'config.json'));
    const given = await readJson(join(STORIES, 'config.json'));
    expect(config).toMatchObject({
      ...given,
      'transformers.js_config': {
        use_external_data_format: { 'model.onnx': 1, 'model_quantized.onnx': 1 },
      },
    });
    const card = await readFile(join(out, 'README.md'), 'utf8');
    expect(card).toContain('library_name: transformers.js');
    expect(card).toContain("dtype: 'q8'");
    expect(card).toMatch(/written as ONNX in q8, fp32\./);
    const audit = (await readJson(join(out, 'fusewright-audit.json'))) as unknown as AuditReport;
    expect(audit.verdict).toBe('passed');
    expect(audit.totals.bytes).toBe(audit.totals.plannedBytes);
    expect(audit.files.map(({ name }) => name)).toContain('onnx/model_quantized.onnx_data');
  });

  it('writes what onnxruntime loads, with the numbers of the merge', async () => {
    const out = join(root, 'out');
    expect((await runCli(['merge', await recipe(), out, '--onnx', 'fp32', '--quiet', ...CPU])).code).toBe(0);
    const { InferenceSession, Tensor } = await loadRuntime();
    const read = async (name: string) => new Uint8Array(await readFile(join(out, 'onnx', name)));
    const session = await inTurn(async () =>
      InferenceSession.create(await read('model.onnx'), {
        executionProviders: ['wasm'],
        externalData: [{ path: 'model.onnx_data', data: await read('model.onnx_data') }],
      }),
    );
    const ids = (...values: number[]) => new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const past = session.inputNames
      .filter((name) => name.startsWith('past'))
      .map((name) => [name, new Tensor('float32', new Float32Array(), [1, 4, 0, 8])] as const);
    const { logits } = await inTurn(() =>
      session.run({
        ...Object.fromEntries(past),
        input_ids: ids(1),
        attention_mask: ids(1),
        position_ids: ids(0),
        num_logits_to_keep: new Tensor('int64', BigInt64Array.of(1n), []),
      }),
    );
    const row = logits?.data as Float32Array;
    // "Once": every story begins so.
    expect(row.indexOf(Math.max(...row))).toBe(403);
    await session.release();
  });

  it('writes several dtypes into one folder, and says so to transformers.js', async () => {
    const out = join(root, 'out');
    const args = ['merge', await recipe(), out, '--onnx', 'fp16,q8,q4', ...CPU];
    expect((await runCli(args)).code).toBe(0);
    expect((await filesOf(out)).filter((name) => name.startsWith('onnx/'))).toHaveLength(6);
    const config = await readJson(join(out, 'config.json'));
    expect(config['transformers.js_config']).toMatchObject({ kv_cache_dtype: { fp16: 'float16' } });
  });

  it('plans without writing', async () => {
    const { code, stdout } = await runCli(['merge', await recipe(), '--dry-run', '--onnx', 'q4', ...CPU]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^writes: \d+ kB as ONNX q4 in 2 files$/m);
  });

  it('refuses a model that it can make no graph for, and leaves nothing', async () => {
    await writeFamily(root, { kind: 'llama', dtype: 'BF16' });
    for (const name of ['base', 'm1']) {
      const config = await readJson(join(root, name, 'config.json'));
      await writeFile(join(root, name, 'config.json'), JSON.stringify({ ...config, model_type: 'mamba' }));
    }
    const path = await recipeOf('merge_method: linear\nmodels:\n  - model: base\n  - model: m1\n');
    const before = await readdir(root);
    const { code, stderr } = await runCli(['merge', path, join(root, 'out'), '--onnx', 'q8', '--quiet', ...CPU]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^fusewright: This merge cannot be written as ONNX: its model_type "mamba" .*Save it as safetensors instead\.$/m,
    );
    expect(await readdir(root)).toEqual(before);
  });

  it('leaves nothing when it is stopped midway', async () => {
    const stop = new AbortController();
    const args = ['merge', await recipe(), join(root, 'out'), '--onnx', 'fp32,q8', ...CPU];
    const { code } = await runCli(args, { signal: stop.signal, onStderr: () => stop.abort() });
    expect(code).toBe(130);
    expect((await readdir(root)).sort()).toEqual(['a', 'b', 'recipe.yml']);
  });

  it('takes each dtype once, and says which there are', async () => {
    expect(parseDtypes('q8, fp32,q8')).toEqual(['q8', 'fp32']);
    expect(() => parseDtypes('int8')).toThrow(
      "--onnx is a list such as q8 or q8,fp32 of fp32, fp16, q8, q4, and 'int8'",
    );
    const both = await runCli(['merge', 'r.yml', 'out', '--onnx', 'q8', '--max-shard-size', '1GB']);
    expect(both.stderr).toMatch(/--max-shard-size cuts safetensors and does not go with --onnx/);
  });
});
