/**
 * Card: the README.md of a merge. All names, licences and the recipe are other people's text: nothing in them may
 * end the front matter, a fence or a line, or bring markup or links of its own.
 */

import { stringify } from 'yaml';
import { type BlendedDtype, TORCH_NAMES } from '../formats/dtype.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from './recipe.ts';

/** What a card tells of the audit. */
export interface CardAudit {
  readonly verdict: 'passed' | 'suspicious' | 'failed';
  readonly findings: readonly { readonly severity: 'failure' | 'warning'; readonly message: string }[];
  /** The seeds of a random method; empty for the others. */
  readonly seeds: readonly number[];
  readonly totals: {
    readonly norm: number | null;
    readonly parents: readonly { readonly model: string; readonly norm: number | null }[];
  };
  /** The files that are written before the card. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
}

/** What a model card tells. */
export interface CardFacts {
  /** The merge's name; the title. */
  readonly name: string;
  /** What was merged (`heardRecipe`). */
  readonly recipe: Recipe;
  /** The recipe as it was written; shown verbatim. */
  readonly recipeText: string;
  readonly method: Method;
  /** Base first, then the models; licences as their own cards state them, where known. */
  readonly parents: readonly { readonly name: string; readonly license?: string | null }[];
  /** Fusewright's version. */
  readonly version: string;
  /** What was written: one dtype, or null where each tensor keeps the base's. */
  readonly outDtype: BlendedDtype | null;
  /** Number of tensors that were blended, and of those that were copied from the base. */
  readonly mergedTensors: number;
  readonly copiedTensors?: number;
  /** The dtypes in which it was written as ONNX, by the names of transformers.js; left out where it is safetensors. */
  readonly onnx?: readonly string[];
  /** What was found in the finished merge; left out where nothing was written yet. */
  readonly audit?: CardAudit;
}

const MAX_NAME_CHARS = 200;

/** One line without control, direction or line-separating characters. */
function line(text: string): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return flat.length > MAX_NAME_CHARS ? `${flat.slice(0, MAX_NAME_CHARS - 1)}…` : flat;
}

