/**
 * The command line held to mergekit's own results. The goldens were made by `tools/goldens/make.py`, once; no Python
 * is needed to run this. Where mergekit failed at a tensor it only has to be there; where results are meant to differ,
 * they have to.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failedTensors, type GoldensManifest, reasonToDiffer } from './test/goldens-manifest.ts';
import { deviation, readModel } from './test/oracle.ts';
import { runCli } from './test/run-cli.ts';

const goldens = fileURLToPath(new URL('../../e2e/fixtures/goldens/', import.meta.url));
const cases = (await readdir(join(goldens, 'cases'))).sort();
const manifest: GoldensManifest = JSON.parse(await readFile(join(goldens, 'manifest.json'), 'utf8'));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fusewright-goldens-'));
});
afterAll(() => rm(root, { recursive: true }));

describe('mergekit', () => {
  it('made all the goldens that its manifest names', () => {
    expect(manifest).toMatchObject({ cases, versions: { mergekit: expect.any(String), torch: expect.any(String) } });
    expect(cases.length).toBeGreaterThan(8);
  });

  it.each(cases)('%s comes out the same here', async (name) => {
    const recipe = join(goldens, 'cases', name, 'recipe.yml');
    const out = join(root, name);
    const ran = await runCli(['merge', recipe, out, '--device', 'cpu', '--quiet']);
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    // Some recipes are odd on purpose, and the pre-flight or the audit says so.
    for (const line of ran.stderr.split('\n')) expect(line).toMatch(/^(WARNING: .*|warning: .*|)$/);
    const expected = readModel(join(goldens, 'cases', name));
    const got = readModel(out);
    const failed = failedTensors(manifest, name);
    expect([...got.keys()].sort()).toEqual([...expected.keys(), ...failed].sort());
    for (const [tensor, golden] of expected) {
      const ours = got.get(tensor);
      expect(ours?.shape, tensor).toEqual(golden.shape);
      expect(ours?.dtype, tensor).toBe(golden.dtype);
      // mergekit rounds its float32 result: at a tie it may take the other neighbour, and no further one.
      const off = ours ? deviation(ours, golden.values, 2) : Number.NaN;
      const reason = reasonToDiffer(manifest, name, tensor);
      if (reason === null) expect(off, tensor).toBeLessThanOrEqual(1);
      else expect(off, `${tensor}: ${reason}`).toBeGreaterThan(1);
    }
  });

  it.each(cases.filter((name) => name.startsWith('tokenizer-')))('%s has the same tokens', async (name) => {
    const out = join(root, `${name}-tokens`);
    await runCli(['merge', join(goldens, 'cases', name, 'recipe.yml'), out, '--device', 'cpu', '--quiet']);
    const wanted = JSON.parse(await readFile(join(goldens, 'cases', name, 'expected-vocabulary.json'), 'utf8'));
    const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    const tokenizer = JSON.parse(await readFile(join(out, 'tokenizer.json'), 'utf8'));
    const added: { content: string; id: number }[] = tokenizer.added_tokens;
    const tokens = { ...tokenizer.model.vocab, ...Object.fromEntries(added.map(({ content, id }) => [content, id])) };
    expect({ vocab_size: config.vocab_size, tokens }).toEqual(wanted);
  });
});
