/** The command line's results against a float64 oracle that shares no code with it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlendedDtype } from '../formats/dtype.ts';
import {
  deviation,
  type Granularity,
  linear,
  type OracleModel,
  readModel,
  taskArithmetic,
  varm,
} from './test/oracle.ts';
import { runCli } from './test/run-cli.ts';
import { CHANGED_BY_FIRST, FROZEN, type Kind, writeFamily, writeTiny } from './test/tiny-checkpoint.ts';

let root: string;
let number = 0;
const families = new Map<string, { folder: string; base: OracleModel; models: OracleModel[] }>();

async function family(kind: Kind, dtype: BlendedDtype) {
  const key = `${kind}-${dtype}`;
  const known = families.get(key);
  if (known) return known;
  const folder = join(root, key);
  await writeFamily(folder, { kind, dtype, maxShardBytes: dtype === 'F16' ? 20_000 : 5e9 });
  const made = {
    folder,
    base: readModel(join(folder, 'base')),
    models: ['m1', 'm2'].map((name) => readModel(join(folder, name))),
  };
  families.set(key, made);
  return made;
}

/** Merges and returns the result; the recipe lies beside the models. */
async function merged(folder: string, recipe: string, ...more: string[]): Promise<OracleModel> {
  number += 1;
  const path = join(folder, `recipe-${number}.yml`);
  await writeFile(path, recipe);
  const out = join(root, `out-${number}`);
  const result = await runCli(['merge', path, out, '--device', 'cpu', ...more]);
  expect(result).toMatchObject({ code: 0 });
  return readModel(out);
}

function expectClose(got: OracleModel, expected: ReadonlyMap<string, Float64Array>): void {
  expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, values] of expected) {
    const tensor = got.get(name);
    expect(tensor ? deviation(tensor, values) : Number.NaN, name).toBeLessThanOrEqual(1);
  }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusewright-oracle-'));
});
afterAll(() => rm(root, { recursive: true }));

const FAMILIES: [Kind, BlendedDtype][] = [
  ['llama', 'F32'],
  ['qwen2', 'BF16'],
  ['llama', 'F16'],
];

const MODELS = `base_model: base
models:
  - model: m1
  - model: m2
`;

describe.each(FAMILIES)('a %s family in %s', (kind, dtype) => {
  const granularities: Granularity[] = ['model', 'layer', 'module', 'tensor', 'row', 'element'];
  const cases = granularities.flatMap((granularity) =>
    (['square', 'abs'] as const).map((statistic) => ({ granularity, statistic })),
  );

  it.each(cases)('varm per $granularity by $statistic', async ({ granularity, statistic }) => {
    const { folder, base, models } = await family(kind, dtype);
    const got = await merged(
      folder,
      `merge_method: varm\n${MODELS}parameters:\n  granularity: ${granularity}\n  statistic: ${statistic}\n`,
    );
    expectClose(got, varm(base, models, { granularity, statistic }));
    if (granularity === 'model' || granularity === 'layer' || granularity === 'module') return;
    // What nobody changed is the pivot's very bits; what one model changed is that model's, in F32 to the last bit but one:
    // the pivot plus a change that was itself rounded.
    expect(got.get(FROZEN)?.values).toEqual(base.get(FROZEN)?.values);
    if (granularity === 'tensor') {
      const only = got.get(CHANGED_BY_FIRST);
      const wanted = models[0]?.get(CHANGED_BY_FIRST)?.values ?? new Float64Array();
      if (dtype !== 'F32') expect(only?.values).toEqual(wanted);
      expect(only ? deviation(only, wanted) : Number.NaN).toBeLessThanOrEqual(1);
    }
  });

  it('varm with multipliers and a temperature', async () => {
    const { folder, base, models } = await family(kind, dtype);
    const weighted = MODELS.replace('m1\n', 'm1\n    parameters:\n      weight: 0.35\n').replace(
      'm2\n',
      'm2\n    parameters:\n      weight: 2.5\n',
    );
    const weight = [0.35, 2.5];
    for (const granularity of ['module', 'row', 'element'] as const) {
      const plain = await merged(folder, `merge_method: varm\n${weighted}parameters:\n  granularity: ${granularity}\n`);
      expectClose(plain, varm(base, models, { granularity, statistic: 'square', weight }));
      const soft = await merged(
        folder,
        `merge_method: varm\n${weighted}parameters:\n  granularity: ${granularity}\n  temperature: 0.7\n`,
      );
      expectClose(soft, varm(base, models, { granularity, statistic: 'square', weight, temperature: 0.7 }));
    }
  });

  it('linear, normalised and not', async () => {
    const { folder, models } = await family(kind, dtype);
    const recipe = `merge_method: linear
models:
  - model: m1
    parameters:
      weight: 0.3
  - model: m2
    parameters:
      weight: 0.9
`;
    const weightOf = (k: number) => (k === 0 ? 0.3 : 0.9);
    expectClose(await merged(folder, recipe), linear(models, weightOf, true));
    const raw = await merged(folder, `${recipe}parameters:\n  normalize: false\n`);
    expectClose(raw, linear(models, weightOf, false));
  });

  it('linear over gradients and filters', async () => {
    const { folder, models } = await family(kind, dtype);
    const got = await merged(
      folder,
      `merge_method: linear
models:
  - model: m1
    parameters:
      weight:
        - filter: self_attn
          value: [0.1, 0.9]
        - filter: mlp.up
          value: 0.25
        - value: 0.6
  - model: m2
    parameters:
      weight: [0.2, 0.4, 1.0, 0.0, 0.5]
`,
    );
    const lists = { attention: [0.1, 0.5, 0.9], second: [0.2, 1.0, 0.5] };
    const layerOf = (name: string) => Number(/layers\.(\d)/.exec(name)?.[1] ?? 0);
    const weightOf = (k: number, name: string) => {
      if (k === 1) return lists.second[layerOf(name)] ?? Number.NaN;
      if (name.includes('self_attn')) return lists.attention[layerOf(name)] ?? Number.NaN;
      return name.includes('mlp.up') ? 0.25 : 0.6;
    };
    expectClose(got, linear(models, weightOf, true));
  });

  it('task arithmetic with lambda, normalised and not', async () => {
    const { folder, base, models } = await family(kind, dtype);
    const weighted = MODELS.replace('m2\n', 'm2\n    parameters:\n      weight: -0.4\n');
    const weightOf = (k: number) => (k === 0 ? 1 : -0.4);
    const plain = await merged(folder, `merge_method: task_arithmetic\n${weighted}parameters:\n  lambda: 0.7\n`);
    expectClose(plain, taskArithmetic(base, models, weightOf, 0.7, false));
    const divided = await merged(
      folder,
      `merge_method: task_arithmetic\n${weighted}parameters:\n  lambda: 0.7\n  normalize: true\n`,
    );
    expectClose(divided, taskArithmetic(base, models, weightOf, 0.7, true));
  });

  it('writes every dtype with one rounding', async () => {
    const { folder, base, models } = await family(kind, dtype);
    const expected = varm(base, models, { granularity: 'tensor', statistic: 'square' });
    for (const [word, out] of [
      ['float32', 'F32'],
      ['float16', 'F16'],
      ['bfloat16', 'BF16'],
    ] as const) {
      const got = await merged(folder, `merge_method: varm\n${MODELS}out_dtype: ${word}\n`);
      expect([...got.values()].every((tensor) => tensor.dtype === out)).toBe(true);
      expectClose(got, expected);
    }
  });

  it('gives the same bits whatever the memory, and with cuts inside rows and tensors', async () => {
    const { folder } = await family(kind, dtype);
    for (const granularity of ['tensor', 'row', 'element']) {
      const recipe = `merge_method: varm\n${MODELS}parameters:\n  granularity: ${granularity}\n`;
      const whole = await merged(folder, recipe);
      const small = await merged(folder, recipe, '--memory', '200kB', '--max-shard-size', '30kB');
      const least = await merged(folder, recipe, '--memory', '1');
      expect(small).toEqual(whole);
      expect(least).toEqual(whole);
    }
  });
});

