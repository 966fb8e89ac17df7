/**
 * The shipped samples from opening to saving: map, merge, chat, other weights, a parent, the zip. And nothing leaves the
 * page: every request of all that is to its own origin.
 */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { readModel, varm } from '../src/cli/test/oracle.ts';
import { writeFamily } from '../src/cli/test/tiny-checkpoint.ts';
import { expectNear, textOf, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';
import { watchPage } from './watched-page.ts';

const FINE_TUNES = ['parrot-mirror', 'parrot-shout', 'parrot-spell'];

function sample(name: string) {
  return readModel(join(import.meta.dirname, '..', 'public', 'samples', name));
}

test('open samples, merge, chat, change, compare, save; no request leaves the page, and nothing complains', async ({
  page,
  context,
  baseURL,
}, info) => {
  const watched = await watchPage(page, context);
  const studio = new Studio(page);
  await studio.visit();
  await studio.openSamples();

  await test.step('the family is there, weighed by variation ratio', async () => {
    expect((await studio.names()).sort()).toEqual(['parrot-base', ...FINE_TUNES]);
    await expect(studio.checkpoint('parrot-base').getByRole('radio', { name: 'Base' })).toBeChecked();
    await expect(studio.method).toHaveValue('varm');
    await expect(studio.map.getByRole('rowheader')).toHaveText([
      'model.embed_tokens',
      'layer 0',
      'layer 1',
      'layer 2',
      'layer 3',
      'model.norm',
    ]);
    // Shares of a cell of one tensor add up to one.
    const shares = await Promise.all(
      FINE_TUNES.map(async (model) => Number(await studio.cell('model.norm', 'outside layers', model).innerText())),
    );
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 1);
    expect(Math.max(...shares)).toBeLessThan(1);
  });

  await test.step('everything can be found by its name, and nothing else answers to it', async () => {
    const named = [
      page.getByLabel('Add checkpoints'),
      ...['Merge', 'Send', 'Stop', 'Save'].map((name) => page.getByRole('button', { name })),
      ...['Method', 'Talk to'].map((name) => page.getByRole('combobox', { name })),
      ...FINE_TUNES.map((name) => page.getByRole('slider', { name: `weight of ${name}` })),
      page.getByRole('region', { name: 'Checkpoints' }),
      page.getByRole('grid', { name: 'Weights map' }),
      page.getByRole('textbox', { name: 'Message' }),
      page.getByRole('log', { name: 'Chat' }),
      page.getByRole('status'),
    ];
    for (const locator of named) await expect(locator).toHaveCount(1);
  });

  await test.step('the merge can what each parent could', async () => {
    expect(await studio.merge()).toBe(1);
    await expect(studio.talkTo.locator('option:checked')).toHaveText('Merged model');
    for (const [prompt, answer] of [
      ['Shout wood', 'WOOD'],
      ['Mirror the word stone', 'enots'],
      ['Spell rose', 'r-o-s-e'],
    ] as const) {
      const [asked, reply, figures] = await studio.say(prompt);
      expect([asked, reply]).toEqual([prompt, answer]);
      expect(figures).toContain('Merged model, blend 1');
    }
  });

  await test.step('a parent can its own trick and not another', async () => {
    await studio.talkTo.selectOption('parrot-mirror');
    const own = await studio.say('Mirror wood');
    expect(own[1]).toBe('doow');
    expect(own[2]).toMatch(/^parrot-mirror · /);
    expect((await studio.say('Shout wood'))[1]).not.toBe('WOOD');
    await studio.talkTo.selectOption({ label: 'Merged model' });
  });

  await test.step('another weight is another blend, without a reload', async () => {
    const before = await studio.blendNumber();
    await studio.field('weight of parrot-mirror').fill('0');
    const blend = await studio.blendAfter(before);
    await expect(studio.status).toContainText(/ in \d+(\.\d+)? m?s\b/);
    const [, reply, figures] = await studio.say('Mirror the word stone');
    expect(reply).not.toBe('enots');
    expect(figures).toContain(`blend ${blend}`);
    await expect(studio.cell('layer 1', 'mlp', 'parrot-mirror')).toHaveText('0.00');
  });

  await test.step('and back, with another granularity', async () => {
    let blend = await studio.blendNumber();
    await studio.field('weight of parrot-mirror').fill('1.5');
    blend = await studio.blendAfter(blend);
    await studio.combobox('granularity').selectOption('module');
    blend = await studio.blendAfter(blend);
    const [, reply, figures] = await studio.say('Mirror the word stone');
    expect(reply).toBe('enots');
    expect(figures).toContain(`blend ${blend}`);
  });

  await test.step('the saved bytes are the oracle’s', async () => {
    const recipe = await studio.recipeText();
    const download = await studio.save();
    expect(download.suggestedFilename()).toBe('merged.zip');
    await expect(studio.status).toContainText(/^Saved as merged\.zip/);
    const saved = await unpack(download, info.outputPath('saved'));
    expect([...saved.files.keys()].sort()).toEqual([
      'README.md',
      'config.json',
      'fusewright-audit.json',
      'fusewright.yml',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(textOf(saved, 'fusewright.yml')).toBe(recipe);
    expect(recipe).toContain('granularity: module');
    expect(textOf(saved, 'README.md')).toContain('parrot-mirror');
    expect(JSON.parse(textOf(saved, 'config.json'))).toMatchObject({ model_type: 'llama' });
    for (const tensor of saved.tensors.values()) expect(tensor.dtype).toBe('BF16');
    const expected = varm(sample('parrot-base'), FINE_TUNES.map(sample), {
      granularity: 'module',
      statistic: 'square',
      weight: [1.5, 1, 1],
    });
    expectNear(saved, expected);
  });

  await test.step('what was saved opens again, and answers as the merge did', async () => {
    await studio.addFolder(info.outputPath('saved', 'merged'));
    await expect(studio.checkpoint('merged')).toBeVisible();
    await studio.talkTo.selectOption('merged');
    const [, reply, figures] = await studio.say('Mirror the word stone');
    expect(reply).toBe('enots');
    expect(figures).toMatch(/^merged · /);
  });

  const seen = watched.addresses().length;
  expect(seen).toBeGreaterThan(20);
  await test.step('files of one’s own cause no request at all', async () => {
    const root = info.outputPath('family');
    await writeFamily(root, { kind: 'llama', dtype: 'F32' });
    await studio.addFolder(root);
    await expect(studio.checkpoints.getByRole('group')).toHaveCount(8);
    await studio.writeRecipe('merge_method: linear\nmodels:\n  - model: m1\n  - model: m2\n');
    await studio.merge();
    await studio.save();
    expect(watched.addresses().slice(seen)).toEqual([]);
  });
  await watched.expectPrivate(new URL(baseURL ?? '').origin);
});
