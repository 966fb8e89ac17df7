/** How tokens are drawn and how likely they were, on a model with known weights: what leaves one token, stop strings, the
 * logit view, perplexity. Seeds are in `stories.spec.ts`. */

import { expect, test } from '@playwright/test';
import { readModel } from '../src/cli/test/oracle.ts';
import { foreseen } from './foreseen.ts';
import { STORIES } from './stories-relative.ts';
import { Studio } from './studio.ts';

test('drawing, probabilities and perplexity of stories260K', async ({ page }) => {
  const studio = new Studio(page);
  const field = (name: string) => page.getByRole('spinbutton', { name, exact: true });
  await studio.visit();
  await studio.addFolder(STORIES);
  await field('Max tokens').fill('8');
  const [plain] = await studio.say('Once upon a time');

  await test.step('what leaves one token leaves the greedy one', async () => {
    await field('Temperature').fill('2');
    await field('Top-k').fill('1');
    expect((await studio.say('Once upon a time'))[0]).toBe(plain);
    await field('Top-k').fill('0');
    await field('Top-p').fill('0.01');
    expect((await studio.say('Once upon a time'))[0]).toBe(plain);
    await field('Top-p').fill('1');
    await field('Min-p').fill('1');
    expect((await studio.say('Once upon a time'))[0]).toBe(plain);
  });

  await test.step('a reset brings the defaults back, and a wrong number changes nothing', async () => {
    await studio.button('Reset to defaults').click();
    await expect(field('Temperature')).toHaveValue('0');
    await expect(field('Max tokens')).toHaveValue('256');
    await expect(studio.button('Reset to defaults')).toBeDisabled();
    await field('Top-p').fill('7');
    await expect(field('Top-p')).toHaveAttribute('aria-invalid', 'true');
    await field('Top-p').blur();
    await expect(field('Top-p')).toHaveValue('1');
  });

  await test.step('a stop string ends the reply before itself', async () => {
    await page.getByRole('textbox', { name: 'Stop strings' }).fill('named Lily');
    const [text, figures] = await studio.say('Once upon a time');
    expect(text).toBe('Once upon a time, there was a little girl ');
    expect(figures).toContain('ended by a stop string');
    await page.getByRole('textbox', { name: 'Stop strings' }).fill('');
  });

  await test.step('each token shows how likely it was and what else could have come', async () => {
    await field('Max tokens').fill('3');
    await page.getByRole('switch', { name: 'Show probabilities' }).check();
    await studio.say('The little dog');
    const { next } = await foreseen(STORIES, readModel(STORIES), 'The little dog');
    const likeliest = next.toSorted((a, b) => b.probability - a.probability).slice(0, 3);
    const tokens = studio.turn().getByRole('listbox', { name: /^Tokens of/ });
    await expect(tokens.getByRole('option')).toHaveCount(3);
    await tokens.getByRole('option').first().hover();
    const card = studio.turn().getByRole('tooltip');
    await expect(card).toContainText('Token 1 of 3');
    const shown = await card.getByRole('listitem').allInnerTexts();
    for (const [rank, { probability }] of likeliest.entries()) {
      const percent = Number(/([\d.]+) %/.exec(shown[rank] ?? '')?.[1]);
      expect(Math.abs(percent - probability * 100)).toBeLessThanOrEqual(0.51);
    }
    // The keyboard alone does it as well.
    await page.mouse.move(0, 0);
    await tokens.focus();
    await page.keyboard.press('ArrowRight');
    await expect(card).toContainText('Token 2 of 3');
    await page.keyboard.press('End');
    await expect(card).toContainText('Token 3 of 3');
  });

  await test.step('perplexity of a text is what the weights say', async () => {
    const text = 'Once upon a time there was a small cat. It liked to sit in the sun.';
    await page.getByText('Perplexity of a text').click();
    await page.getByRole('textbox', { name: 'Text to foresee' }).fill(text);
    await studio.button('Compute perplexity').click();
    const row = page.getByRole('table', { name: 'Perplexity by model' }).getByRole('row').nth(1);
    await expect(row.getByRole('cell')).toHaveCount(3, { timeout: 300_000 });
    const expected = await foreseen(STORIES, readModel(STORIES), text);
    const [perplexity, bits, tokens] = await row.getByRole('cell').allInnerTexts();
    expect(Number(tokens)).toBe(expected.tokens);
    expect(Number(perplexity) / expected.perplexity).toBeCloseTo(1, 2);
    const bitsPerByte = ((expected.tokens - 1) * Math.log2(expected.perplexity)) / text.length;
    expect(Number(bits) / bitsPerByte).toBeCloseTo(1, 2);
    await studio.combobox('Show on the text').selectOption('stories260K-llama');
    await expect(page.getByRole('group', { name: 'The text as stories260K-llama foresees it' })).toContainText(
      'small cat',
    );
  });
});
