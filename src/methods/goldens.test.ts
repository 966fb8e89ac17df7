/**
 * The declarations' float64 references held to mergekit's own results, tensor by tensor, without files, pieces or
 * kernels: what a method's author works against. The goldens come from `tools/goldens/make.py`. Parameters are evaluated
 * here by mergekit's rules once more, so that a mistake in the product's own reading cannot hide. Slices, vocabularies
 * and the way to a file are in `src/cli/goldens.test.ts`.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { decode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import { METHODS } from './index.ts';
import { defaults, encodeValue, type Method, type Parameters, type ReferenceInput, type Values } from './method.ts';

type Scalar = number | boolean | string;
type Gradient = Scalar | Scalar[];
type Setting = Gradient | { filter?: string; value: Gradient }[];

interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype: BlendedDtype;
  readonly values: Float64Array;
}

type Model = ReadonlyMap<string, GoldenTensor>;

interface RecipeData {
  merge_method: string;
  base_model?: string;
  models?: { model: string; parameters?: Record<string, Setting> }[];
  parameters?: Record<string, Setting>;
}

interface Manifest {
  /** What mergekit failed at: a whole merge, or tensors of one. */
  failures: Record<string, string | Record<string, string>>;
  /** Where the result is meant to differ. */
  differences: { cases: string[]; tensors: string[]; reason: string }[];
}

const goldens = fileURLToPath(new URL('../../e2e/fixtures/goldens/', import.meta.url));
const manifest: Manifest = JSON.parse(readFileSync(join(goldens, 'manifest.json'), 'utf8'));

const cases = ['cases', 'cases-with-masks']
  .flatMap((kind) => readdirSync(join(goldens, kind)).map((name) => ({ name, folder: join(goldens, kind, name) })))
  .map((one) => ({ ...one, recipe: parse(readFileSync(join(one.folder, 'recipe.yml'), 'utf8')) as RecipeData }))
  .filter(({ name, recipe }) => recipe.models !== undefined && !/^(tall|tokenizer)-/.test(name));

const opened = new Map<string, Model>();

/** Every tensor of a .safetensors file. */
function open(path: string): Model {
  const known = opened.get(path);
  if (known) return known;
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header: Record<string, { dtype: BlendedDtype; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    file.toString('utf8', 8, start),
  );
  const model = new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, { dtype, shape, values: decode(file.subarray(start + from, start + to), dtype) }],
      ),
  );
  opened.set(path, model);
  return model;
}

/** mergekit's value of a setting at a tensor, or undefined where no filter matches. */
function valueAt(setting: Setting | undefined, tensor: string, layers: number): Scalar | undefined {
  if (setting === undefined || typeof setting !== 'object') return setting;
  const layer = /\.layers\.(\d+)\./.exec(tensor)?.[1];
  const depth = layer === undefined ? 0 : Number(layer) / Math.max(1, layers - 1);
  const isFiltered = (list: typeof setting): list is { filter?: string; value: Gradient }[] =>
    typeof list[0] === 'object';
  if (isFiltered(setting)) {
    const entry = setting.find(({ filter }) => filter === undefined || filter === '*' || tensor.includes(filter));
    return valueAt(entry?.value, tensor, layers);
  }
  const place = depth * (setting.length - 1);
  const [low, high] = [setting[Math.floor(place)], setting[Math.ceil(place)]];
  return Number(low) + (place % 1) * (Number(high) - Number(low));
}

function valuesAt(
  declared: Parameters,
  scopes: (Record<string, Setting> | undefined)[],
  tensor: string,
  layers: number,
): Values {
  const out: Record<string, number> = { ...defaults(declared) };
  for (const [name, parameter] of Object.entries(declared)) {
    const value = scopes.map((scope) => valueAt(scope?.[name], tensor, layers)).find((found) => found !== undefined);
    if (value !== undefined && parameter.kind !== 'ignored') out[name] = encodeValue(parameter, value);
  }
  return out;
}

/** Everything of a case that does not depend on the tensor. */
interface Case {
  readonly method: Method;
  readonly recipe: RecipeData;
  readonly base: Model | null;
  readonly models: readonly Model[];
  /** The recipe's entries of `models`, and which of the recipe they are. */
  readonly entries: readonly { readonly parameters?: Record<string, Setting>; readonly place: number }[];
  readonly masks: Model | null;
}

