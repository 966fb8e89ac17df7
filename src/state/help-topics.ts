/**
 * Help topics: what the page explains, one place per topic. Shortcuts come from the commands and methods from their
 * declarations; only what neither says is written here. Plain data: how it is drawn is `ui/help-page.tsx`.
 */

import { METHODS } from '../methods/index.ts';
import { FAMILIES, type Method, type Parameter, type Preset } from '../methods/method.ts';
import { plainWords } from '../methods/plain-words.ts';
import type { Command, Commands } from './commands.ts';
import { MAP_KEYS } from './map-keys.ts';

/** A row of a list: what is explained, and the explanation. `keys`: the term is a shortcut to press. */
export interface HelpRow {
  readonly term: string;
  readonly text: string;
  readonly kind: 'word' | 'code' | 'keys';
}

export interface HelpBlock {
  readonly title: string | null;
  readonly paragraphs: readonly string[];
  readonly rows: readonly HelpRow[];
  /** A text as it would be typed, such as a recipe; null where there is none. */
  readonly code: string | null;
}

export interface HelpTopic {
  /** Stable, for the palette and for anchors. */
  readonly name: string;
  readonly title: string;
  readonly blocks: readonly HelpBlock[];
}

function block(part: Partial<HelpBlock>): HelpBlock {
  return { title: null, paragraphs: [], rows: [], code: null, ...part };
}

const word = (term: string, text: string): HelpRow => ({ term, text, kind: 'word' });
const code = (term: string, text: string): HelpRow => ({ term, text, kind: 'code' });
const keys = (term: string, text: string): HelpRow => ({ term, text, kind: 'keys' });

/** A phrase of a list as a sentence. */
const sentence = (phrase: string) => `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`;

const START = block({
  paragraphs: [
    'Bring a base model and two or more fine-tunes of it. Drop their folders on the page, or pick them. Fusewright measures what each fine-tune changed, blends them into one model, and lets you talk to it before you save it.',
    'A folder is best: config and tokenizer beside the safetensors files are what chat needs. Weights alone can be merged and saved.',
    'Without models at hand, open the samples: four small chat models that come with the page.',
  ],
});

const FILES = block({
  paragraphs: [
    'Nothing is uploaded. Your files are read on this machine, piece by piece, and the merge and the chat run here too: on the graphics card by WebGPU where the browser offers it, on the processor otherwise.',
    'A saved model goes to the folder or the zip that you choose. Conversations and what you worked on are kept in this browser only, and clearing its data for this page removes them.',
    'The page makes no request of its own but for its own files and, when you ask for them, the samples.',
    'After the first visit the page works with no network. Its own files, samples and chat included, are kept in this browser, and its head says “Works offline” once all of them are. Models are never kept that way.',
  ],
});

const RECIPE = block({
  paragraphs: [
    'The recipe is the one description of the merge. Every control writes it, and what you type there moves the controls. Its form is that of mergekit, so that recipes go both ways; methods that mergekit does not have say so below.',
    'A value may stand for all models or for one. A list of numbers is spread over the layers. With filters, a value holds for those tensors whose name contains the filter; the last entry, without a filter, holds for the rest.',
  ],
  code: [
    'merge_method: varm',
    'base_model: my-base',
    'models:',
    '  - model: my-writer',
    '    parameters:',
    '      weight:',
    '        - filter: mlp',
    '          value: [0.2, 1]   # from the first layer to the last',
    '        - value: 0.5',
    '  - model: my-coder',
    'parameters:',
    '  granularity: tensor',
    'dtype: float32',
    'out_dtype: bfloat16',
  ].join('\n'),
});

const MAP = block({
  paragraphs: [
    'Rows are layers, columns are modules, and each model has a cell in each of them. A cell says how much the model counts there. A mark on a cell means that it was set by hand.',
  ],
  rows: [
    ...MAP_KEYS.map(({ key, what }) => keys(key, sentence(what))),
    word('Drag', 'Up for more, down for less; with the brush it paints.'),
  ],
});

const NUMBERS = block({
  rows: [
    word(
      'VaRM weight',
      'A model’s share of the squared change from the base, within one part of the network. In each part the shares add up to one.',
    ),
    word('Weight', 'How strongly a model counts. What it means exactly is said by the method, under its parameters.'),
    word(
      'Relative change',
      'How far a fine-tune moved from the base: the length of its change over the length of the base’s weights.',
    ),
    word(
      'Cosine',
      'Whether two fine-tunes moved the same way. 1: the same direction, 0: unrelated, -1: opposite. Unrelated changes blend well.',
    ),
    word(
      'Conflict share',
      'The share of weights that two models changed in opposite directions. By chance alone it is one half of those that both changed.',
    ),
    word('Unchanged', 'The share of weights that are exactly the base’s, bit for bit.'),
    word(
      'Perplexity',
      'How surprised a model is by a text: 1 would be none at all, 20 as if it wavered between 20 equally likely tokens at each step. Lower is better, on the same text and the same tokenizer.',
    ),
    word(
      'Precision',
      'In how many bits chat holds the weights: as they are, in 8 or in 4. It changes what you talk to, never what is saved.',
    ),
    word('Tokens per second', 'The speed of a reply after its first token, on this machine.'),
  ],
});

