/**
 * Compose: the whole text of a kernel, from the prelude, the accessors that a method's declaration implies, and
 * its `.wgsl` file. Baked in is only what changes the code: the dtypes, the number of models, the output dtype.
 * Lengths, offsets and numbers are data. Pure: no device is touched here.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { Method, Parameters } from '../methods/method.ts';
import { shaderText } from '../methods/index.ts';

/** What a merge kernel depends on. */
export interface KernelShape {
  readonly method: Method;
  /** Dtype of the base, or null where the method has none. */
  readonly base: BlendedDtype | null;
  /** Dtype of each model. */
  readonly models: readonly BlendedDtype[];
  /** The dtype to which results are rounded. */
  readonly out: BlendedDtype;
  /** `packed`: as `out` lies in a file. `float32`: rounded to `out`, then widened to F32 for chat. */
  readonly storage: 'packed' | 'float32';
}

/** How kernels see a number that is not set (`is_set`). */
export const UNSET = -3.4028234663852886e38;

/** Threads per workgroup of merge kernels. */
export const MERGE_LANES = 64;

/** Bytes of the uniform `Piece` in prelude.wgsl. */
export const PIECE_BYTES = 8 * 4 + 5 * 16;

/** Most sources that `Piece.source_word` can address. */
const MAX_SOURCES = 20;

function loads(base: BlendedDtype | null, models: readonly BlendedDtype[]): string {
  const first = base === null ? 0 : 1;
  if (first + models.length > MAX_SOURCES) throw new Error(`a kernel takes at most ${MAX_SOURCES} sources`);
  const one = (dtype: BlendedDtype, source: string) => `load_${dtype.toLowerCase()}(${source}, i)`;
  const distinct = new Set(models);
  const [only] = distinct;
  const body =
    distinct.size === 1 && only
      ? `  return ${one(only, `k + ${first}u`)};`
      : [
          '  switch k {',
          ...models.map((dtype, k) => `    case ${k}u: { return ${one(dtype, `${k + first}u`)}; }`),
          '    default: { return 0.0; }',
          '  }',
        ].join('\n');
  return [
    `const MODELS = ${models.length}u;`,
    ...(base === null ? [] : [`fn base(i: u32) -> f32 {\n  return ${one(base, '0u')};\n}`]),
    `fn model(k: u32, i: u32) -> f32 {\n${body}\n}`,
  ].join('\n');
}

/** The parameters that reach a kernel, in the order of their numbers. */
export function kernelParameters(parameters: Parameters): string[] {
  return Object.entries(parameters)
    .filter(([, p]) => p.kind !== 'ignored')
    .map(([name]) => name);
}

function accessors(method: Method, models: number): string {
  const own = kernelParameters(method.params);
  const perModel = kernelParameters(method.perModel);
  const lines = own.map((name, n) => `fn param_${name}() -> f32 {\n  return numbers[piece.numbers + ${n}u];\n}`);
  perModel.forEach((name, n) => {
    const first = own.length + n * models;
    lines.push(`fn ${name}_of(k: u32) -> f32 {\n  return numbers[piece.numbers + ${first}u + k];\n}`);
  });
  for (const [name, p] of Object.entries(method.params)) {
    if (p.kind !== 'choice') continue;
    p.options.forEach((option, n) =>
      lines.push(`const ${name}_${option}`.toUpperCase().replace('CONST', 'const') + ` = ${n}.0;`),
    );
  }
  const coefficients = own.length + perModel.length * models;
  lines.push(
    // Numbers that are not set arrive as the lowest float: NaN may be assumed absent in WGSL.
    'fn is_set(value: f32) -> bool {\n  return value > -3.0e38;\n}',
    [
      'fn coefficient(k: u32, i: u32) -> f32 {',
      '  let row = (piece.first_column + i) / piece.row_elements;',
      `  return numbers[piece.numbers + ${coefficients}u + k * piece.rows + min(row, piece.rows - 1u)];`,
      '}',
    ].join('\n'),
  );
  return lines.join('\n');
}

function mainOf(out: BlendedDtype, storage: 'packed' | 'float32'): string {
  const store = `store_${out.toLowerCase()}`;
  const head = [
    `@compute @workgroup_size(${MERGE_LANES})`,
    'fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {',
    `  let word = id.x + id.y * groups.x * ${MERGE_LANES}u;`,
  ];
  if (out === 'F32' || storage === 'float32') {
    const widen = { F32: 'bits', F16: 'bitcast<u32>(decode_f16(bits))', BF16: 'bits << 16u' }[out];
    return [
      ...head,
      '  if (word < piece.elements) {',
      `    let bits = ${store}(merge(word));`,
      `    result[piece.output_word + word] = ${widen};`,
      '  }',
      '}',
    ].join('\n');
  }
  return [
    ...head,
    '  let i = word * 2u;',
    '  if (i < piece.elements) {',
    `    var bits = ${store}(merge(i));`,
    '    if (i + 1u < piece.elements) {',
    `      bits |= ${store}(merge(i + 1u)) << 16u;`,
    '    }',
    '    result[piece.output_word + word] = bits;',
    '  }',
    '}',
  ].join('\n');
}

/** The text of a merge kernel; entry point `main`, one thread per output word. */
export function composeMerge(shape: KernelShape): string {
  const { method, base, models, out, storage } = shape;
  return [
    shaderText('prelude'),
    loads(base, models),
    accessors(method, models.length),
    shaderText(method.name),
    mainOf(out, storage),
  ].join('\n');
}

/** The text of the measuring kernel; entry point `measure`, one workgroup per block. */
export function composeMeasure(base: BlendedDtype, models: readonly BlendedDtype[]): string {
  return [shaderText('prelude'), loads(base, models), shaderText('measure')].join('\n');
}
