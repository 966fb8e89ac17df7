/** Tensors that are not ordinary matrices: scalars, empty ones, three dimensions, integers, F64, odd names. */

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encode } from '../formats/codec.ts';
import { DTYPE_BITS, type Dtype, isBlended } from '../formats/dtype.ts';
import { planShards } from '../formats/safetensors-writer.ts';
import { deviation, type OracleModel, readModel, varm } from './test/oracle.ts';
import { normal } from './test/random.ts';
import { runCli } from './test/run-cli.ts';

const TENSORS: { name: string; dtype: Dtype; shape: number[] }[] = [
  { name: 'scalar', dtype: 'F32', shape: [] },
  { name: 'model.layers.0.mlp.empty', dtype: 'BF16', shape: [0, 7] },
  { name: 'model.layers.0.mlp.one', dtype: 'BF16', shape: [1] },
  { name: 'model.layers.0.mlp.odd', dtype: 'F16', shape: [3, 1, 5] },
  { name: 'model.layers.0.conv.cube', dtype: 'BF16', shape: [5, 3, 7] },
  { name: 'model.layers.10.mlp.column', dtype: 'F32', shape: [4099, 1] },
  { name: 'model.layers.10.mlp.wide', dtype: 'BF16', shape: [2, 9001] },
  { name: '__proto__', dtype: 'F32', shape: [2, 2] },
  { name: 'constructor', dtype: 'F16', shape: [3] },
  { name: 'name with spaces, "quotes" and ü', dtype: 'BF16', shape: [4] },
  { name: 'position_ids', dtype: 'I64', shape: [1, 9] },
  { name: 'mask', dtype: 'BOOL', shape: [5] },
  { name: 'wide.f64', dtype: 'F64', shape: [3] },
];

let root: string;

async function writeModel(name: string, model: number): Promise<void> {
  const { shards } = planShards(TENSORS, { maxShardBytes: 1e9 });
  const [shard] = shards;
  if (!shard) throw new Error('no shard');
  const data = shard.tensors.map(({ dtype, elements }, t) => {
    const base = normal(t + 1);
    const own = normal(1000 * model + t);
    if (!isBlended(dtype)) return new Uint8Array((elements * DTYPE_BITS[dtype]) / 8).map((_, i) => (i * 7 + model) % 2);
    const values = Float64Array.from({ length: elements }, () => base() + (model === 0 ? 0 : 0.01 * model * own()));
    return encode(values, dtype);
  });
  await mkdir(join(root, name));
  await writeFile(join(root, name, 'model.safetensors'), Buffer.concat([shard.header, ...data]));
  await writeFile(join(root, name, 'config.json'), '{}');
}

/** Without those that are copied. */
function blended(model: OracleModel): OracleModel {
  return new Map([...model].filter(([, { dtype }]) => ['F32', 'F16', 'BF16'].includes(dtype)));
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusewright-odd-'));
  for (const [model, name] of ['base', 'm1', 'm2'].entries()) await writeModel(name, model);
});
afterAll(() => rm(root, { recursive: true }));

it.each(['tensor', 'row', 'module', 'element'] as const)('blends and copies them per %s', async (granularity) => {
  await writeFile(
    join(root, 'recipe.yml'),
    `merge_method: varm\nbase_model: base\nmodels:\n  - model: m1\n  - model: m2\nparameters:\n  granularity: ${granularity}\n`,
  );
  const out = join(root, `out-${granularity}`);
  const more = ['--device', 'cpu', '--memory', '300kB'];
  const result = await runCli(['merge', join(root, 'recipe.yml'), out, ...more]);
  expect(result).toMatchObject({ code: 0 });
  expect(result.stderr).toMatch(/^warning: 1 tensor of F64 is copied from /m);
  const [base, m1, m2] = ['base', 'm1', 'm2'].map((name) => readModel(join(root, name)));
  if (!base || !m1 || !m2) throw new Error('not three');
  const got = readModel(out);
  expect([...got.keys()]).toEqual([...base.keys()]);
  const expected = varm(blended(base), [m1, m2], { granularity, statistic: 'square' });
  for (const [name, values] of expected) {
    const tensor = got.get(name);
    expect(tensor?.shape, name).toEqual(base.get(name)?.shape);
    if (values.length > 0) expect(tensor ? deviation(tensor, values) : Number.NaN, name).toBeLessThanOrEqual(1);
  }
  // What cannot be blended lies at the end and is the base's, byte for byte.
  const [merged, original] = await Promise.all(
    [out, join(root, 'base')].map((folder) => readFile(join(folder, 'model.safetensors'))),
  );
  const copiedBytes = 9 * 8 + 5 + 3 * 8;
  expect(merged?.subarray(-copiedBytes)).toEqual(original?.subarray(-copiedBytes));
});
