/**
 * Key help: what each word of a recipe means, a sentence or two each, for completion and help in the editor. Methods and
 * their parameters say it in their declarations.
 */

import type { RECIPE_KEYS } from './recipe.ts';

/** A key that may stand in a recipe besides parameters. */
type EntryKey =
  | 'model'
  | 'muted'
  | 'sources'
  | 'layer_range'
  | 'filter'
  | 'value'
  | 'source'
  | 'tokens'
  | 'pad_to_multiple_of'
  | 'force';

const HELP: Readonly<Record<(typeof RECIPE_KEYS)[number] | EntryKey, string>> = {
  name: 'What other recipes of this text call the result of this one.',
  merge_method: 'How the models are merged.',
  base_model: 'The model that the others were made from. It also lends its config and its tokenizer.',
  models: 'The models that are merged, a list with one entry each.',
  slices: 'Runs of layers, in the order of the result, each with the models that it is made of.',
  modules: 'The stacks of layers of a model that has several, each with its models or slices.',
  parameters:
    'Numbers and choices of the method. At the top they hold for all models, in an entry for that model alone.',
  dtype:
    'In mergekit, the dtype in which it calculates. Here it names the dtype that is written, where out_dtype does not.',
  out_dtype: 'The dtype that is written. Without it, every tensor keeps the dtype that it has in the base.',
  tokenizer_source: 'Whose tokens the result has: union for all models’, base for the base’s, or the name of a model.',
  tokenizer: 'The same with more to say: the source, where single tokens come from, and padding.',
  chat_template: 'The chat template of the result: auto for the one that most models have, a name, or Jinja text.',
  model: 'The name of an open checkpoint; on the command line, the path of its folder.',
  muted: 'With true, the model keeps its settings here and takes no part in the merge.',
  sources: 'The models that a slice is made of, each with as many layers.',
  layer_range: 'The first layer, and the one after the last, such as [0, 24].',
  filter:
    'A part of tensors’ names. The first entry whose filter is in a tensor’s name decides over it; one without a filter holds for the rest.',
  value: 'The value where the filter matches; a list is spread over the layers.',
  source: 'Whose tokens the result has, or where one token’s row comes from.',
  tokens: 'Where the rows of single tokens come from.',
  pad_to_multiple_of: 'Rows are added until their number is a multiple of this.',
  force: 'With true, the source holds also for models that have the token.',
};

/** What a key means; null for one that is not known. */
export function keyHelp(key: string): string | null {
  return Object.hasOwn(HELP, key) ? HELP[key as keyof typeof HELP] : null;
}
