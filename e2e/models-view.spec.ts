/** The Models view: what the models changed is found, told, sorted, searched and looked at before anything is merged. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type Locator, type Page, test } from '@playwright/test';
import { readModel } from '../src/cli/test/oracle.ts';
import { CHANGED_BY_FIRST, FROZEN, writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { expectAccessible, expectNoSidewaysScroll } from './accessible.ts';
import { Studio } from './studio.ts';

const NARROW = { width: 390, height: 844 };
const PARROTS = ['parrot-mirror', 'parrot-shout', 'parrot-spell'];
/** Long enough for everything to be measured on a machine that does ten other things. */
const SURVEY_MS = 300_000;

/** The view as a person drives it. */
class Models {
  readonly panel: Locator;
  readonly table: Locator;
  readonly search: Locator;
  readonly figures: Locator;

  constructor(readonly page: Page) {
    this.panel = page.getByRole('tabpanel', { name: 'Models' });
    this.table = this.panel.getByRole('grid', { name: 'Tensors' });
    this.search = this.panel.getByRole('searchbox', { name: 'Search tensors' });
    this.figures = this.panel.getByRole('combobox', { name: 'Figures' });
  }

  async show(): Promise<void> {
    await this.page.getByRole('tab', { name: 'Models' }).click();
    await expect(this.table).toBeVisible({ timeout: SURVEY_MS });
  }

  /** Expects these names at the top, in this order. */
  async expectFirst(names: readonly string[]): Promise<void> {
    const shown = this.table.getByRole('rowheader');
    await expect.poll(async () => (await shown.allInnerTexts()).slice(0, names.length)).toEqual(names);
  }

  row(name: string): Locator {
    return this.table.getByRole('row').filter({ has: this.page.getByRole('rowheader', { name, exact: true }) });
  }

  async sortBy(name: string): Promise<void> {
    await this.table.getByRole('columnheader', { name }).getByRole('button').click();
  }

  /** Expects a row under the keyboard. */
  async expectActive(name: string): Promise<void> {
    const active = () =>
      this.table.evaluate((table) => {
        const row = document.getElementById(table.getAttribute('aria-activedescendant') ?? '');
        return row?.querySelector('[role=rowheader]')?.textContent;
      });
    await expect.poll(active).toBe(name);
  }
}

test('the samples: findings name the models, a start is used and undone, and the tabs work by keyboard', async ({
  page,
}) => {
  const studio = new Studio(page);
  const models = new Models(page);
  await studio.visit();
  await studio.openSamples();
  await expect(page.getByRole('tab', { name: 'Mixer' })).toHaveAttribute('aria-selected', 'true');
  await page.getByRole('tab', { name: 'Mixer' }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('tab', { name: 'Models' })).toBeFocused();
  await expect(models.table).toBeVisible({ timeout: SURVEY_MS });
  await expect(studio.map).toBeHidden();

  const findings = models.panel.getByRole('region', { name: 'Findings' });
  for (const parrot of PARROTS)
    await expect(findings.getByRole('listitem').filter({ hasText: parrot }).first()).toBeVisible();
  const glance = models.panel.getByRole('region', { name: 'At a glance' });
  for (const parrot of PARROTS)
    await expect(glance.getByRole('row', { name: new RegExp(`${parrot} [\\d.]+ %`) })).toBeVisible();
  await expect(models.panel.getByRole('group', { name: 'Cosine of the changes' })).toContainText(/0\.\d\d/);
  // The three learned different tricks: their changes hardly agree.
  await expect(models.panel.getByRole('img', { name: /^parrot-shout: Most changes/ })).toBeVisible();

  await page.keyboard.press('Home');
  await expect(page.getByRole('tab', { name: 'Mixer' })).toBeFocused();
  await expect(studio.map).toBeVisible();
  const before = await studio.recipeText();
  await page.keyboard.press('End');
  const start = models.panel.getByRole('region', { name: 'Recommended start' });
  await start.getByRole('button', { name: 'Use this start' }).click();
  await expect(start).toContainText('The recipe is as recommended.');
  await page.getByRole('tab', { name: 'Mixer' }).click();
  await studio.expectRecipeWithout(before);
  await studio.button('Undo').click();
  await studio.expectRecipe(before);
  // What it was is what can be recommended again.
  await models.show();
  await expect(start.getByRole('button', { name: 'Use this start' })).toBeEnabled();
});

