/** A browser without WebGPU (`playwright.config.ts` runs it so): the page says that the CPU computes and why, and does everything it does elsewhere. */

import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { readModel, varm } from '../src/cli/test/oracle.ts';
import { expectNear, unpack } from './saved-model.ts';
import { Studio } from './studio.ts';

test('samples on the CPU', async ({ page }, info) => {
  const studio = new Studio(page);
  await studio.visit();
  await expect(studio.status).toContainText(/WebGPU/);
  await expect(studio.status).toContainText(/Merging and chat run on the CPU/);
  await studio.openSamples();
  await expect(page.getByRole('region', { name: 'This machine' })).toContainText('CPU');
  await studio.merge();
  for (const [prompt, answer] of [
    ['Shout wood', 'WOOD'],
    ['Mirror the word stone', 'enots'],
  ] as const) {
    expect((await studio.say(prompt))[1]).toBe(answer);
  }
  let blend = await studio.blendNumber();
  await studio.field('weight of parrot-mirror').fill('0');
  blend = await studio.blendAfter(blend);
  const [, reply, figures] = await studio.say('Mirror the word stone');
  expect(reply).not.toBe('enots');
  expect(figures).toContain(`blend ${blend}`);

  const saved = await unpack(await studio.save(), info.outputPath('saved'));
  const sample = (name: string) => readModel(join(import.meta.dirname, '..', 'public', 'samples', name));
  const fineTunes = ['parrot-mirror', 'parrot-shout', 'parrot-spell'].map(sample);
  expectNear(
    saved,
    varm(sample('parrot-base'), fineTunes, { granularity: 'tensor', statistic: 'square', weight: [0, 1, 1] }),
  );
});
