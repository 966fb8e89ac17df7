/**
 * Mergekit: the words of mergekit's recipes that this version does not have, so that they are refused by name and
 * not as typos. Not a list of our methods: those are declared in `methods/`.
 */

/** Every method name of mergekit, those included that are here too. */
export const MERGEKIT_METHODS = [
  'linear',
  'slerp',
  'nuslerp',
  'multislerp',
  'karcher',
  'passthrough',
  'model_stock',
  'arcee_fusion',
  'nearswap',
  'ram',
  'ramplus_tl',
  'sce',
  'task_arithmetic',
  'ties',
  'dare_linear',
  'dare_ties',
  'breadcrumbs',
  'breadcrumbs_ties',
  'della',
  'della_linear',
] as const;

/** Keys of mergekit's schema that mean something there and nothing here yet. */
export const MERGEKIT_KEYS: ReadonlySet<string> = new Set([
  'slices',
  'modules',
  'tokenizer_source',
  'tokenizer',
  'chat_template',
  'sources',
  'layer_range',
  'residual_weight',
  'lora',
  'override_architecture',
]);