test('every tensor’s figures are right, and the table sorts, searches and moves by keyboard', async ({
  page,
}, info) => {
  const root = info.outputPath('family');
  await writeFamily(root, { kind: 'llama', dtype: 'F32' });
  const studio = new Studio(page);
  const models = new Models(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.map).toBeVisible();
  await models.show();

  const [base, m1, m2] = ['base', 'm1', 'm2'].map((name) => readModel(join(root, name)));
  const norm = (values: Iterable<number>) => Math.sqrt([...values].reduce((sum, value) => sum + value * value, 0));
  const relative = (tensor: string, model: typeof m1) => {
    const pivot = base?.get(tensor)?.values ?? new Float64Array();
    const own = model?.get(tensor)?.values ?? new Float64Array();
    return norm(own.map((value, i) => value - (pivot[i] ?? 0))) / norm(pivot);
  };
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  const all = [...(base?.keys() ?? [])];
  await models.search.fill('layer:0 q_proj');
  const q = 'model.layers.0.self_attn.q_proj.weight';
  await expect(models.table.getByRole('rowheader')).toHaveText([q]);
  await expect(models.row(q)).toContainText(percent(relative(q, m1)));
  await expect(models.row(q)).toContainText(percent(relative(q, m2)));
  await expect(models.panel.getByText(`1 of ${all.length} tensors`)).toBeVisible();
  await models.search.fill('no such tensor');
  await expect(models.table).toContainText('No tensor is found by this search.');
  await models.search.fill('');

  await models.sortBy('Relative of m1');
  const header = models.table.getByRole('columnheader', { name: 'Relative of m1' });
  await expect(header).toHaveAttribute('aria-sort', 'descending');
  const ranked = all.toSorted((a, b) => relative(b, m1) - relative(a, m1));
  await models.expectFirst(ranked.slice(0, 5));
  await models.sortBy('Relative of m1');
  await expect(header).toHaveAttribute('aria-sort', 'ascending');
  // What it never touched comes first.
  await models.expectFirst([FROZEN]);
  await models.sortBy('Relative of m1');
  await expect(header).toHaveAttribute('aria-sort', 'none');

  await models.figures.selectOption('Unchanged');
  await models.search.fill('up_proj');
  await expect(models.row(CHANGED_BY_FIRST)).toContainText('100 %');
  await models.search.fill('');
  await models.sortBy('Tensor');
  await expect(models.table.getByRole('columnheader', { name: 'Tensor' })).toHaveAttribute('aria-sort', 'ascending');
  await models.table.focus();
  await models.expectActive('lm_head.weight');
  await page.keyboard.press('ArrowDown');
  await models.expectActive('model.embed_tokens.weight');
  await page.keyboard.press('End');
  await models.expectActive('model.norm.weight');
  await page.keyboard.press('PageUp');
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  const details = models.panel.getByRole('region', { name: 'lm_head.weight' });
  await expect(details.getByRole('img', { name: /^m1: Most changes, \d/ })).toBeVisible();
  await expect(models.row('lm_head.weight')).toHaveAttribute('aria-selected', 'true');
  await expect(models.table).toBeFocused();

  const [download] = await Promise.all([page.waitForEvent('download'), studio.button('Export figures as CSV').click()]);
  expect(download.suggestedFilename()).toBe('survey.csv');
  await details.getByRole('button', { name: 'Show in mixer' }).click();
  await expect(studio.map).toBeVisible();
  await expect(studio.map.locator(':focus')).toHaveAccessibleName(/^lm_head /);
});

test('axe, at every width', async ({ page }) => {
  const studio = new Studio(page);
  const models = new Models(page);
  await studio.visit();
  await studio.openSamples();
  await models.show();
  await models.table.getByRole('rowheader').first().click();
  await expect(
    models.panel
      .getByRole('region', { name: /weight$/ })
      .getByRole('img')
      .first(),
  ).toBeVisible();
  await expectAccessible(page, 'the models');
  await models.figures.selectOption('All figures');
  await page.setViewportSize({ width: 1920, height: 1080 });
  await expectAccessible(page, 'the models, wide, all figures');
  await page.setViewportSize(NARROW);
  await expectNoSidewaysScroll(page);
  await expectAccessible(page, 'the models, narrow');
});

/** Writes a family of `count` tensors of four elements each: a base and two models that moved it a little. */
async function writeMany(root: string, count: number): Promise<void> {
  const modules = ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.up_proj', 'mlp.down_proj'];
  for (const [model, name] of ['base', 'm1', 'm2'].entries()) {
    const header: Record<string, unknown> = {};
    const values = new Float32Array(count * 4);
    for (let t = 0; t < count; t++) {
      const tensor = `model.layers.${Math.floor(t / 1000)}.${modules[t % 4]}.experts.${Math.floor(t / 4) % 250}.weight`;
      header[tensor] = { dtype: 'F32', shape: [4], data_offsets: [t * 16, t * 16 + 16] };
      for (let i = t * 4; i < t * 4 + 4; i++)
        values[i] = Math.sin(i) + model * (t / count) * 0.01 * Math.cos(i * model);
    }
    const text = Buffer.from(JSON.stringify(header).padEnd(8));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, name, 'model.safetensors'), Buffer.concat([length, text, Buffer.from(values.buffer)]));
  }
}

test('many thousands of tensors: only the rows in sight are in the page', async ({ page }, info) => {
  const root = info.outputPath('many');
  const count = 5000;
  await writeMany(root, count);
  const studio = new Studio(page);
  const models = new Models(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(page.getByRole('tab', { name: 'Models' })).toBeVisible();
  await models.show();
  await expect(models.table).toHaveAttribute('aria-rowcount', String(count + 1));
  expect(await models.table.getByRole('row').count()).toBeLessThan(60);
  await models.sortBy('Relative of m2');
  await expect(models.table.getByRole('rowheader').first()).toHaveText(/^model\.layers\.4\./);
  await models.sortBy('Tensor');
  await expect(models.table.getByRole('rowheader').first()).toHaveText('model.layers.0.mlp.down_proj.experts.0.weight');
  await models.table.focus();
  await page.keyboard.press('End');
  await models.expectActive('model.layers.4.self_attn.q_proj.experts.249.weight');
  expect(await models.table.getByRole('row').count()).toBeLessThan(60);
  await models.search.fill('layer:3 experts.17. module:mlp');
  await expect(models.table.getByRole('rowheader')).toHaveCount(2);
});
