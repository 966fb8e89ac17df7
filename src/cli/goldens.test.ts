/**
 * The command line held to mergekit's own results. The goldens were made by `tools/goldens/make.py`, once; no Python
 * is needed to run this.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation, readModel } from './test/oracle.ts';
import { runCli } from './test/run-cli.ts';

const goldens = fileURLToPath(new URL('../../e2e/fixtures/goldens/', import.meta.url));
const cases = (await readdir(join(goldens, 'cases'))).sort();

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusewright-goldens-'));
});
afterAll(() => rm(root, { recursive: true }));

describe('mergekit', () => {
  it('made all the goldens that its manifest names', async () => {
    const manifest: unknown = JSON.parse(await readFile(join(goldens, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({ cases, versions: { mergekit: expect.any(String), torch: expect.any(String) } });
    expect(cases.length).toBeGreaterThan(8);
  });

  it.each(cases)('%s comes out the same here', async (name) => {
    const recipe = join(goldens, 'cases', name, 'recipe.yml');
    const out = join(root, name);
    expect(await runCli(['merge', recipe, out, '--device', 'cpu', '--quiet'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const expected = readModel(join(goldens, 'cases', name));
    const got = readModel(out);
    expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [tensor, golden] of expected) {
      const ours = got.get(tensor);
      expect(ours?.shape, tensor).toEqual(golden.shape);
      expect(ours?.dtype, tensor).toBe(golden.dtype);
      // mergekit rounds its float32 result: at a tie it may take the other neighbour, and no further one.
      expect(ours ? deviation(ours, golden.values, 2) : Number.NaN, tensor).toBeLessThanOrEqual(1);
    }
  });
});
