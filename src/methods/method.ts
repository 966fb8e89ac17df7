/**
 * Method: what a merge method declares about itself, once. From a declaration follow the recipe schema and its
 * errors, YAML in and out, the controls on the page, the docs table, the model card's sentence, the tests over
 * every dtype and ragged length, and the CPU path. Not the arithmetic on the GPU: that is `shaders/<name>.wgsl`,
 * one function `merge(i: u32) -> f32` over the accessors that `gpu/compose.ts` generates from this declaration.
 *
 * To add a method: one file here, one file in `shaders/`. Nothing else has a list of methods.
 */

/** A number that the user may set; becomes a slider. `optional` numbers have no default: unset is NaN. */
export interface NumberParameter {
  readonly kind: 'number';
  readonly default: number | null;
  /** The slider's range. Recipes may go beyond it unless `strict` is true. */
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly strict: boolean;
  /** A recipe may not go below this, also where `strict` is false; null where it may. */
  readonly least: number | null;
  readonly help: string;
}

/** An on/off choice; becomes a switch. 1 or 0 in kernels. */
export interface BooleanParameter {
  readonly kind: 'boolean';
  readonly default: boolean;
  readonly help: string;
}

/** One of a few words; becomes a select. Its index in `options` in kernels. Not interpolated over layers. */
export interface ChoiceParameter {
  readonly kind: 'choice';
  readonly options: readonly string[];
  readonly default: string;
  /** A plain sentence per option. */
  readonly optionHelp: Readonly<Record<string, string>>;
  readonly help: string;
}

/** Accepted so that mergekit's recipes run, and without effect here; `help` says why. */
export interface IgnoredParameter {
  readonly kind: 'ignored';
  readonly help: string;
}

export type Parameter = NumberParameter | BooleanParameter | ChoiceParameter | IgnoredParameter;

/** Parameters by their name in the recipe. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** The names of those that reach a kernel, in the order of the declaration. */
export function kernelParameters(parameters: Parameters): string[] {
  return Object.entries(parameters)
    .filter(([, p]) => p.kind !== 'ignored')
    .map(([name]) => name);
}

/** A number parameter with a default; give `default: null` for one that may be left unset. */
export function number(p: {
  min: number;
  max: number;
  step?: number;
  strict?: boolean;
  least?: number;
  default: number | null;
  help: string;
}): NumberParameter {
  return { kind: 'number', step: 0.01, strict: false, least: null, ...p };
}

/** A switch. */
export function boolean(p: { default: boolean; help: string }): BooleanParameter {
  return { kind: 'boolean', ...p };
}

/** A choice; `options` maps each word to a sentence about it, the first being the default unless given. */
export function choice(p: {
  options: Readonly<Record<string, string>>;
  default: string;
  help: string;
}): ChoiceParameter {
  return {
    kind: 'choice',
    options: Object.keys(p.options),
    optionHelp: p.options,
    default: p.default,
    help: p.help,
  };
}

/** A mergekit parameter that changes nothing here. */
export function ignored(help: string): IgnoredParameter {
  return { kind: 'ignored', help };
}

/** One value in a recipe. */
type PresetScalar = number | boolean | string;

/** One value for everything, or a list over the layers. */
type PresetGradient = PresetScalar | readonly number[];

/**
 * What a preset sets a parameter to: one value, a list over the layers, a list of filters with values, or null for
 * unset.
 */
export type PresetValue =
  | PresetGradient
  | readonly { readonly filter?: string; readonly value: PresetGradient }[]
  | null;

/** Values that go well together. Parameters that a preset does not name keep what the recipe says. */
export interface Preset {
  /** A few words for a menu; no two presets of a method have the same. */
  readonly name: string;
  /** One sentence on when to use it. */
  readonly when: string;
  readonly params: Readonly<Record<string, PresetValue>>;
  /** Set for every model alike. */
  readonly perModel: Readonly<Record<string, PresetValue>>;
}

/** Parameter values at one tensor: numbers as they are, booleans 1/0, choices their index, unset numbers NaN. */
export type Values = Readonly<Record<string, number>>;

/** The parts of a model that can share one weight. `row`: a slice along the first of two or more dimensions. */
export const UNITS = ['model', 'layer', 'module', 'tensor', 'row', 'element'] as const;
export type Unit = (typeof UNITS)[number];

/** The unit whose Gram matrix a method needs: a part of a model, or one column of a matrix (its last dimension). */
export type StatisticUnit = Unit | 'column';

/**
 * How numbers lie over a tensor: one for all of it, one per row (a slice along the first of two or more dimensions;
 * a vector is one row), or one per column (a position within the row).
 */
export type Axis = 'tensor' | 'row' | 'column';

/**
 * Sums over one unit's elements in float64. What is summed are the deltas δ_j = x_j − base of the K models where the
 * method measures deltas and there is a base, else the sources' own values, the base first where there is one.
 * `count` below is how many that are. Means are these divided by `elements`.
 */
