/**
 * Evidence: how well merges of the shipped samples answer held-out prompts, through the product's own merge and chat
 * code on the CPU. Prints a Markdown table and writes `bench/EVIDENCE.md`. Which settings are tried is
 * `evidence-settings.ts`. Development only; `npm run evidence` builds and starts it.
 */

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '../../package.json';
import { MissingFault, toReport, UnsupportedFault } from '../bytes/fault.ts';
import { Chat } from '../chat/chat.ts';
import { GREEDY } from '../chat/sampling.ts';
import type { CpuTensor } from '../chat/weights.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openFolder } from '../formats/node-open.ts';
import { Blend } from '../merge/blend.ts';
import { check } from '../merge/check.ts';
import { CpuArithmetic } from '../merge/cpu-arithmetic.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { type Setting, settingsOf } from './evidence-settings.ts';

/** A skill with its held-out prompts, as `skills.json` has them. */
interface Skill {
  readonly skill: string;
  readonly prompts: readonly { readonly user: string; readonly answer: string }[];
}

/** One row of the table: shares of right answers, 0 to 1. */
interface Row {
  readonly setting: Setting;
  readonly perSkill: readonly number[];
  readonly mean: number;
  /** Over prompts that need several skills at once, by set. Not part of the mean. */
  readonly composed: readonly number[];
}

/** Enough to tell an answer of the right length from a longer one. */
const EXTRA_TOKENS = 4;

/** Far more than these models take. */
const BUDGET_BYTES = 2 ** 30;

function parseOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      prompts: { type: 'string' },
      samples: { type: 'string', default: 'public/samples' },
      out: { type: 'string' },
    },
  });
  const most = values.prompts === undefined ? Number.POSITIVE_INFINITY : Number(values.prompts);
  if (!(most >= 1)) throw new UnsupportedFault(`--prompts is a number from 1, and '${values.prompts}' is none.`);
  // A shortened run is no evidence to keep, unless it is asked for by name.
  return {
    most,
    samples: values.samples,
    out: values.out ?? (values.prompts === undefined ? 'bench/EVIDENCE.md' : null),
  };
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

/** The first digits of a file's SHA-256: enough to tell whether a table was made from these very files. */
async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 12);
}

async function readSkills(path: string, most: number): Promise<Skill[]> {
  const skills = await readJson<Skill[]>(path);
  return skills.map(({ skill, prompts }) => ({ skill, prompts: prompts.slice(0, most) }));
}

/** The family's blend and the chat that reads its live weights: opened once, edited in place for each setting. */
class Bench {
  readonly #checkpoints: ReadonlyMap<string, Checkpoint>;
  readonly #blend = new Blend(new CpuArithmetic(), { budgetBytes: BUDGET_BYTES, keepsSources: true });
  #chat: Chat | null = null;

  constructor(checkpoints: ReadonlyMap<string, Checkpoint>) {
    this.#checkpoints = checkpoints;
  }

