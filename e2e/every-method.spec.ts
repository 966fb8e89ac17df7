/**
 * Every method that the menu lists, picked in the page with its defaults, merged, audited and saved; the bytes are held
 * against the method's own float64 reference.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { readModel } from '../src/cli/test/oracle.ts';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { defaults, type Method } from '../src/methods/method.ts';
import { streamKey, uniform } from '../src/methods/random.ts';
import { expectNear, type SavedModel, textOf, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

const FOLDER = join(import.meta.dirname, '..', 'src', 'methods');

/** The declarations, found as the product finds them. */
async function declarations(): Promise<Map<string, Method>> {
  const files = readdirSync(FOLDER).filter(
    (name) => /^[a-z_]+\.ts$/.test(name) && !/^(index|docs|reads)\.ts$/.test(name),
  );
  const modules = await Promise.all(
    files.map(async (file) => Object.values((await import(join(FOLDER, file))) as Record<string, unknown>)),
  );
  const methods = modules
    .flat()
    .filter((value): value is Method => typeof value === 'object' && value !== null && 'reference' in value);
  return new Map(methods.map((method) => [method.name, method]));
}

/** What the reference makes of a family on disk, tensor by tensor. */
function referenceOf(method: Method, root: string, models: readonly string[]): Map<string, Float64Array> {
  const base = method.base === 'none' ? null : readModel(join(root, 'base'));
  const tunes = models.map((name) => readModel(join(root, name)));
  const params = defaults(method.params);
  const perModel = models.map(() => defaults(method.perModel));
  return new Map(
    [...(tunes[0] ?? [])].map(([name, { shape }]) => {
      const values = tunes.map((tune) => tune.get(name)?.values ?? new Float64Array());
      const elements = shape.reduce((a, b) => a * b, 1);
      const keys = models.map((_, k) => streamKey(params.seed ?? 0, name, k));
      const result = method.reference({
        tensor: name,
        base: base?.get(name)?.values ?? null,
        models: values,
        params,
        perModel,
        rowElements: shape.length > 1 ? elements / (shape[0] ?? 1) : elements,
        dimensions: shape.length,
        coefficient: () => {
          throw new Error(`${method.name} needs coefficients from outside`);
        },
        random: (k, i) => uniform(i, keys[k] ?? [0, 0]),
      });
      return [name, result];
    }),
  );
}

test('each method in the menu merges, passes its audit and is saved', async ({ page }, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const methods = await declarations();
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.checkpoints.getByRole('group')).toHaveCount(3);
  await expect(studio.button('Save')).toBeEnabled();
  const listed = await studio.method
    .getByRole('option')
    .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
  expect([...listed].sort()).toEqual([...methods.keys()].sort());
  const start = await studio.recipeText();

  for (const name of listed) {
    await test.step(name, async () => {
      const method = methods.get(name);
      if (!method) throw new Error(`${name} is missing`);
      await studio.writeRecipe(start);
      await expect(studio.method).toHaveValue('varm');
      await expect(studio.method).toBeEnabled();
      await studio.chooseMethod(name);
      await studio.expectRecipe(new RegExp(`^merge_method: ${name}$`, 'm'));
      const models = [...(await studio.recipeText()).matchAll(/- model: (\w+)/g)].map(([, model]) => model ?? '');
      expect(models.length).toBeGreaterThanOrEqual(method.models.min);
      expect(models.length).toBeLessThanOrEqual(method.models.max);
      await studio.merge();
      await expect(studio.map).toBeVisible();
      const saved = await unpack(await studio.save(), info.outputPath(name));
      await expect(page.getByRole('heading', { name: 'Audit passed', exact: true })).toBeVisible();
      expectAudited(saved, name);
      // VaRM's weights are pooled over units: `methods.spec.ts` has its oracle.
      if (name !== 'varm') expectNear(saved, referenceOf(method, root, models));
    });
  }
});

/** The audit's file and the card, which say the same. */
function expectAudited(saved: SavedModel, method: string) {
  const audit = JSON.parse(textOf(saved, 'fusewright-audit.json'));
  expect(audit).toMatchObject({ schema: 1, verdict: 'passed', findings: [], method, totals: { nonFinite: 0 } });
  expect(audit.tensors.map(({ name }: { name: string }) => name).sort()).toEqual([...saved.tensors.keys()].sort());
  expect(textOf(saved, 'README.md')).toContain('**Passed.**');
}