export interface Sums {
  /** Number of elements in the unit. */
  readonly elements: number;
  /** count × count, row-major: Σ v_i v_j. The diagonal is Σ v². */
  readonly gram: Float64Array;
  /** count: Σ |v_j|. */
  readonly abs: Float64Array;
  /** count: max |v_j|. */
  readonly max: Float64Array;
  /** count: how many are not zero (for deltas: how many elements differ from the base). */
  readonly changed: Float64Array;
}

/** Sums per row or per column of one tensor. */
export interface LineSums {
  readonly axis: 'row' | 'column';
  readonly lines: number;
  /** Elements of one line. */
  readonly lineElements: number;
  /** count × count × lines: `gram[(i * count + j) * lines + line]` = Σ v_i v_j over the line. */
  readonly gram: Float64Array;
  /** count × lines: `abs[j * lines + line]` = Σ |v_j|. */
  readonly abs: Float64Array;
}

/** A reduction over a tensor: WGSL `fn <name>(i: u32)`, which calls `add(quantity, value)` any number of times. */
export interface SumPass {
  readonly kind: 'sums';
  /** Also the name of the function in the method's `.wgsl` file. */
  readonly name: string;
  /** Whether it is done on this tensor; where it is not, `found_<name>` gives zeros. Always, where left out. */
  readonly isNeeded?: (params: Values, perModel: readonly Values[], tensor: string) => boolean;
  /** What is summed over: the whole tensor, or each row, or each column by itself. */
  readonly over: Axis;
  /** How many quantities there are. `add` takes their index. */
  readonly quantities: (models: number) => number;
  /** True where every quantity is a maximum instead of a sum (of values that are not negative). */
  readonly isMaximum?: boolean;
  /** Numbers made from the totals, which later kernels read with `found_<name>(n, i)`. */
  readonly finds?: Finding;
}

/** A threshold over a tensor, exact: WGSL `fn <name>(k: u32, i: u32) -> f32`, a key that is never negative. */
export interface SelectPass {
  readonly kind: 'select';
  /** Also the name of the function in the method's `.wgsl` file. */
  readonly name: string;
  /** Whether it is done on this tensor; where it is not, every element belongs to every slot. Always, where left out. */
  readonly isNeeded?: (params: Values, perModel: readonly Values[], tensor: string) => boolean;
  /** How many keys an element has: the range of `k`. Often one per model. */
  readonly keys: (models: number) => number;
  /** How many slots `select` gives. */
  readonly slots: (models: number) => number;
  /**
   * Per slot a key and how many elements of largest key belong to it (0 … elements). Ties go to the lower index.
   * Kernels that follow ask `is_top_<name>(slot, key value, i)`.
   */
  readonly select: (evidence: Evidence) => readonly { readonly key: number; readonly count: number }[];
  /** Numbers made from the thresholds, which later kernels read with `found_<name>(n, i)`. */
  readonly finds?: Finding;
}

/** What has to be known of the whole tensor before `merge` can run on any part of it. In order; each sees the last. */
export type Pass = SumPass | SelectPass;

/** Numbers in float64 that a pass leaves for the kernels after it. */
export interface Finding {
  readonly over: Axis;
  /** How many numbers per line. */
  readonly width: (models: number) => number;
  /** width × lines: `n * lines + line`. */
  readonly from: (evidence: Evidence) => Float64Array;
}

/** What a pass found on one tensor. */
export interface PassResult {
  /** quantities × lines of a sums pass: `q * lines + line`; empty for a selection. */
  readonly totals: Float64Array;
  readonly lines: number;
  /** Per slot of a selection: the key of the last element that belongs to it (infinity for none); empty for sums. */
  readonly thresholds: Float64Array;
  /** Per slot: elements whose key equals the threshold belong to the slot where their index is below this. */
  readonly cuts: Float64Array;
  /** What the pass's `finds` made of it; empty where it has none. */
  readonly found: Float64Array;
}

/** Everything that is known of one tensor where numbers are decided. */
export interface Evidence {
  /** The tensor's name in the result. */
  readonly tensor: string;
  /** Number of models, the base not counted. */
  readonly models: number;
  /** Whether there is a base (methods whose base is optional). */
  readonly hasBase: boolean;
  readonly params: Values;
  /** One entry per model. */
  readonly perModel: readonly Values[];
  readonly elements: number;
  /** Elements of a row: the product of all dimensions but the first of two or more; all of a vector. */
  readonly rowElements: number;
  /** Number of dimensions. */
  readonly dimensions: number;
  /** Sums over the unit that the tensor belongs to; null where the method declares no statistics, or asks for lines. */
  readonly sums: Sums | null;
  /** Per-row or per-column sums where `statistics(params)` is 'row' or 'column'; else null. */
  readonly lineSums: LineSums | null;
  /** What the passes so far found, by name. */
  readonly passes: ReadonlyMap<string, PassResult>;
}

