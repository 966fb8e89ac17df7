/**
 * Compose: the whole text of a kernel, from the prelude, the accessors that a method's declaration implies, its
 * `.wgsl` file, and the generic kernel around its functions. Baked in is only what changes the code: the dtypes, the
 * number of models, the output dtype. Lengths, offsets and numbers are data. Pure: no device is touched here.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import { shaderText } from '../methods/index.ts';
import { LEAST_SET, measuredQuantities, surveyQuantities } from '../methods/kernel.ts';
import type { Method, SelectPass, SumPass } from '../methods/method.ts';
import { numberPlaces } from './numbers.ts';
import { unrolled } from './unroll.ts';

/** The sources that a kernel reads. */
export interface SourceShape {
  /** The base first where there is one. */
  readonly dtypes: readonly BlendedDtype[];
  readonly hasBase: boolean;
}

/** How a merge kernel writes. */
export interface OutputShape {
  /** The dtype to which results are rounded. */
  readonly out: BlendedDtype;
  /** `packed`: as `out` lies in a file. `float32`: rounded to `out`, then widened to F32 for chat. */
  readonly storage: 'packed' | 'float32';
}

/** Threads per workgroup of merge kernels, and elements of each: four share a block of random numbers. */
export const MERGE_LANES = 64;
export const MERGE_ELEMENTS = 4;

/** Bytes of the uniform `Piece` in prelude.wgsl. */
export const PIECE_BYTES = 16 * 4 + 5 * 16;

/** Most sources that `Piece.source_word` can address. */
const MAX_SOURCES = 20;

/** Number of models among some sources. */
export function modelCount(sources: SourceShape): number {
  return sources.dtypes.length - (sources.hasBase ? 1 : 0);
}

/** What the composed text depends on, beside method and pass. */
export function sourceKey({ dtypes, hasBase }: SourceShape): string {
  return `${hasBase ? 'base,' : ''}${dtypes.join()}`;
}

function loads({ dtypes, hasBase }: SourceShape): string {
  if (dtypes.length > MAX_SOURCES) throw new Error(`a kernel takes at most ${MAX_SOURCES} sources`);
  const [base, ...rest] = dtypes;
  const models = hasBase ? rest : dtypes;
  const first = hasBase ? 1 : 0;
  const one = (dtype: BlendedDtype, source: string) => `load_${dtype.toLowerCase()}(${source}, i)`;
  const [only, ...others] = new Set(models);
  const body =
    only && others.length === 0
      ? `  return ${one(only, `k + ${first}u`)};`
      : [
          '  switch k {',
          ...models.map((dtype, k) => `    case ${k}u: { return ${one(dtype, `${k + first}u`)}; }`),
          '    default: { return 0.0; }',
          '  }',
        ].join('\n');
  return [
    `const MODELS = ${models.length}u;`,
    `const HAS_BASE = ${hasBase};`,
    `fn base(i: u32) -> f32 {\n  return ${hasBase && base ? one(base, '0u') : '0.0'};\n}`,
    `fn model(k: u32, i: u32) -> f32 {\n${body}\n}`,
    'fn delta(k: u32, i: u32) -> f32 {\n  return model(k, i) - base(i);\n}',
  ].join('\n');
}

/** Accessors that are the same for every method. */
const COMMON_ACCESSORS = `
fn is_set(value: f32) -> bool {
  return value > ${LEAST_SET};
}
fn row_elements() -> u32 {
  return piece.row_elements;
}
fn line_of(axis: u32, i: u32) -> u32 {
  if (axis == 0u) {
    return 0u;
  }
  let at = piece.first_column + i;
  if (axis == 1u) {
    return at / piece.row_elements;
  }
  return at % piece.row_elements;
}
// Numbers along an axis: where they lie, how many lines there are, and along which axis. Read once per thread.
fn lines_at(header: u32) -> vec3<u32> {
  let at = piece.numbers + header;
  return vec3<u32>(piece.numbers + numbers[at], numbers[at + 1u], numbers[at + 2u]);
}
fn lined_number(lines: vec3<u32>, n: u32, i: u32) -> f32 {
  return bitcast<f32>(numbers[lines.x + n * lines.y + line_of(lines.z, i)]);
}
fn is_top(first_slot: u32, slot: u32, key: f32, i: u32) -> bool {
  let at = piece.numbers + first_slot + 2u * slot;
  let bits = bitcast<u32>(key) & 0x7fffffffu;
  return bits > numbers[at] || (bits == numbers[at] && piece.first_index + i < numbers[at + 1u]);
}`;