/** Every topic, in the order of the page. */
export function helpTopics(commands: Commands): readonly HelpTopic[] {
  return [
    { name: 'start', title: 'Getting started', blocks: [START] },
    { name: 'shortcuts', title: 'Keyboard shortcuts', blocks: shortcutBlocks(commands) },
    { name: 'map', title: 'The weights map', blocks: [MAP] },
    { name: 'recipe', title: 'The recipe', blocks: [RECIPE] },
    { name: 'numbers', title: 'What the numbers mean', blocks: [NUMBERS] },
    { name: 'files', title: 'Where your files go', blocks: [FILES] },
    { name: 'methods', title: 'Merge methods', blocks: METHOD_BLOCKS },
  ];
}

/** The commands that have a shortcut, by group. Shortcuts are in the commands' own form. */
function shortcutBlocks(commands: Commands): readonly HelpBlock[] {
  const all = Object.values<Command>(commands).filter(({ shortcut }) => shortcut !== null);
  const groups = [...new Set(all.map(({ group }) => group))];
  const blocks = groups.map((title) =>
    block({
      title,
      rows: all
        .filter(({ group }) => group === title)
        .map(({ shortcut, label, help }) => keys(shortcut ?? '', help === undefined ? label : `${label}. ${help}`)),
    }),
  );
  return [
    block({ paragraphs: ['Every command is in the command palette, also those without a shortcut.'] }),
    ...blocks,
    block({
      title: 'Writing a message',
      rows: [keys('Enter', 'Send.'), keys('shift+Enter', 'Begin a new line.')],
    }),
  ];
}

const METHOD_BLOCKS: readonly HelpBlock[] = FAMILIES.flatMap((family) =>
  [...METHODS.values()]
    .filter((method) => method.family === family)
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(methodBlock),
);

function methodBlock(method: Method): HelpBlock {
  const shared = Object.entries(method.params).map(([name, parameter]) => parameterRow(name, parameter, false));
  const own = Object.entries(method.perModel).map(([name, parameter]) => parameterRow(name, parameter, true));
  return block({
    title: method.title,
    paragraphs: [
      `${method.summary} Takes ${takes(method)}. In a recipe: ${method.name}.${method.inMergekit ? '' : ' Not in mergekit.'}`,
      ...(method.differences ?? []).map(plainWords),
    ],
    rows: [...shared, ...own, ...(method.presets ?? []).map(presetRow)],
  });
}

/** A preset, and when to use it. */
function presetRow({ name, when }: Preset): HelpRow {
  return word(`Preset: ${name}`, when);
}

/** What takes part in a merge by a method. */
function takes({ base, models: { min, max } }: Method): string {
  const count = min === max ? `${min === 1 ? 'one model' : `${min} models`}` : `${min} to ${max} models`;
  if (base === 'required') return `a base and ${count}`;
  return base === 'optional' ? `${count}, with a base or without` : count;
}

function parameterRow(name: string, parameter: Parameter, isPerModel: boolean): HelpRow {
  const facts = [...(isPerModel ? ['one per model'] : []), ...factsOf(parameter)];
  return code(
    name,
    `${plainWords(parameter.help)}${facts.length > 0 ? ` (${facts.join('; ')})` : ''}${optionsOf(parameter)}`,
  );
}

/** Range and default, in words. */
function factsOf(parameter: Parameter): string[] {
  switch (parameter.kind) {
    case 'number': {
      const { min, max, strict } = parameter;
      const range = `${min} to ${max}${strict ? '' : ' on the slider'}`;
      return [range, parameter.default === null ? 'not set by default' : `default ${parameter.default}`];
    }
    case 'boolean':
      return [`default ${parameter.default ? 'on' : 'off'}`];
    case 'choice':
      return [`default ${parameter.default}`];
    case 'ignored':
      return ['read, without effect here'];
  }
}

function optionsOf(parameter: Parameter): string {
  if (parameter.kind !== 'choice') return '';
  return parameter.options.map((own) => ` ${own}: ${parameter.optionHelp[own] ?? ''}`).join('');
}
