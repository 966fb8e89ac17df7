/** The recipe as text: completion, errors in place, both ways with the mixer, one history, and a keyboard's way out. */

import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Locator, type Page, test } from '@playwright/test';
import { Studio } from './studio.ts';

const RECIPE = `# My parrot.
merge_method: varm # by evidence
base_model: parrot-base
models:
  # it shouts
  - model: parrot-shout # loud
    parameters:
      weight: 2 # twice
  - model: parrot-spell
  # the last of them
parameters:
  granularity: tensor # one weight each
# the end
`;
const COMMENTS = RECIPE.match(/# .*/g) ?? [];

async function expectAccessible(page: Page, exempt: readonly string[] = []) {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', colorScheme);
    const { violations } = await new AxeBuilder({ page })
      .setLegacyMode()
      .options({ resultTypes: ['violations'] })
      .disableRules([...exempt])
      .analyze();
    expect(
      violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, failureSummary }) => `${html}\n  ${failureSummary}`).join('\n')}`,
      ),
    ).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/** A studio with the samples and the editor loaded. */
async function opened(page: Page): Promise<Studio> {
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await expect(studio.recipe).toHaveAttribute('contenteditable', 'true');
  return studio;
}

function suggestions(page: Page) {
  return page.getByRole('listbox', { name: 'Completions' }).getByRole('option');
}

/**
 * Takes the suggestion that stands first. For a moment after they appear, and while others are looked for, Enter still
 * means a new line.
 */
async function take(page: Page) {
  await expect(page.locator('.cm-tooltip-autocomplete:not(.cm-tooltip-autocomplete-disabled)')).toBeVisible();
  await page.waitForTimeout(150);
  await page.keyboard.press('Enter');
}

/** Rests the pointer on a part of the text until what is told there is shown: the page may still move below it. */
async function hoverFor(page: Page, part: Locator, told: Locator) {
  await expect(async () => {
    await page.mouse.move(0, 0);
    await part.hover();
    await expect(told).toBeVisible({ timeout: 10_000 });
  }).toPass({ timeout: 120_000 });
}

/** Clicks at the end of the line that holds a text. */
async function clickEndOf(page: Page, studio: Studio, text: string) {
  await studio.recipe.getByText(text).first().click();
  await page.keyboard.press('End');
}

test('a recipe is written with completion, and an error is shown in its place and mended', async ({ page }) => {
  const studio = await opened(page);
  const options = suggestions(page);
  await studio.writeRecipe('# new\n');
  await studio.recipe.press('Control+End');
  await page.keyboard.type('merge_m', { delay: 20 });
  await expect(options.first()).toHaveText('merge_method');
  await expect(page.getByText('How the models are merged.')).toBeVisible();
  await take(page);
  await studio.expectRecipe('# new\nmerge_method: ');

  await test.step('what a key takes comes next, and says what it is', async () => {
    await expect(options.filter({ hasText: 'dare_ties' })).toBeVisible();
    await page.keyboard.type('task', { delay: 20 });
    await expect(options.first()).toContainText('task_arithmetic');
    await take(page);
    await studio.expectRecipe('# new\nmerge_method: task_arithmetic');
  });

  await test.step('models that are open', async () => {
    await page.keyboard.press('Escape');
    await page.keyboard.type('\nbase', { delay: 20 });
    await expect(options.first()).toHaveText('base_model');
    await take(page);
    await expect(options.filter({ hasText: 'parrot-base' })).toBeVisible();
    await page.keyboard.type('parrot-b', { delay: 20 });
    await expect(options).toHaveCount(1);
    await take(page);
    await studio.expectRecipe('# new\nmerge_method: task_arithmetic\nbase_model: parrot-base');
    await page.keyboard.press('Escape');
    await page.keyboard.type('\nmodels:\n  - model: parrot-shout\nparameters:\n  weigt: 2\n');
    // The editor indents new lines by itself; what matters is what is there now.
    await studio.writeRecipe(
      'merge_method: task_arithmetic\nbase_model: parrot-base\nmodels:\n  - model: parrot-shout\nparameters:\n  weigt: 2\n',
    );
  });

  await test.step('an error, at its line and under its word', async () => {
    await expect(studio.recipe).toHaveAttribute('aria-invalid', 'true');
    await expect(studio.recipe).toHaveAccessibleDescription(
      /line 6, column 3 'weigt' is not a parameter.*Did you mean 'weight'\?/,
    );
    const marked = studio.recipe.locator('.cm-lintRange-error');
    await expect(marked).toHaveText('weigt');
    const told = page
      .getByRole('tooltip')
      .or(page.locator('.cm-tooltip'))
      .filter({ hasText: "Did you mean 'weight'?" });
    await hoverFor(page, marked, told);
    await told.getByRole('button', { name: 'Write weight' }).click();
    await studio.expectRecipe(/\n {2}weight: 2\n$/);
    await expect(studio.recipe).toHaveAttribute('aria-invalid', 'false');
    await expect(marked).toHaveCount(0);
    await expect(studio.field('weight of parrot-shout')).toHaveValue('2');
  });

  await test.step('help under the pointer', async () => {
    const key = studio.recipe.getByText('merge_method', { exact: true });
    await hoverFor(page, key, page.getByText('How the models are merged.'));
  });
});

test('the mixer and the editor change one text: the cursor, the comments and one history stay', async ({ page }) => {
  const studio = await opened(page);
  const start = await studio.recipeText();
  await studio.writeRecipe(RECIPE);
  await expect(studio.field('weight of parrot-shout')).toHaveValue('2');
  await clickEndOf(page, studio, '# one weight each');
  await page.keyboard.type('!');
  await studio.expectRecipe(/# one weight each!$/m);

  await test.step('a change from outside moves no cursor', async () => {
    // Without taking the focus out of the editor, as a wheel or another pointer would.
    await studio.slider('weight of parrot-shout').evaluate((field: HTMLInputElement) => {
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(field, '0.75');
      field.dispatchEvent(new Event('input', { bubbles: true }));
    });
    await studio.expectRecipe(/weight: 0.75 # twice/);
    await expect(studio.recipe).toBeFocused();
    await page.keyboard.type('?');
    await studio.expectRecipe(/# one weight each!\?$/m);
  });

  await test.step('comments survive hands and controls in turn', async () => {
    await studio.field('weight of parrot-spell').fill('0.5');
    await studio.expectRecipe(/parrot-spell\n {4}parameters:\n {6}weight: 0.5/);
    await clickEndOf(page, studio, 'base_model');
    await page.keyboard.type(' # mine');
    await studio.combobox('granularity').selectOption('layer');
    await studio.expectRecipe(/granularity: layer # one weight each!\?/);
    await studio.field('weight of parrot-spell').fill('0.25');
    await studio.expectRecipe(/weight: 0.25/);
    const text = await studio.recipeText();
    for (const comment of [...COMMENTS, '# mine']) expect(text).toContain(comment);
    expect(text).toMatch(/ {2}# the last of them\nparameters:\n/);
    expect(text).toMatch(/# the end\n$/);
  });

  await test.step('one history: back through both to the start, and forth again', async () => {
    const end = await studio.recipeText();
    await studio.recipe.press('Control+z');
    await studio.expectRecipe(/weight: 0.5$/m);
    for (let i = 0; i < 20 && (await studio.recipeText()) !== start; i++) {
      const before = await studio.recipeText();
      await studio.recipe.press('Control+z');
      await studio.expectRecipeWithout(before);
    }
    await studio.expectRecipe(start);
    await expect(studio.field('weight of parrot-mirror')).toHaveCount(1);
    for (let i = 0; i < 20 && (await studio.recipeText()) !== end; i++) {
      const before = await studio.recipeText();
      await studio.recipe.press('Control+Shift+KeyZ');
      await studio.expectRecipeWithout(before);
    }
    await studio.expectRecipe(end);
  });
});

test('a filter that matches nothing is a warning in its place', async ({ page }) => {
  const studio = await opened(page);
  const share = '    parameters:\n      share:\n        - filter: layers.9.\n          value: 0.5\n';
  await studio.writeRecipe(
    `merge_method: varm\nbase_model: parrot-base\nmodels:\n  - model: parrot-shout\n${share}  - model: parrot-spell\n`,
  );
  const marked = studio.recipe.locator('.cm-lintRange-warning');
  await expect(marked).toHaveText('layers.9.');
  await hoverFor(
    page,
    marked,
    page.locator('.cm-tooltip').getByText("The filter 'layers.9.' of share is part of no tensor’s name"),
  );
  await studio.writeRecipe(
    'merge_method: varm\nbase_model: parrot-base\nmodels:\n  - model: parrot-shout\n  - model: parrot-spell\n',
  );
  await expect(marked).toHaveCount(0);
});

test('a keyboard gets in and out, folds and finds', async ({ page }) => {
  const studio = await opened(page);
  await studio.writeRecipe(RECIPE);
  await studio.recipe.focus();
  await page.keyboard.press('Tab');
  await expect(studio.recipe).not.toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await expect(studio.recipe).toBeFocused();
  await studio.expectRecipe(RECIPE);

  await page.keyboard.press('Control+Home');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
  // The editor has to have parsed the text as far as that.
  await expect(async () => {
    await page.keyboard.press('Control+Shift+BracketLeft');
    await expect(studio.recipe.getByText('parrot-spell')).toHaveCount(0, { timeout: 10_000 });
  }).toPass({ timeout: 120_000 });
  // A fold stays shut while something else changes the text.
  await studio.combobox('granularity').selectOption('layer');
  await expect(studio.recipe).toContainText('granularity: layer');
  await expect(studio.recipe.getByText('parrot-spell')).toHaveCount(0);
  await studio.recipe.press('Control+Alt+BracketRight');
  await expect(studio.recipe.getByText('parrot-spell')).toBeVisible();

  await studio.recipe.press('Control+f');
  await page.keyboard.type('spell');
  await expect(studio.recipe.locator('.cm-searchMatch')).toHaveText('spell');
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await expect(studio.recipe).toBeFocused();
});

test('axe finds nothing about errors and suggestions', async ({ page }) => {
  const studio = await opened(page);
  await studio.writeRecipe(`${RECIPE}nonsense: 1\n`);
  await expect(studio.recipe.locator('.cm-lintRange-error')).toHaveText('nonsense');
  await expectAccessible(page);
  await studio.writeRecipe('merge_method: ');
  await studio.recipe.press('Control+End');
  await studio.recipe.press('Control+Space');
  await expect(suggestions(page).first()).toBeVisible();
  // The arrow keys of the editor scroll the list; axe knows such lists only at a combobox.
  await expectAccessible(page, ['scrollable-region-focusable']);
});

test('the text stands in a plain field, as high, until the editor is there; what is typed meanwhile goes on', async ({
  page,
}) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(/recipe-code/, async (route) => {
    await held;
    await route.continue();
  });
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();
  await studio.writeRecipe(RECIPE);
  const before = await studio.recipe.evaluate((element) => element.getBoundingClientRect().height);
  await studio.recipe.press('Control+End');
  await page.keyboard.type('# more');
  release();
  await expect(studio.recipe).toHaveAttribute('contenteditable', 'true');
  await expect(studio.recipe).toBeFocused();
  await page.keyboard.type(' and more');
  await studio.expectRecipe(`${RECIPE}# more and more`);
  // The field's border is the editor's, one pixel above and below what is written in.
  const after = await studio.recipe.evaluate(
    (element) => element.closest('.cm-editor')?.getBoundingClientRect().height,
  );
  expect(after).toBe(before);
});
