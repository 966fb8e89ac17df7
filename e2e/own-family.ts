/** A family of small models that a spec makes for itself, open on the page under a recipe. */

import { expect, type Page, type TestInfo } from '@playwright/test';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { Studio } from './studio.ts';

/** Opens base, m1 and m2 (llama, float32) and writes the recipe; gives the page and the folder that they lie in. */
export async function openFamily(
  page: Page,
  info: TestInfo,
  recipe: string,
): Promise<{ studio: Studio; root: string }> {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.map).toBeVisible();
  await studio.writeRecipe(recipe);
  // Until now the mixer showed the recipe that the page proposed, in which models have shares.
  if (!recipe.includes('varm')) await expect(studio.slider('m1 weight')).toBeVisible();
  return { studio, root };
}