/** Everything `reference` may read: one whole tensor in float64. */
export interface ReferenceInput {
  /** The tensor's name in the result. */
  readonly tensor: string;
  /** The base's elements, or null where there is none. */
  readonly base: Float64Array | null;
  /** The models' elements. */
  readonly models: readonly Float64Array[];
  readonly params: Values;
  readonly perModel: readonly Values[];
  readonly rowElements: number;
  readonly dimensions: number;
  /**
   * Coefficients as `coefficients` gave them, of row n of them at element i. Only methods whose coefficients depend
   * on more than the tensor at hand (VaRM's units) should need it; an oracle calculates for itself.
   */
  readonly coefficient: (n: number, i: number) => number;
  /** Uniform in [0, 1), the same for the same seed, tensor, model and element (`random.ts`). */
  readonly random: (k: number, i: number) => number;
}

/** A merge method. */
export interface Method {
  /** mergekit's name where it has the method. Also the name of the `.wgsl` file. */
  readonly name: string;
  readonly title: string;
  /** The heading under which menus and docs list it. */
  readonly family: Family;
  /** One sentence for menus, docs and the model card. */
  readonly summary: string;
  /** Address of the paper; null where there is none. */
  readonly paper: string | null;
  /** Whether mergekit has it under this name (decides whether a recipe can be handed to mergekit). */
  readonly inMergekit: boolean;
  /** Sentences for the docs table: where, and why, results differ from mergekit's. Empty where they do not. */
  readonly differences?: readonly string[];
  /**
   * 'required': deltas are taken from a base. 'optional': they are where a base is named. 'none': a base, if named,
   * only lends config and tokenizer.
   */
  readonly base: 'required' | 'optional' | 'none';
  /** How many models are blended, the base not counted. */
  readonly models: { readonly min: number; readonly max: number };
  /** Parameters with one value for all models. */
  readonly params: Parameters;
  /** Parameters with one value per model. */
  readonly perModel: Parameters;
  /** The per-model number that a hand on the weights map sets; null where models have none. */
  readonly handle: string | null;
  /** Settings to begin with, the most usual first. */
  readonly presets?: readonly Preset[];
  /** Names of shared WGSL files in `shaders/` that stand before the method's own. */
  readonly parts?: readonly string[];
  /** The unit whose Gram matrix the method needs at these parameters, or null where it needs none. */
  readonly statistics: (params: Values) => StatisticUnit | null;
  /** What `statistics` measures: changes from the base (where there is one), or the sources themselves. */
  readonly measures?: 'deltas' | 'sources';
  /** The passes over a tensor that `merge` may need, in order. None where it is left out. */
  readonly passes?: readonly Pass[];
  /** True where kernels call `rank(k, i)`: the position of |δ_k| within its row, ascending from 0, ties by index. */
  readonly ranks?: boolean;
  /** How `coefficients` lie over the tensor; where it is left out, 'row' where statistics are, else 'tensor'. */
  readonly coefficientsOver?: (params: Values) => Axis;
  /** Rows of coefficients beside the K of the models, such as the base's own factor; 0 where it is left out. */
  readonly extraCoefficients?: number;
  /**
   * Throws RecipeFault where a tensor's parameters cannot be used together. The pre-flight asks for every tensor, before
   * any weight is read; what one parameter may be is its own declaration's.
   */
  readonly check?: (own: Pick<Evidence, 'tensor' | 'params' | 'perModel'>) => void;
  /**
   * Coefficients in float64: `n * lines + line` for n < K + extraCoefficients. The first K, one per model, are what
   * the weights map shows; what all of them mean is the kernel's.
   */
  readonly coefficients: (evidence: Evidence) => Float64Array;
  /** The same merge in float64 over one whole tensor, written for clarity: the oracle of the tests. */
  readonly reference: (input: ReferenceInput) => Float64Array;
}

/** Headings of the method menu and of the docs table, in their order. */
export const FAMILIES = [
  'Evidence',
  'Weighted sums',
  'Task vectors',
  'On the sphere',
  'Selective',
  'Stacking',
] as const;
export type Family = (typeof FAMILIES)[number];

/** Checks a declaration as it is loaded, so that a mistake shows at once and names the field. */
export function defineMethod(method: Method): Method {
  const own = new Set(Object.keys(method.params));
  for (const name of Object.keys(method.perModel)) {
    if (own.has(name)) throw new Error(`${method.name}: '${name}' is declared both for all models and per model`);
  }
  if (method.handle !== null && method.perModel[method.handle]?.kind !== 'number') {
    throw new Error(`${method.name}: handle '${method.handle}' is not one of its per-model numbers`);
  }
  return method;
}

/** The default values of a set of parameters, in kernel form. */
export function defaults(parameters: Parameters): Values {
  const out: Record<string, number> = {};
  for (const [name, p] of Object.entries(parameters)) {
    if (p.kind !== 'ignored') out[name] = encodeValue(p, defaultOf(p));
  }
  return out;
}

/** A parameter's default in recipe form; null where it may be left unset. */
export function defaultOf(p: Parameter): number | boolean | string | null {
  return p.kind === 'ignored' ? null : p.default;
}

/** Recipe form to kernel form: booleans 1/0, choices their index, null NaN. */
export function encodeValue(p: Parameter, value: number | boolean | string | null): number {
  if (value === null) return Number.NaN;
  if (p.kind === 'choice') return p.options.indexOf(String(value));
  return Number(value);
}
