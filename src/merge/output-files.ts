/**
 * Output files: every file of a merge, named and sized before it is written: shards and their index, config and
 * generation config, tokenizer and template, the recipe, and what the model card tells. Pure. Writing them is
 * `save.ts`.
 */

import type { Bytes } from '../bytes/bytes.ts';
import type { BlendedDtype, Dtype } from '../formats/dtype.ts';
import { planShards, type ShardPlan } from '../formats/safetensors-writer.ts';
import type { CardFacts } from '../recipe/card.ts';
import { editedJson, outputConfig } from '../recipe/output-config.ts';
import { modelsNeeded } from '../recipe/recipe.ts';
import { chosenTemplate, withTemplate } from './chat-template.ts';
import { configEdits, tokenEdits } from './config-edits.ts';
import type { Lineup } from './lineup.ts';

/** The recipe's file name beside a merge. */
export const RECIPE_FILE = 'fusewright.yml';

/** What to call a merge and how to cut it. */
export interface FileOptions {
  readonly name: string;
  /** The recipe as it was written. */
  readonly recipeText: string;
  readonly maxShardBytes: number;
  /** Fusewright's version, for the card. */
  readonly version: string;
}

/** A merge's files before they are written. */
export interface FilePlan {
  readonly shards: ShardPlan;
  /** All text files but the model card and the audit, which tell of files that are written. */
  readonly texts: ReadonlyMap<string, string>;
  /** Files beside the weights that are no text, to be copied. */
  readonly binaries: ReadonlyMap<string, Bytes>;
  /** What the card tells, the audit left out. */
  readonly card: CardFacts;
}

/** Names every file of a merge and its size. Pure. */
export function planFiles(lineup: Lineup, options: FileOptions): FilePlan {
  const shards = planShards(outputTensors(lineup), { maxShardBytes: options.maxShardBytes });
  const sides = sideFilesOf(lineup);
  const texts = new Map<string, string>();
  if (shards.index) texts.set(shards.index.fileName, shards.index.text);
  for (const [name, text] of sides.texts) texts.set(name, text);
  texts.set(RECIPE_FILE, options.recipeText);
  const written = new Set(lineup.tensors.map((tensor) => tensor.out));
  const [only = null] = written;
  const { recipe } = lineup;
  const parents = recipe.stages
    ? modelsNeeded(recipe)
    : [...new Set([lineup.donor, ...lineup.models])].map(({ name }) => name);
  const card = {
    name: options.name,
    recipe,
    recipeText: options.recipeText,
    method: lineup.method,
    parents: parents.map((name) => ({ name })),
    version: options.version,
    outDtype: written.size === 1 ? only : null,
    mergedTensors: lineup.tensors.length,
    copiedTensors: lineup.copied.length,
  };
  return { shards, texts, binaries: sides.binaries, card };
}

/** Name, shape and dtype of every tensor of the result, in its order. */
export function outputTensors(lineup: Lineup): { name: string; shape: readonly number[]; dtype: Dtype }[] {
  const known = new Map<string, { name: string; shape: readonly number[]; dtype: Dtype }>();
  for (const { name, shape, out } of lineup.tensors) known.set(name, { name, shape, dtype: out });
  for (const { name, entry } of lineup.copied) known.set(name, { name, shape: entry.shape, dtype: entry.dtype });
  return lineup.order.flatMap((name) => known.get(name) ?? []);
}

/** The dtype that config.json has to name: the recipe's, else that of most of the written elements. */
function writtenDtype(lineup: Lineup): BlendedDtype | null {
  if (lineup.recipe.outDtype) return lineup.recipe.outDtype;
  const elements = new Map<BlendedDtype, number>();
  for (const tensor of lineup.tensors) elements.set(tensor.out, (elements.get(tensor.out) ?? 0) + tensor.elements);
  const [most] = [...elements].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? null;
}

/** The files beside the weights: the donor's, changed where the result differs from it. */
export function sideFilesOf(lineup: Lineup): { texts: Map<string, string>; binaries: Map<string, Bytes> } {
  const { donor, changes, recipe } = lineup;
  const { files } = changes;
  const keeps = (name: string) => !files?.dropped.has(name);
  const texts = new Map([...donor.sideFiles].filter(([name]) => keeps(name)));
  for (const [name, text] of files?.texts ?? []) texts.set(name, text);
  const binaries = new Map([...(donor.binarySideFiles ?? [])].filter(([name]) => keeps(name)));
  for (const [name, binary] of files?.binaries ?? []) binaries.set(name, binary);
  const config = donor.sideFiles.get('config.json');
  if (config !== undefined) {
    const edits = configEdits(donor.config ?? {}, lineup);
    texts.set('config.json', outputConfig(config, { outDtype: writtenDtype(lineup), edits }));
  }
  const generation = texts.get('generation_config.json');
  if (generation !== undefined) {
    const json = JSON.parse(generation) as Record<string, unknown>;
    texts.set('generation_config.json', editedJson(generation, tokenEdits(json, changes.movedTokens)));
  }
  if (recipe.chatTemplate !== undefined) {
    const template = chosenTemplate(recipe.chatTemplate, [donor, ...lineup.models]);
    if (template !== null) withTemplate(texts, template);
  }
  return { texts, binaries };
}