describe('the oracle', () => {
  it('tells every granularity and statistic from every other, and a rounding too many from one', async () => {
    const { base, models } = await family('llama', 'BF16');
    const results = (['model', 'layer', 'module', 'tensor', 'row', 'element'] as const).flatMap((granularity) =>
      (['square', 'abs'] as const).map((statistic) => varm(base, models, { granularity, statistic })),
    );
    const name = 'model.layers.1.mlp.down_proj.weight';
    for (const a of results) {
      for (const b of results) {
        if (a === b) continue;
        const values = a.get(name) ?? new Float64Array();
        const tensor = { shape: [values.length], dtype: 'F32', values };
        expect(deviation(tensor, b.get(name) ?? new Float64Array())).toBeGreaterThan(1);
      }
    }
    const exact = Float64Array.of(1 + 2 ** -9, 1, 0);
    const rounded = (first: number) => ({ shape: [3], dtype: 'BF16', values: Float64Array.of(first, 1, 0) });
    expect(deviation(rounded(1), exact)).toBeLessThan(1);
    expect(deviation(rounded(1 + 2 ** -7), exact)).toBeGreaterThan(1);
  });
});

describe('mixed dtypes', () => {
  it('blends an F32 base with BF16 and F16 models, read exactly', async () => {
    const folder = join(root, 'mixed');
    await writeTiny(join(folder, 'base'), { kind: 'llama', dtype: 'F32', model: 0 });
    await writeTiny(join(folder, 'm1'), { kind: 'llama', dtype: 'BF16', model: 1 });
    await writeTiny(join(folder, 'm2'), { kind: 'llama', dtype: 'F16', model: 2, maxShardBytes: 9000 });
    const base = readModel(join(folder, 'base'));
    const models = ['m1', 'm2'].map((name) => readModel(join(folder, name)));
    const got = await merged(folder, `merge_method: varm\n${MODELS}`);
    expectClose(got, varm(base, models, { granularity: 'tensor', statistic: 'square' }));
    const averaged = await merged(folder, 'merge_method: linear\nmodels:\n  - model: m1\n  - model: m2\n');
    // Mixed dtypes are promoted, as PyTorch does it.
    expect([...averaged.values()].every((tensor) => tensor.dtype === 'F32')).toBe(true);
    expectClose(
      averaged,
      linear(models, () => 1, true),
    );
  });
});