function openCase(folder: string, recipe: RecipeData): Case {
  const method = METHODS.get(recipe.merge_method);
  if (!method) throw new Error(`there is no method ${recipe.merge_method} yet`);
  const entries = (recipe.models ?? [])
    .map((entry, place) => ({ ...entry, place }))
    .filter(({ model }) => method.base === 'none' || model !== recipe.base_model);
  return {
    method,
    recipe,
    entries,
    base:
      recipe.base_model === undefined || method.base === 'none'
        ? null
        : open(join(folder, recipe.base_model, 'model.safetensors')),
    models: entries.map(({ model }) => open(join(folder, model, 'model.safetensors'))),
    masks: readdirSync(folder).includes('masks.safetensors') ? open(join(folder, 'masks.safetensors')) : null,
  };
}

function tensorOf(model: Model, name: string): GoldenTensor {
  const tensor = model.get(name);
  if (!tensor) throw new Error(`no ${name}`);
  return tensor;
}

/** The reference's result for one tensor. */
function merged({ method, recipe, base, models, entries, masks }: Case, name: string): Float64Array {
  const { shape, values } = tensorOf(models[0] ?? new Map(), name);
  const layers = [...(models[0]?.keys() ?? [])].reduce(
    (most, other) => Math.max(most, 1 + Number(/\.layers\.(\d+)\./.exec(other)?.[1] ?? -1)),
    0,
  );
  const params = valuesAt(method.params, [recipe.parameters], name, layers);
  const perModel = entries.map(({ parameters }) =>
    valuesAt(method.perModel, [parameters, recipe.parameters], name, layers),
  );
  const rowElements = shape.length < 2 ? values.length : values.length / (shape[0] ?? 1);
  let coefficients: Float64Array | null = null;
  const input: ReferenceInput = {
    tensor: name,
    base: base === null ? null : tensorOf(base, name).values,
    models: models.map((model) => tensorOf(model, name).values),
    params,
    perModel,
    rowElements,
    dimensions: shape.length,
    // For methods whose coefficients need nothing but the parameters; others calculate for themselves.
    coefficient: (n) => {
      coefficients ??= method.coefficients({
        tensor: name,
        models: models.length,
        hasBase: base !== null,
        params,
        perModel,
        elements: values.length,
        rowElements,
        dimensions: shape.length,
        sums: null,
        lineSums: null,
        passes: new Map(),
      });
      return coefficients[n] ?? Number.NaN;
    },
    // What mergekit kept is below every probability above zero; what it dropped is above every one below one.
    random: (k, i) => {
      if (!masks) throw new Error(`${method.name} draws, and there is no mask for it`);
      return tensorOf(masks, `${entries[k]?.place}/${name}`).values[i] === 1 ? 0 : 1 - 2 ** -24;
    },
  };
  return method.reference(input);
}

/** Distance between neighbouring numbers of a 16-bit dtype around `value`. */
function spacing(value: number, dtype: 'F16' | 'BF16'): number {
  const [fractionBits, least] = dtype === 'BF16' ? [7, -126] : [10, -14];
  return 2 ** (Math.max(least, value === 0 ? least : Math.floor(Math.log2(Math.abs(value)))) - fractionBits);
}

/** The largest deviation in units of what is allowed: 4e-6 of the tensor's scale and, for 16 bits, one rounding. */
function deviation(ours: Float64Array, { values, dtype }: GoldenTensor): number {
  if (ours.length !== values.length) return Number.POSITIVE_INFINITY;
  const scale = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
  let worst = 0;
  values.forEach((want, i) => {
    const rounding = dtype === 'F32' ? 0 : spacing(want, dtype) / 2;
    const off = Math.abs((ours[i] ?? Number.NaN) - want);
    const relative = off === 0 ? 0 : off / (4e-6 * scale + rounding);
    worst = Number.isNaN(relative) ? Number.POSITIVE_INFINITY : Math.max(worst, relative);
  });
  return worst;
}

describe.each(cases)('$recipe.merge_method', ({ name, folder, recipe }) => {
  it(`${name}: the reference comes to mergekit’s result`, () => {
    const opened = openCase(folder, recipe);
    const wrong: Record<string, string> = {};
    const expected = open(join(folder, 'expected.safetensors'));
    for (const [tensor, golden] of expected) {
      const off = deviation(merged(opened, tensor), golden);
      const difference = manifest.differences.find(
        ({ cases, tensors }) => cases.includes(name) && tensors.includes(tensor),
      );
      if (difference === undefined && off > 1) {
        wrong[`${tensor} [${golden.shape.join(' × ')}]`] = `${off.toPrecision(3)} times what is allowed`;
      } else if (difference !== undefined && off <= 1) {
        wrong[tensor] = `does not differ, and should: ${difference.reason}`;
      }
    }
    const failed = manifest.failures[name] ?? {};
    for (const tensor of typeof failed === 'string' ? [] : Object.keys(failed)) {
      if (!merged(opened, tensor).every(Number.isFinite)) wrong[tensor] = 'is not finite where mergekit fails';
    }
    expect(wrong).toEqual({});
  });
});