function accessors(method: Method, models: number): string {
  const places = numberPlaces(method, models);
  const number = (at: string) => `  return bitcast<f32>(numbers[piece.numbers + ${at}]);`;
  const lines = [`const STREAMS = ${places.streams}u;`, shaderText('random'), COMMON_ACCESSORS];
  for (const [name, at] of places.params) lines.push(`fn param_${name}() -> f32 {\n${number(`${at}u`)}\n}`);
  for (const [name, at] of places.perModel) {
    lines.push(`fn ${name}_of(k: u32) -> f32 {\n${number(`${at}u + k`)}\n}`);
  }
  for (const [name, p] of Object.entries(method.params)) {
    if (p.kind !== 'choice') continue;
    p.options.forEach((option, n) => lines.push(`const ${`${name}_${option}`.toUpperCase()} = ${n}.0;`));
  }
  const lined: [string, number][] = [['coefficient', places.coefficients]];
  for (const [pass, header] of places.found) lined.push([`found_${pass}`, header]);
  for (const [name] of lined) {
    lines.push(`var<private> ${name}_lines: vec3<u32>;`);
    lines.push(`fn ${name}(n: u32, i: u32) -> f32 {\n  return lined_number(${name}_lines, n, i);\n}`);
  }
  lines.push('fn find_lines() {', ...lined.map(([name, at]) => `  ${name}_lines = lines_at(${at}u);`), '}');
  for (const [pass, at] of places.slots) {
    lines.push(`fn is_top_${pass}(slot: u32, key: f32, i: u32) -> bool {\n  return is_top(${at}u, slot, key, i);\n}`);
  }
  if (method.ranks) {
    lines.push('fn rank(k: u32, i: u32) -> u32 {\n  return scratch[piece.scratch_word + k * piece.elements + i];\n}');
  }
  return lines.join('\n');
}

/** Everything that a method's functions stand on, and the functions. */
function methodText(method: Method, sources: SourceShape): string {
  return [
    shaderText('prelude'),
    loads(sources),
    accessors(method, modelCount(sources)),
    ...[...(method.parts ?? []), method.name].map((name) => unrolled(shaderText(name), modelCount(sources))),
  ].join('\n');
}

/** Sums passes call it; in other kernels it has nothing to add to. */
const NO_SUMS = 'fn add(quantity: u32, value: f32) {\n}';

/** Most sums count nothing beside. */
const NO_COUNTS = 'fn leave_counts(lane: u32) {\n}';

/** Measuring without a survey. */
const NO_SIZES = 'fn count_size(k: u32, change: f32) {\n}';

/** Kernels that read no numbers have no lines to find. */
const NO_LINES = 'fn find_lines() {\n}';

/** The text of a merge kernel; entry point `main`, MERGE_ELEMENTS elements to a thread. */
export function composeMerge(method: Method, sources: SourceShape, { out, storage }: OutputShape): string {
  const store = `store_${out.toLowerCase()}(merge(i))`;
  const isPacked = out !== 'F32' && storage === 'packed';
  const widen = { F32: 'bits', F16: 'bitcast<u32>(decode_f16(bits))', BF16: 'bits << 16u' }[out];
  const body = isPacked
    ? [
        '    if (i % 2u == 0u) {',
        `      pair = ${store};`,
        '    } else {',
        `      pair |= ${store} << 16u;`,
        '    }',
        '    if (i % 2u == 1u || i + 1u == piece.elements) {',
        '      result[piece.output_word + i / 2u] = pair;',
        '    }',
      ]
    : [`    let bits = ${store};`, `    result[piece.output_word + i] = ${widen};`];
  return [
    methodText(method, sources),
    NO_SUMS,
    `@compute @workgroup_size(${MERGE_LANES})`,
    'fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {',
    `  let first = (id.x + id.y * groups.x * ${MERGE_LANES}u) * ${MERGE_ELEMENTS}u;`,
    '  find_lines();',
    ...(isPacked ? ['  var pair = 0u;'] : []),
    `  for (var i = first; i < min(first + ${MERGE_ELEMENTS}u, piece.elements); i++) {`,
    ...body,
    '  }',
    '}',
  ].join('\n');
}

