/** A family of small models that a spec makes for itself, open on the page under a recipe. */

import { expect, type Page, type TestInfo } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { Studio } from './studio.ts';

/** m1 with a weight of its own, m2 without. */
export const HALF_OF_M1 = `merge_method: task_arithmetic
base_model: base
models:
  - model: m1
    parameters:
      weight: 0.5
  - model: m2
`;

/** Opens base, m1 and m2 (llama) and writes the recipe; gives the page and the folder that they lie in. */
export async function openFamily(
  page: Page,
  info: TestInfo,
  recipe: string,
  dtype: 'F32' | 'F16' = 'F32',
): Promise<{ studio: Studio; root: string }> {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await studio.measured();
  await studio.writeRecipe(recipe);
  // Until now the mixer showed the recipe that the page proposed, in which models have shares.
  if (!recipe.includes('varm')) await expect(studio.slider('m1 weight')).toBeVisible();
  return { studio, root };
}
