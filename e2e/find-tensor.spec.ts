/** From a tensor in the table to its cell on the map and back, and what kind of tensor it is. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, type Locator, type Page, test } from '@playwright/test';
import { openFamily } from './own-family.ts';
import { Studio } from './studio.ts';

const RECIPE = `merge_method: task_arithmetic
base_model: base
models:
  - model: m1
  - model: m2
`;

const DOWN = 'model.layers.1.mlp.down_proj.weight';

function tableOf(page: Page): { table: Locator; search: Locator; row: (name: string) => Locator } {
  const table = page.getByRole('grid', { name: 'Tensors' });
  return {
    table,
    search: page.getByRole('searchbox', { name: 'Search tensors' }),
    row: (name) => table.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) }),
  };
}

test('a tensor is shown in the mixer, and its cell in the table', async ({ page }, info) => {
  const { studio } = await openFamily(page, info, RECIPE);
  const { table, search, row } = tableOf(page);
  await page.getByRole('tab', { name: 'Models' }).click();
  await expect(table).toBeVisible({ timeout: 120_000 });
  await search.fill('down_proj layer:1');
  await row(DOWN).click();
  await page.getByRole('button', { name: 'Show in mixer' }).click();
  const cell = studio.cell('layer 1', 'down_proj', 'm1');
  await expect(cell).toBeFocused();
  await expect(cell).toBeInViewport();
  await expect(cell).toHaveAttribute('aria-selected', 'true');

  // A number can be typed right there.
  await studio.typeOnto(cell, '0.3');
  await studio.expectRecipe(/filter: model\.layers\.1\.mlp\.down_proj\.\n\s+value: 0\.3/);

  await expect(cell).toBeFocused();
  await page.keyboard.press('t');
  await expect(table).toBeFocused();
  await expect(search).toHaveValue('model.layers.1.mlp.down_proj.');
  await expect(table.getByRole('rowheader')).toHaveText([DOWN]);

  await page.getByRole('tab', { name: 'Mixer' }).click();
  await studio.button('Coarser').click();
  const modules = studio.cell('layer 0', 'mlp', 'm2');
  await modules.click();
  await page
    .getByRole('dialog', { name: 'Weights of layer 0 mlp' })
    .getByRole('button', { name: 'Show in table' })
    .click();
  await expect(table).toBeFocused();
  await expect(search).toHaveValue('model.layers.0.mlp.');
  await expect(table.getByRole('rowheader')).toHaveCount(3);
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('the table has the dtype and the shape of every tensor, also where there is little room', async ({
  page,
}, info) => {
  await openFamily(page, info, RECIPE);
  const { table, search, row } = tableOf(page);
  await page.getByRole('tab', { name: 'Models' }).click();
  await expect(table).toBeVisible({ timeout: 120_000 });
  await search.fill('layer:0 mlp');
  const shape = async (name: string) => /F32\s*(\d+×\d+)/.exec((await row(name).innerText()).replace(/\s+/g, ' '))?.[1];
  const [up, down] = ['up', 'down'].map((part) => `model.layers.0.mlp.${part}_proj.weight`);
  const [rows, columns] = (await shape(up ?? ''))?.split('×') ?? [];
  expect(rows).not.toBe(columns);
  expect(await shape(down ?? '')).toBe(`${columns}×${rows}`);
  await search.fill(`dtype:f32 shape:${rows}x${columns} layer:0`);
  await expect(table.getByRole('rowheader')).toHaveText([/gate_proj/, /up_proj/]);
  await search.fill('dtype:bf16');
  await expect(table).toContainText('No tensor is found by this search.');
  await search.fill('layer:0');
  await table.getByRole('columnheader', { name: 'Shape' }).getByRole('button').click();
  await expect(table.getByRole('columnheader', { name: 'Shape' })).toHaveAttribute('aria-sort', 'descending');
  await expect(table.getByRole('rowheader').last()).toHaveText(/norm/);

  await page.setViewportSize({ width: 390, height: 844 });
  await expect(table.getByRole('columnheader', { name: 'Shape' })).toBeHidden();
  await page.getByRole('combobox', { name: 'Figures' }).selectOption('Dtype and shape');
  await expect(table.getByRole('columnheader', { name: 'Shape' })).toBeVisible();
  await expect(table.getByRole('gridcell', { name: `${rows}×${columns}` }).first()).toBeVisible();
  // All of it beside the name: nothing has to be scrolled sideways.
  await expect
    .poll(() => table.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth))
    .toBeLessThanOrEqual(0);
});

/** Writes a base and two models of 90 layers, each tensor of four numbers: a map whose rows are drawn where they are looked at. */
async function writeDeep(root: string): Promise<void> {
  const parts = ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.up_proj', 'mlp.down_proj', 'mlp.gate_proj'];
  const names = Array.from({ length: 90 }, (_, layer) =>
    parts.map((part) => `model.layers.${layer}.${part}.weight`),
  ).flat();
  const entries = names.map((name, at) => [
    name,
    { dtype: 'F32', shape: [2, 2], data_offsets: [at * 16, at * 16 + 16] },
  ]);
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  for (const [model, name] of ['base', 'm1', 'm2'].entries()) {
    const values = Float32Array.from({ length: names.length * 4 }, (_, i) => Math.sin(i) + model * 0.01 * Math.cos(i));
    await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, name, 'model.safetensors'), Buffer.concat([length, text, Buffer.from(values.buffer)]));
  }
}

test('a tensor deep in a long map is scrolled to', async ({ page }, info) => {
  const root = info.outputPath('deep');
  await writeDeep(root);
  const studio = new Studio(page);
  const { table, search, row } = tableOf(page);
  await studio.visit();
  await studio.addFolder(root);
  await expect(studio.map).toBeVisible();
  await page.getByRole('tab', { name: 'Models' }).click();
  await expect(table).toBeVisible({ timeout: 120_000 });
  await search.fill('layer:77 gate');
  await row('model.layers.77.mlp.gate_proj.weight').click();
  await page.getByRole('button', { name: 'Show in mixer' }).click();
  const cell = studio.cell('layer 77', 'gate_proj', 'm1');
  await expect(cell).toBeFocused();
  await expect(cell).toBeInViewport();
  await expect(studio.cell('layer 10', 'gate_proj', 'm1')).toHaveCount(0);
});
