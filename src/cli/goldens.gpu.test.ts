/** The kernels held to mergekit's own results, in a browser: the goldens of `goldens.test.ts` through WebGPU. */

import { beforeAll, describe, expect, it } from 'vitest';
import manifestJson from '../../e2e/fixtures/goldens/manifest.json';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { memoryFolder } from '../bytes/memory-folder.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoints } from '../formats/open.ts';
import { gpuHere, openDevice } from '../gpu/device.ts';
import { Blend } from '../merge/blend.ts';
import { check } from '../merge/check.ts';
import { GpuArithmetic } from '../merge/gpu-arithmetic.ts';
import { save } from '../merge/save.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { failedTensors, type GoldensManifest, reasonToDiffer } from './test/goldens-manifest.ts';
import { deviation, parseModel } from './test/oracle-formulas.ts';

const weights = import.meta.glob<string>('/e2e/fixtures/goldens/**/*.safetensors', {
  eager: true,
  query: '?url',
  import: 'default',
});
// Vocabularies are merged before the kernels see anything, and are in `goldens.test.ts`.
const recipes = import.meta.glob<string>(
  ['/e2e/fixtures/goldens/cases/*/recipe.yml', '!/e2e/fixtures/goldens/cases/tokenizer-*/recipe.yml'],
  { eager: true, query: '?raw', import: 'default' },
);

const manifest: GoldensManifest = manifestJson;

async function fetched(path: string): Promise<Uint8Array> {
  const address = weights[path];
  if (address === undefined) throw new Error(`no ${path}`);
  return new Uint8Array(await (await fetch(address)).arrayBuffer());
}

async function openModel(name: string): Promise<Checkpoint> {
  const path = `/e2e/fixtures/goldens/models/${name}/model.safetensors`;
  const { checkpoints } = await openCheckpoints([
    { path: `${name}/model.safetensors`, bytes: memoryBytes(path, await fetched(path)) },
  ]);
  const [checkpoint] = checkpoints;
  if (!checkpoint) throw new Error(`${name} does not open`);
  return { ...checkpoint, name: `../../models/${name}` };
}

let arithmetic: GpuArithmetic;
beforeAll(async () => {
  arithmetic = new GpuArithmetic(await openDevice(gpuHere()));
});

describe('mergekit on WebGPU', () => {
  it.each(Object.entries(recipes))('%s', async (path, recipeText) => {
    const recipe = parseRecipe(recipeText);
    const named = new Set([...(recipe.base === null ? [] : [recipe.base]), ...recipe.models.map(({ model }) => model)]);
    const opened = new Map<string, Checkpoint>();
    for (const name of named) opened.set(name, await openModel(name.split('/').at(-1) ?? ''));
    const { lineup, findings } = check(recipe, (name) => opened.get(name));
    if (!lineup) throw new Error(findings.map(({ message }) => message).join());
    const folder = memoryFolder();
    const blend = new Blend(arithmetic, { budgetBytes: 2 ** 26, keepsSources: false });
    await save(blend, lineup, folder, { name: 'golden', recipeText, maxShardBytes: 1e9, version: '0' });
    const got = parseModel(folder.files?.get('model.safetensors') ?? new Uint8Array());
    const expected = parseModel(await fetched(path.replace('recipe.yml', 'expected.safetensors')));
    const name = path.split('/').at(-2) ?? '';
    expect([...got.keys()].sort()).toEqual([...expected.keys(), ...failedTensors(manifest, name)].sort());
    for (const [tensor, golden] of expected) {
      const ours = got.get(tensor);
      expect(ours?.dtype, tensor).toBe(golden.dtype);
      const off = ours ? deviation(ours, golden.values, 2) : Number.NaN;
      const reason = reasonToDiffer(manifest, name, tensor);
      if (reason === null) expect(off, tensor).toBeLessThanOrEqual(1);
      else expect(off, `${tensor}: ${reason}`).toBeGreaterThan(1);
    }
  });

  it('has all goldens', () => expect(Object.keys(recipes).length).toBeGreaterThan(8));
});
