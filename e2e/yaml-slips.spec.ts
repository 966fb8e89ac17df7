/** A slip in the recipe's text is said in one plain sentence with its place, and mended the controls come back. */

import { expect, test } from '@playwright/test';
import { HALF_OF_M1, openFamily } from './own-family.ts';

test('slips are said one at a time, with the words of the parser only where nothing plainer is known', async ({
  page,
}, info) => {
  const { studio } = await openFamily(page, info, HALF_OF_M1);
  const problems = page.locator('#recipe-problems').getByRole('listitem');
  const slips: readonly (readonly [string, string, string])[] = [
    ['    parameters', '\tparameters', 'line 5, column 1 A tab indents this line'],
    [
      'base_model: base',
      'base_model:base',
      "line 2, column 12 A space is missing after the colon; write 'base_model: base'.",
    ],
    ['model: m1', 'model: "m1', 'line 4, column 12 The quote that opens here is not closed'],
    ['weight: 0.5', 'weight: [0.5', 'line 6, column 15 The bracket that opens here is not closed; put ] at its end.'],
  ];
  for (const [from, to, said] of slips) {
    await studio.writeRecipe(HALF_OF_M1.replace(from, to));
    await expect(problems).toHaveCount(1);
    await expect(problems).toContainText(said);
    await expect(problems.locator('details')).toHaveCount(0);
    await expect(studio.status.first()).toContainText('The recipe has an error');
  }
  await studio.writeRecipe(HALF_OF_M1.replace('weight: 0.5', 'weight: |x\n        0.5'));
  await expect(problems).toContainText('cannot be read as YAML');
  await problems.getByText('What the parser says').click();
  await expect(problems).toContainText('Block scalar header');
  await studio.writeRecipe(HALF_OF_M1);
  await expect(problems).toHaveCount(0);
  await expect(studio.cell('layer 0', 'mlp', 'm1')).toHaveText('0.50');
});