/** The text of a sums pass; entry points `sum_blocks` and `sum_columns` (see sums.wgsl). */
export function composeSums(method: Method, pass: SumPass, sources: SourceShape): string {
  return [
    methodText(method, sources),
    `const QUANTITIES = ${pass.quantities(modelCount(sources))}u;`,
    `fn is_maximum(quantity: u32) -> bool {\n  return ${pass.isMaximum === true};\n}`,
    `fn visit_element(i: u32) {\n  ${pass.name}(i);\n}`,
    NO_COUNTS,
    shaderText('blocks'),
    shaderText('sums'),
  ].join('\n');
}

/** The text of a selection's kernels; entry points `count_digits`, `count_equals` and `list_keys` (see keys.wgsl). */
export function composeKeys(method: Method, pass: SelectPass, sources: SourceShape): string {
  return [
    methodText(method, sources),
    NO_SUMS,
    // Keys are never negative: the order of their bits is theirs. A zero may still carry a sign.
    `fn key_bits(k: u32, i: u32) -> u32 {\n  return bitcast<u32>(${pass.name}(k, i)) & 0x7fffffffu;\n}`,
    shaderText('blocks'),
    shaderText('keys'),
  ].join('\n');
}

/** What a measuring kernel depends on beside the sources. */
export interface MeasureShape {
  readonly from: 'deltas' | 'sources';
  /** Whether maxima and counts are wanted too. */
  readonly isPlain: boolean;
  /** Whether a survey's figures are; only of plain deltas with a base. */
  readonly isSurveyed: boolean;
}

/** How many values are measured: the models' deltas, or the sources. */
export function measuredCount(sources: SourceShape, from: MeasureShape['from']): number {
  return from === 'sources' ? sources.dtypes.length : modelCount(sources);
}

/** The text of a measuring kernel; entry points as of a sums pass. */
export function composeMeasure(sources: SourceShape, { from, isPlain, isSurveyed }: MeasureShape): string {
  const count = measuredCount(sources, from);
  const quantities = measuredQuantities(count, isPlain) + (isSurveyed ? surveyQuantities(count) : 0);
  return [
    shaderText('prelude'),
    loads(sources),
    `const MEASURED = ${count}u;`,
    `const FIRST_MODEL = ${count - modelCount(sources)}u;`,
    `const IS_DELTA = ${from === 'deltas'};`,
    `const IS_PLAIN = ${isPlain};`,
    `const IS_SURVEYED = ${isSurveyed};`,
    `const QUANTITIES = ${quantities}u;`,
    NO_LINES,
    ...(isSurveyed ? [shaderText('sizes')] : [NO_COUNTS, NO_SIZES]),
    unrolled(shaderText('measure'), modelCount(sources)),
    shaderText('blocks'),
    shaderText('sums'),
  ].join('\n');
}

/** The text of the kernel that sums squares after a merge; entry point `sum_blocks`. */
export function composeAudit(sources: SourceShape, out: BlendedDtype): string {
  const half = '(scratch[piece.scratch_word + i / 2u] >> (16u * (i % 2u))) & 0xffffu';
  const merged = {
    F32: 'bitcast<f32>(scratch[piece.scratch_word + i])',
    F16: `decode_f16(${half})`,
    BF16: `bitcast<f32>((${half}) << 16u)`,
  }[out];
  return [
    shaderText('prelude'),
    loads(sources),
    `const QUANTITIES = ${sources.dtypes.length + 1}u;`,
    'fn is_maximum(quantity: u32) -> bool {\n  return false;\n}',
    `fn merged_element(i: u32) -> f32 {\n  return ${merged};\n}`,
    NO_LINES,
    NO_COUNTS,
    unrolled(shaderText('audit'), modelCount(sources)),
    shaderText('blocks'),
    shaderText('sums'),
  ].join('\n');
}

/** The text of the ranking kernels; entry points `sort_runs` and `join_runs` (see ranks.wgsl). */
export function composeRanks(): string {
  return [shaderText('prelude'), shaderText('ranks')].join('\n');
}
