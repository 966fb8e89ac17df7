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

/** Parameter values at one tensor: numbers as they are, booleans 1/0, choices their index, unset numbers NaN. */
export type Values = Readonly<Record<string, number>>;

/** The parts of a model that can share one weight. `row`: a slice along the first of two or more dimensions. */
export const UNITS = ['model', 'layer', 'module', 'tensor', 'row', 'element'] as const;
export type Unit = (typeof UNITS)[number];

/**
 * Sums over one unit's elements of the deltas δ_j = x_j − base of the K models, in float64.
 * Means are these divided by `elements`.
 */
export interface Sums {
  /** Number of elements in the unit. */
  readonly elements: number;
  /** K × K, row-major: Σ δ_i δ_j. The diagonal is Σ δ². */
  readonly gram: Float64Array;
  /** K: Σ |δ_j|. */
  readonly abs: Float64Array;
  /** K: max |δ_j|. */
  readonly max: Float64Array;
  /** K: how many elements differ from the base. */
  readonly changed: Float64Array;
}

/** Per-row sums of one tensor: `square[j * rows + r]` = Σ δ_j² over row r, `abs` likewise. */
export interface RowSums {
  readonly rows: number;
  readonly rowElements: number;
  readonly square: Float64Array;
  readonly abs: Float64Array;
}

/** What `coefficients` is given for one tensor. */
export interface CoefficientInput {
  /** Number of models, the base not counted. */
  readonly models: number;
  readonly params: Values;
  /** One entry per model. */
  readonly perModel: readonly Values[];
  /** Sums over the unit that the tensor belongs to; null where the method declares no statistics. */
  readonly sums: Sums | null;
  /** Per-row sums where `unit(params)` is 'row'; else null. */
  readonly rowSums: RowSums | null;
}

/** Everything `reference` may read. Indices are elements of the piece at hand. */
export interface ReferenceInput {
  /** The base's elements in float64, or null where the method has none. */
  readonly base: Float64Array | null;
  /** The models' elements in float64. */
  readonly models: readonly Float64Array[];
  readonly params: Values;
  readonly perModel: readonly Values[];
  /** The coefficient of model k at element i, in float64 (constant per row or per tensor). */
  readonly coefficient: (k: number, i: number) => number;
}

/** A merge method. */
export interface Method {
  /** mergekit's name where it has the method. Also the name of the `.wgsl` file. */
  readonly name: string;
  readonly title: string;
  /** One sentence for menus, docs and the model card. */
  readonly summary: string;
  /** Address of the paper; null where there is none. */
  readonly paper: string | null;
  /** Whether mergekit has it under this name (decides whether a recipe can be handed to mergekit). */
  readonly inMergekit: boolean;
  /** 'required': deltas are taken from a base. 'none': a base, if named, only lends config and tokenizer. */
  readonly base: 'required' | 'none';
  /** How many models are blended, the base not counted. */
  readonly models: { readonly min: number; readonly max: number };
  /** Parameters with one value for all models. */
  readonly params: Parameters;
  /** Parameters with one value per model. */
  readonly perModel: Parameters;
  /** The per-model parameter that a hand on the weights map sets. */
  readonly handle: string;
  /** The unit whose statistics the method needs at these parameters, or null where it needs none. */
  readonly statistics: (params: Values) => Unit | null;
  /**
   * Coefficients in float64: K values (one per model), or K × rows (`k * rows + r`) where rowSums is given.
   * Their meaning is the kernel's; the weights map shows them.
   */
  readonly coefficients: (input: CoefficientInput) => Float64Array;
  /** The same merge in float64, element by element: the oracle of the tests and the path without a GPU. */
  readonly reference: (input: ReferenceInput) => Float64Array;
}

/** Checks a declaration as it is loaded, so that a mistake shows at once and names the field. */
export function defineMethod(method: Method): Method {
  const own = new Set(Object.keys(method.params));
  for (const name of Object.keys(method.perModel)) {
    if (own.has(name)) throw new Error(`${method.name}: '${name}' is declared both for all models and per model`);
  }
  if (method.perModel[method.handle]?.kind !== 'number') {
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
