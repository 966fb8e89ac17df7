/**
 * The samples' first question on the shipped weights: the merge that the page proposes answers it to the letter, by the
 * product's own merge and chat on the CPU, and neither the base nor any one parent does.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Chat } from '../chat/chat.ts';
import { GREEDY } from '../chat/sampling.ts';
import type { CpuTensor } from '../chat/weights.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openFolder } from '../formats/node-open.ts';
import { Blend } from '../merge/blend.ts';
import { check } from '../merge/check.ts';
import { CpuArithmetic } from '../merge/cpu-arithmetic.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { proposedRecipe } from './recipe-edits.ts';
import type { SamplesIndex } from './samples.ts';

const SAMPLES = join(import.meta.dirname, '..', '..', 'public', 'samples');
/** The chosen token is ahead of the next likeliest by at least this: another place's rounding must not turn it over. */
const LEAST_MARGIN = 0.1;

/** Greedy answers to one prompt by whatever a recipe makes, and by how much its closest token was ahead. */
async function answersOf(names: readonly string[], recipes: readonly string[], prompt: string) {
  const opened = new Map<string, Checkpoint>();
  for (const name of names) opened.set(name, await openFolder(join(SAMPLES, name)));
  const blend = new Blend(new CpuArithmetic(), { budgetBytes: 2 ** 30, keepsSources: true });
  let chat: Chat | null = null;
  const answers: { text: string; margin: number }[] = [];
  for (const recipe of recipes) {
    const { lineup, findings } = check(parseRecipe(recipe), (name) => opened.get(name));
    if (!lineup) throw new Error(findings.map(({ message }) => message).join(' '));
    await blend.blend(lineup);
    if (chat === null) {
      const tensors = new Map<string, CpuTensor>();
      for (const [name, tensor] of blend.live?.tensors ?? []) if (tensor.kind === 'cpu') tensors.set(name, tensor);
      const { config, sideFiles } = lineup.donor;
      chat = await Chat.open({ config, sideFiles, weights: { kind: 'cpu', tensors } });
    } else chat.weightsChanged();
    let margin = 1;
    const { text } = await chat.generate({
      messages: [{ role: 'user', content: prompt }],
      mode: 'chat',
      template: null,
      maxNewTokens: 40,
      sampling: GREEDY,
      stop: [],
      alternatives: 2,
      onTokens(_, tokens) {
        for (const { token, probability, alternatives } of tokens) {
          const others = alternatives.filter((own) => own.token !== token).map((own) => own.probability);
          margin = Math.min(margin, probability - Math.max(0, ...others));
        }
      },
    });
    answers.push({ text: text.trim(), margin });
  }
  return answers;
}

it('is answered by the merge with a margin, and by no single parent', async () => {
  const index = JSON.parse(await readFile(join(SAMPLES, 'index.json'), 'utf8')) as SamplesIndex;
  const names = index.models.map(({ folder }) => folder);
  const { showcase } = index;
  if (!showcase) throw new Error('the samples have no first question');
  const alone = names.map((name) => `merge_method: linear\nmodels:\n  - model: ${name}\n    parameters: {weight: 1}\n`);
  const [merged, ...single] = await answersOf(names, [proposedRecipe(names, index.base), ...alone], showcase.prompt);
  expect(merged?.text).toBe(showcase.answer);
  expect(merged?.margin).toBeGreaterThan(LEAST_MARGIN);
  expect(single).toHaveLength(4);
  // As the note beside it says: each parent does its own trick, the base none.
  const byName = Object.fromEntries(names.map((name, index) => [name, single[index]?.text]));
  expect(byName).toEqual({
    'parrot-base': 'tulip',
    'parrot-shout': 'TULIP',
    'parrot-mirror': 'pilut',
    'parrot-spell': 't-u-l-i-p',
  });
});