function longestRun(text: string): number {
  return (text.match(/`+/g) ?? []).reduce((longest, run) => Math.max(longest, run.length), 0);
}

/** A code span that shows any one-line text as it is. */
function code(text: string): string {
  const flat = line(text) || '(no name)';
  const ticks = '`'.repeat(longestRun(flat) + 1);
  return ticks.length > 1 || flat.startsWith('`') ? `${ticks} ${flat} ${ticks}` : `${ticks}${flat}${ticks}`;
}

/** Text in a heading: whatever Markdown could take for markup is escaped. */
function escaped(text: string): string {
  return line(text).replace(/[\\`*_[\]<>&|~$#!:@]/g, '\\$&');
}

/** A sentence of ours that names tensors and models: no markup of theirs, and no length limit. */
function prose(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').replace(/[\\`*_[\]<>&|~$#!:@]/g, '\\$&');
}

function fenced(text: string, language: string): string {
  const ticks = '`'.repeat(Math.max(3, longestRun(text) + 1));
  return `${ticks}${language}\n${text.endsWith('\n') ? text : `${text}\n`}${ticks}`;
}

/** The one licence that all parents state, or null. A combination is for a person to judge, not for us. */
function commonLicense(parents: CardFacts['parents']): string | null {
  const licenses = new Set(parents.map(({ license }) => license ?? null));
  const [only] = licenses;
  return licenses.size === 1 && only && /^[a-z0-9][a-z0-9.-]{0,40}$/.test(only) && only !== 'other' ? only : null;
}

/** The text of README.md, with the front matter that the Hugging Face Hub reads. */
export function modelCard(facts: CardFacts): string {
  const { recipe, method, parents } = facts;
  const license = commonLicense(parents);
  const front = stringify(
    {
      base_model: [...new Set(parents.map(({ name }) => line(name)))],
      ...(license === null ? {} : { license }),
      library_name: facts.onnx ? 'transformers.js' : 'transformers',
      pipeline_tag: 'text-generation',
      tags: ['merge', 'fusewright', ...(method.inMergekit ? ['mergekit'] : [])],
    },
    { lineWidth: 0, defaultStringType: 'PLAIN' },
  );
  const licenses = new Map(parents.map(({ name, license: stated }) => [name, stated ?? null]));
  const parent = (name: string): string => {
    const stated = licenses.get(name);
    return `${code(name)}${stated ? ` (licence: ${code(stated)})` : ''}`;
  };
  const title = method.paper === null ? method.title : `[${method.title}](${method.paper})`;
  const base = recipe.base === null ? [] : [`Base: ${parent(recipe.base)}`, ''];
  const copied = facts.copiedTensors ? `, and ${facts.copiedTensors} copied from the base` : '';
  const dtype = facts.outDtype === null ? 'the dtype that each tensor has in the base' : TORCH_NAMES[facts.outDtype];
  return [
    '---',
    `${front}---`,
    '',
    `# ${escaped(facts.name) || 'Merged model'}`,
    '',
    'This language model was merged from others; nothing was trained.',
    '',
    '## Method',
    '',
    `${title}: ${method.summary}`,
    '',
    '## Models',
    '',
    ...base,
    ...recipe.models.map(({ model }) => `- ${parent(model)}`),
    '',
    ...mutedLines(recipe),
    '## Recipe',
    '',
    fenced(facts.recipeText, 'yaml'),
    '',
    '## How it was made',
    '',
    `- Made with Fusewright ${line(facts.version)}.`,
    `- ${facts.mergedTensors} tensors blended${copied}.`,
    facts.onnx
      ? `- Calculated in float32 with coefficients in float64, rounded once to ${dtype}, and written as ONNX in ${facts.onnx.join(', ')}.`
      : `- Calculated in float32 with coefficients in float64, rounded once, and written in ${dtype}.`,
    ...seedLines(facts.audit?.seeds ?? []),
    '',
    ...usageLines(facts.onnx ?? []),
    ...(facts.audit ? auditLines(facts.audit) : []),
  ].join('\n');
}

/** Models that the recipe names and the merge does not hold. */
function mutedLines({ muted = [] }: Recipe): string[] {
  if (muted.length === 0) return [];
  return [`Muted in the recipe, and no part of this merge: ${muted.map(code).join(', ')}.`, ''];
}

/** How transformers.js loads it. */
function usageLines(onnx: readonly string[]): string[] {
  const [first] = onnx;
  if (first === undefined) return [];
  return [
    '## Use',
    '',
    fenced(
      [
        "import { pipeline } from '@huggingface/transformers';",
        '',
        `const generator = await pipeline('text-generation', 'PATH_OR_NAME', { device: 'webgpu', dtype: '${first}' });`,
      ].join('\n'),
      'js',
    ),
    '',
  ];
}

function seedLines(seeds: readonly number[]): string[] {
  if (seeds.length === 0) return [];
  return [
    `- Random numbers are drawn with ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}: the same recipe gives the same bits.`,
  ];
}

const VERDICTS: Readonly<Record<CardAudit['verdict'], string>> = {
  passed: '**Passed.** No NaN, no infinity, and norms within those of the parents.',
  suspicious: '**Passed with warnings.** No NaN and no infinity, but look at these:',
  failed: '**Failed.** This model probably does not work:',
};

/** Finite numbers with five digits; what is none is a dash. */
function figure(norm: number | null): string {
  return norm === null ? '–' : String(Number(norm.toPrecision(5)));
}

/** A table cell: a code span whose bars end no cell. */
function cell(text: string): string {
  return code(text).replaceAll('|', '\\|');
}

function auditLines({ verdict, findings, totals, files }: CardAudit): string[] {
  return [
    '## Audit',
    '',
    VERDICTS[verdict],
    '',
    ...(findings.length === 0 ? [] : [...findings.map(({ message }) => `- ${prose(message)}`), '']),
    ...(totals.parents.length === 0
      ? []
      : [
          '| Model | Norm of the merged tensors |',
          '| --- | ---: |',
          ...totals.parents.map(({ model, norm }) => `| ${cell(model)} | ${figure(norm)} |`),
          `| this merge | ${figure(totals.norm)} |`,
          '',
        ]),
    '| File | Bytes | SHA-256 |',
    '| --- | ---: | --- |',
    ...files.map(({ name, bytes, sha256 }) => `| ${cell(name)} | ${bytes} | \`${sha256}\` |`),
    '',
    'All figures, tensor by tensor, are in `fusewright-audit.json`.',
    '',
  ];
}
