/**
 * Mergekit: what mergekit's recipes can say: its methods with their parameters, and the words of its schema that mean
 * something there and nothing here, so that they are refused by name and not as typos. Not a list of our methods:
 * those are declared in `methods/`.
 */

/** A parameter of mergekit's; `isRequired` where mergekit refuses a recipe without it. */
interface MergekitParameter {
  readonly name: string;
  readonly isRequired: boolean;
}

function parameters(...names: string[]): readonly MergekitParameter[] {
  return names.map((name) => ({ name: name.replace('!', ''), isRequired: name.endsWith('!') }));
}

const TASK_VECTORS = ['weight!', 'density', 'lambda', 'normalize', 'rescale', 'int8_mask'];

/** Every method of mergekit with the parameters that it reads. */
export const MERGEKIT_METHODS: ReadonlyMap<string, readonly MergekitParameter[]> = new Map(
  Object.entries({
    linear: parameters('weight!', 'normalize'),
    slerp: parameters('t!'),
    nuslerp: parameters('weight!', 'nuslerp_row_wise', 'nuslerp_flatten'),
    multislerp: parameters('weight!', 'normalize_weights', 'eps'),
    karcher: parameters('max_iter', 'tol'),
    passthrough: parameters('scale'),
    model_stock: parameters('filter_wise'),
    arcee_fusion: [],
    nearswap: parameters('t!'),
    ram: parameters('epsilon'),
    ramplus_tl: parameters('r', 'alpha', 'epsilon'),
    sce: parameters('int8_mask', 'select_topk'),
    task_arithmetic: parameters(...TASK_VECTORS),
    ties: parameters(...TASK_VECTORS),
    dare_linear: parameters(...TASK_VECTORS),
    dare_ties: parameters(...TASK_VECTORS),
    breadcrumbs: parameters(...TASK_VECTORS, 'gamma'),
    breadcrumbs_ties: parameters(...TASK_VECTORS, 'gamma'),
    della: parameters(...TASK_VECTORS, 'epsilon'),
    della_linear: parameters(...TASK_VECTORS, 'epsilon'),
  }),
);

/** Methods of mergekit's repository that its release 0.1.4 does not have. */
export const AFTER_0_1_4: ReadonlySet<string> = new Set(['ram', 'ramplus_tl']);

/** Keys of mergekit's schema that mean something there and nothing here; for each what to do instead. */
export const MERGEKIT_KEYS: ReadonlyMap<string, string> = new Map([
  ['residual_weight', 'mergekit reads it and never uses it; remove it'],
  ['lora', 'merge the LoRA into its model first, and name that model'],
  ['override_architecture', 'remove it: tensors are matched by their names here'],
  ['out_path', "give this recipe a 'name:' instead, and use that name as a model where its result is needed"],
  ['trust_remote_code', 'remove it: no code of a model is ever run here'],
]);