  /** Makes the live weights what the recipe says. */
  async merge(recipeText: string): Promise<void> {
    const { lineup, findings } = check(parseRecipe(recipeText), (name) => this.#checkpoints.get(name));
    if (!lineup) throw new MissingFault(findings.map(({ message }) => message).join(' '));
    await this.#blend.blend(lineup);
    this.#chat?.weightsChanged();
    if (this.#chat || !this.#blend.live) return;
    const tensors = new Map<string, CpuTensor>();
    for (const [name, tensor] of this.#blend.live.tensors) if (tensor.kind === 'cpu') tensors.set(name, tensor);
    const { config, sideFiles } = lineup.donor;
    this.#chat = await Chat.open({ config, sideFiles, weights: { kind: 'cpu', tensors } });
  }

  /** Whether the model answers a prompt to the letter, greedily and by its chat template. */
  async isRight(user: string, answer: string): Promise<boolean> {
    if (!this.#chat) throw new Error('merge first');
    const stop = new AbortController();
    const { text: reply, stoppedBy } = await this.#chat.generate({
      messages: [{ role: 'user', content: user }],
      mode: 'chat',
      template: null,
      // No tokenizer here makes more tokens of a text than it has bytes.
      maxNewTokens: new TextEncoder().encode(answer).length + EXTRA_TOKENS,
      sampling: GREEDY,
      stop: [],
      alternatives: 0,
      signal: stop.signal,
      onTokens: (text) => {
        // What has gone wrong cannot come right again.
        if (!answer.startsWith(text.trimStart().slice(0, answer.length))) stop.abort();
      },
    });
    return stoppedBy === 'end' && reply.trim() === answer;
  }

  /** The share of right answers per skill. */
  async shares(skills: readonly Skill[]): Promise<number[]> {
    const shares: number[] = [];
    for (const { prompts } of skills) {
      let right = 0;
      for (const { user, answer } of prompts) if (await this.isRight(user, answer)) right++;
      shares.push(right / prompts.length);
    }
    return shares;
  }
}

const percent = (share: number) => (100 * share).toFixed(1);

function tableLines(skills: readonly Skill[], composed: readonly Skill[], rows: readonly Row[]): string[] {
  const heads = ['', ...skills.map(({ skill }) => skill), 'mean', ...composed.map(({ skill }) => `*${skill}*`)];
  return [
    `| ${heads.join(' | ')} |`,
    `|${heads.map((_, i) => (i === 0 ? '---' : '---:')).join('|')}|`,
    ...rows.map((row) => {
      const figures = [...row.perSkill, row.mean, ...row.composed].map(percent);
      return `| ${row.setting.title} | ${figures.join(' | ')} |`;
    }),
  ];
}

function best(rows: readonly Row[], kinds: readonly Setting['kind'][]): Row {
  const found = rows.filter(({ setting }) => kinds.includes(setting.kind)).sort((a, b) => b.mean - a.mean)[0];
  if (!found) throw new Error(`no row of ${kinds.join()}`);
  return found;
}

function findingLines(rows: readonly Row[]): string[] {
  const parent = best(rows, ['parent']);
  const named = ({ setting, mean }: Row) => `${setting.title}, mean ${percent(mean)} %`;
  const gain = (row: Row) =>
    `${row.mean >= parent.mean ? '+' : ''}${(100 * (row.mean - parent.mean)).toFixed(1)} points`;
  const merge = best(rows, ['linear', 'task', 'varm']);
  const varm = best(rows, ['varm']);
  return [
    `- Best parent: ${named(parent)}.`,
    `- Best merge: ${named(merge)} (${gain(merge)} over the best parent).`,
    `- Best VaRM: ${named(varm)} (${gain(varm)}).`,
    `- Uniform average: ${named(best(rows, ['linear']))} (${gain(best(rows, ['linear']))}).`,
  ];
}

async function main(args: readonly string[]): Promise<void> {
  const { most, samples, out } = parseOptions(args);
  const started = performance.now();
  const index = await readJson<{ base: string; models: readonly { folder: string; skill: string | null }[] }>(
    join(samples, 'index.json'),
  );
  const skills = await readSkills(join(samples, 'skills.json'), most);
  const composed = await readSkills(join(samples, 'composed.json'), most).catch(() => []);
  const opened = new Map<string, Awaited<ReturnType<typeof openFolder>>>();
  for (const { folder } of index.models) opened.set(folder, await openFolder(join(samples, folder)));
  const digests: string[] = [];
  for (const { folder } of index.models) {
    digests.push(`${folder} ${await digestOf(join(samples, folder, 'model.safetensors'))}`);
  }
  const bench = new Bench(opened);
  const rows: Row[] = [];
  for (const setting of settingsOf(index.base, index.models)) {
    await bench.merge(setting.recipe);
    const perSkill = await bench.shares(skills);
    const mean = perSkill.reduce((sum, share) => sum + share, 0) / perSkill.length;
    const row = { setting, perSkill, mean, composed: await bench.shares(composed) };
    rows.push(row);
    process.stderr.write(`${setting.title}: ${perSkill.map(percent).join(', ')}; mean ${percent(mean)}\n`);
  }
  for (const checkpoint of opened.values()) await checkpoint.close();
  const minutes = (performance.now() - started) / 60_000;
  const countsOf = (sets: readonly Skill[]) =>
    sets.map(({ skill, prompts }) => `${skill} ${prompts.length}`).join(', ');
  const several =
    composed.length > 0
      ? ` In italics: prompts that need several skills at once (${countsOf(composed)}), not in the mean.`
      : '';
  const text = [
    '# Evidence',
    '',
    'Right answers to held-out prompts, in per cent, of the shipped samples and of their merges. `npm run evidence` makes',
    'this table again from the files in `public/samples/`, through the product’s own merge and chat code.',
    '',
    ...tableLines(skills, composed, rows),
    '',
    ...findingLines(rows),
    '',
    '## Conditions',
    '',
    `- Held-out prompts, the same for every row: ${countsOf(skills)}. An answer is right where it is the expected text to the letter.${several}`,
    `- One prompt is ${percent(1 / skills.reduce((sum, { prompts }) => sum + prompts.length, 0))} points of the mean: rows that lie within a point or two of each other are not told apart.`,
    '- Decoding: greedy, by the models’ chat template, so no seed is involved. A reply ends at its first wrong character.',
    '- Merging: the kernels on the CPU; live float32 weights rounded to the samples’ own dtype. Chat: onnxruntime’s',
    '  WASM provider in Node, one session for all rows, its weights edited in place.',
    `- Samples, by SHA-256 of their weights: ${digests.join(', ')}.`,
    `- Fusewright ${version}, Node ${process.versions.node}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, ${new Date().toISOString().slice(0, 10)}, ${minutes.toFixed(1)} minutes.`,
    '',
  ].join('\n');
  process.stdout.write(text);
  if (out !== null) await writeFile(out, text);
}

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  process.stderr.write(`evidence: ${toReport(thrown).message}\n`);
  process.exitCode = 1;
}
