/**
 * Merges: what the bench merges, one recipe per method, over the workload's base and fine-tunes. The same text goes to
 * Fusewright and to mergekit.
 */

/**
 * One merge.
 * @typedef {object} Merge
 * @property {string} name of the method
 * @property {string[]} models the fine-tunes that take part
 * @property {boolean} hasBase whether deltas are taken from the base
 * @property {Record<string, number | boolean>} perModel parameters of every model
 * @property {Record<string, number | boolean>} parameters
 * @property {boolean} inMergekit
 */

const THREE = ['tune-1', 'tune-2', 'tune-3'];
const WEIGHTS = { weight: 0.5 };
const DENSITY = { weight: 0.5, density: 0.5 };

/**
 * @param {string} name
 * @param {Partial<Merge>} [how]
 * @returns {Merge}
 */
const merge = (name, how = {}) => ({
  name,
  models: THREE,
  hasBase: true,
  perModel: {},
  parameters: {},
  inMergekit: true,
  ...how,
});

/** @type {readonly Merge[]} */
export const MERGES = [
  merge('linear', { hasBase: false, perModel: WEIGHTS }),
  merge('task_arithmetic', { perModel: WEIGHTS }),
  merge('varm', { inMergekit: false }),
  merge('passthrough', { models: ['tune-1'], hasBase: false, parameters: { scale: 0.9 } }),
  merge('slerp', { models: ['tune-1'], parameters: { t: 0.4 } }),
  merge('nuslerp', { models: ['tune-1', 'tune-2'], perModel: WEIGHTS }),
  merge('multislerp', { perModel: WEIGHTS }),
  merge('karcher', { hasBase: false }),
  merge('model_stock'),
  merge('nearswap', { models: ['tune-1'], parameters: { t: 0.001 } }),
  merge('arcee_fusion', { models: ['tune-1'] }),
  merge('ties', { perModel: DENSITY }),
  merge('dare_linear', { perModel: DENSITY }),
  merge('dare_ties', { perModel: DENSITY }),
  merge('della', { perModel: { ...DENSITY, epsilon: 0.15 } }),
  merge('della_linear', { perModel: { ...DENSITY, epsilon: 0.15 } }),
  merge('breadcrumbs', { perModel: { ...DENSITY, gamma: 0.01 } }),
  merge('breadcrumbs_ties', { perModel: { ...DENSITY, gamma: 0.01 } }),
  merge('sce', { parameters: { select_topk: 0.5 } }),
  merge('ram', { inMergekit: false }),
  merge('ramplus_tl', { inMergekit: false }),
  merge('widen', { inMergekit: false }),
];

/**
 * The recipe's text.
 * @param {Merge} how
 * @param {(model: string) => string} place what a model is called: a path, or the name of an open checkpoint
 * @param {{ dtype: string }} [options] in which dtype mergekit calculates; Fusewright always does in float32
 */
export function recipeText({ name, models, hasBase, perModel, parameters }, place, { dtype } = { dtype: 'float32' }) {
  /** @param {Record<string, number | boolean>} values @param {string} indent */
  const block = (values, indent) =>
    Object.keys(values).length === 0
      ? []
      : [`${indent}parameters:`, ...Object.entries(values).map(([key, value]) => `${indent}  ${key}: ${value}`)];
  // mergekit's slerp wants its base among the models.
  const listed = name === 'slerp' ? ['base', ...models] : models;
  return `${[
    `merge_method: ${name}`,
    ...(hasBase ? [`base_model: ${JSON.stringify(place('base'))}`] : []),
    'models:',
    ...listed.flatMap((model) => [`  - model: ${JSON.stringify(place(model))}`, ...block(perModel, '    ')]),
    ...block(parameters, ''),
    `dtype: ${dtype}`,
    'out_dtype: bfloat16',
  ].join('\n')}\n`;
}

/**
 * The models whose weights a merge reads.
 * @param {Merge} how
 */
export const sourcesOf = ({ models, hasBase }) => (hasBase ? ['base', ...models] : models);
