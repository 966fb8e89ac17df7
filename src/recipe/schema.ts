/**
 * Schema: what a recipe may say, derived from the methods' declarations. Strict: an unknown key is an error,
 * because mergekit ignores such keys in silence and a typo then merges with defaults. Rules between values are
 * `structure.ts`; positions in the text are `yaml.ts`; the YAML itself is `document.ts`.
 */

import * as z from 'zod';
import { BLENDED_DTYPES, type BlendedDtype, TORCH_NAMES } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Method, Parameters } from '../methods/method.ts';
import { quoted } from './document.ts';
import { MERGEKIT_METHODS } from './mergekit.ts';
import { modelName } from './model-name.ts';
import { nearest } from './nearest.ts';
import { isRecord, listed, parameterValue, piece } from './parameter-value.ts';
import type {
  LayerRange,
  ParameterValue,
  ParameterValues,
  Recipe,
  RecipeModel,
  RecipeModule,
  RecipeSlice,
} from './recipe.ts';
import { MAX_ISSUES, type SchemaIssue } from './schema-issue.ts';
import { structureIssues } from './structure.ts';
import { chatTemplate, tokenizerSetting, tokenizerSource } from './tokenizer-schema.ts';
import { unknownKey } from './unknown-key.ts';

export { modelNameObstacle } from './model-name.ts';

const DTYPE_NICKNAMES: Readonly<Record<string, BlendedDtype>> = {
  f32: 'F32',
  fp32: 'F32',
  float: 'F32',
  f16: 'F16',
  fp16: 'F16',
  half: 'F16',
  bf16: 'BF16',
  bfloat: 'BF16',
};

/** What is said of parameters that are no map; a line such as `weight:0.5` is a word to YAML. */
function notMap(raw: unknown): string {
  const [, name, colon, value] = (typeof raw === 'string' && /^([\w.-]+)(:| +)([^\s:]+)$/.exec(raw)) || [];
  if (name === undefined || colon === undefined || value === undefined) {
    return "'parameters' must be a map of names and values, such as 'weight: 0.5' on lines of their own.";
  }
  const missing = colon === ':' ? 'space is missing after the colon' : 'colon is missing';
  return `A ${missing}; write ${quoted(`${name}: ${value}`)}.`;
}

/** A map of parameters, or nothing. Names that are not declared are left to the strictness of the object. */
function parameterMap(declared: Parameters | null) {
  const schema =
    declared === null
      ? z
          .record(z.string(), z.unknown(), { error: ({ input }) => notMap(input) })
          .transform((): ParameterValues => ({}))
      : z
          .strictObject(
            Object.fromEntries(Object.entries(declared).map(([name, p]) => [name, parameterValue(name, p).optional()])),
            { error: (issue) => (issue.code === 'invalid_type' ? notMap(issue.input) : undefined) },
          )
          .transform(
            (values): ParameterValues =>
              Object.fromEntries(
                Object.entries(values).filter((pair): pair is [string, ParameterValue] => pair[1] !== undefined),
              ),
          );
  return schema.nullish().transform((values): ParameterValues => values ?? {});
}

const methodName = piece<string>((raw, complain) => {
  const have = `this version has ${listed(METHODS.keys())}`;
  if (raw === undefined || raw === null) return complain(`The recipe names no 'merge_method'; ${have}.`);
  if (typeof raw !== 'string') return complain(`'merge_method' must be a name; ${have}.`);
  if (METHODS.has(raw)) return raw;
  const others = [...MERGEKIT_METHODS.keys()].filter((name) => !METHODS.has(name));
  if (others.includes(raw)) {
    return complain(`${raw} is a mergekit method that this version does not have; it has ${listed(METHODS.keys())}.`);
  }
  const meant = nearest(raw, [...METHODS.keys(), ...others]);
  if (meant === null) return complain(`There is no merge method ${quoted(raw)}; ${have}.`);
  if (METHODS.has(meant)) return complain(`There is no merge method ${quoted(raw)}.`, [], meant);
  return complain(
    `There is no merge method ${quoted(raw)}, and mergekit’s ${meant} is not in this version, which has ${listed(METHODS.keys())}.`,
  );
});

const dtypeName = (key: string) =>
  piece<BlendedDtype | null>((raw, complain) => {
    if (raw === undefined || raw === null) return null;
    const dtype = BLENDED_DTYPES.find((name) => TORCH_NAMES[name] === raw);
    if (dtype !== undefined) return dtype;
    const names = BLENDED_DTYPES.map((name) => TORCH_NAMES[name]);
    const word = String(raw)
      .toLowerCase()
      .replace(/^torch\./, '');
    const nickname = DTYPE_NICKNAMES[word];
    const suggestion = nickname === undefined ? nearest(word, names) : TORCH_NAMES[nickname];
    return complain(`'${key}' must be ${listed(names, 'or')}, and this says ${quoted(raw)}.`, [], suggestion);
  });

const MAX_LAYERS = 100_000;
const MAX_NAME_CHARS = 200;

/** `[from, to)`, as a slice's source must have it. */
const layerRange = piece<LayerRange>((raw, complain) => {
  const what =
    "'layer_range' must be a list of two whole numbers, the first layer and the one after the last, such as [0, 24]";
  if (raw === undefined || raw === null) return complain(`This source has no 'layer_range'; add one, such as [0, 24].`);
  if (!Array.isArray(raw) || raw.length !== 2) return complain(`${what}.`);
  const [from, to] = raw as unknown[];
  const isWhole = (n: unknown): n is number => Number.isSafeInteger(n) && Number(n) >= 0 && Number(n) <= MAX_LAYERS;
  if (!isWhole(from) || !isWhole(to)) return complain(`${what}, and this says ${quoted(raw)}.`);
  if (from >= to) return complain(`This 'layer_range' holds no layer: ${from} must be less than ${to}.`);
  return { from, to };
});

const stageName = piece<string | null>((raw, complain) => {
  if (raw === undefined || raw === null) return null;
  if (typeof raw !== 'string') return complain(`'name' is text; put quotes around it.`, [], `"${String(raw)}"`);
  if (raw.trim() === '' || raw.length > MAX_NAME_CHARS || /[\p{Cc}+@]/u.test(raw))
    return complain(`'name' must be 1 to ${MAX_NAME_CHARS} characters without line breaks, + and @.`);
  return raw;
});

/** Whether an entry of models is muted. */
const muted = piece<boolean>((raw, complain) => {
  if (raw === undefined || raw === null) return false;
  if (typeof raw === 'boolean') return raw;
  const word = String(raw).toLowerCase();
  const suggestion = ['yes', 'on', 'true', '1'].includes(word)
    ? 'true'
    : ['no', 'off', 'false', '0'].includes(word)
      ? 'false'
      : null;
  return complain(`'muted' must be true or false, and this says ${quoted(raw)}.`, [], suggestion);
});

/** What to say of something that is no list, or no map. */
function shapeError(type: 'invalid_type', message: string) {
  return { error: (issue: { code?: string | undefined }) => (issue.code === type ? message : undefined) };
}

function buildSchema(method: Method | null) {
  const modelParameters = parameterMap(method?.perModel ?? null);
  const allParameters = parameterMap(method === null ? null : { ...method.params, ...method.perModel });
  const model = z.strictObject(
    { model: modelName('model'), parameters: modelParameters },
    shapeError('invalid_type', "Each entry of 'models' must be a map that begins with '- model: NAME'."),
  );
  const mutable = model
    .extend({ muted })
    .transform(({ muted: isMuted, ...own }): RecipeModel => (isMuted ? { ...own, isMuted } : own));
  const notList = shapeError('invalid_type', "'models' must be a list with one '- model: NAME' for each model.");
  const models = z.array(mutable, notList);
  const source = z
    .strictObject(
      { model: modelName('model'), layer_range: layerRange, parameters: modelParameters },
      shapeError('invalid_type', "Each entry of 'sources' must be a map with 'model' and 'layer_range'."),
    )
    .transform((raw) => ({ model: raw.model, layers: raw.layer_range, parameters: raw.parameters }));
  const slice = z
    .strictObject(
      {
        sources: z
          .array(source, {
            error: (issue) =>
              issue.input === undefined
                ? "This slice has no 'sources'; list models with their 'layer_range' under it."
                : "'sources' must be a list with one '- model: NAME' and its 'layer_range' for each model.",
          })
          .nonempty("This slice has no 'sources'; list models with their 'layer_range' under it."),
        base_model: modelName('base_model').nullish(),
        parameters: allParameters,
      },
      shapeError('invalid_type', "Each entry of 'slices' must be a map that begins with '- sources:'."),
    )
    .transform(
      (raw): RecipeSlice => ({ sources: raw.sources, base: raw.base_model ?? null, parameters: raw.parameters }),
    );
  const slices = z
    .array(slice, shapeError('invalid_type', "'slices' must be a list with one '- sources:' for each run of layers."))
    .nonempty("'slices' is empty; add a slice with '- sources:'.");
  const module = z.strictObject(
    { models: z.array(model, notList).nullish(), slices: slices.nullish(), parameters: allParameters },
    shapeError('invalid_type', "A module must be a map with 'models' or 'slices'."),
  );
  const modules = z.record(
    z.string(),
    module,
    shapeError('invalid_type', "'modules' must be a map of modules' names, each with 'models' or 'slices'."),
  );
  return z
    .strictObject(
      {
        name: stageName,
        merge_method: methodName,
        base_model: modelName('base_model').nullish(),
        models: models.nullish(),
        slices: slices.nullish(),
        modules: modules.nullish(),
        parameters: allParameters,
        dtype: dtypeName('dtype'),
        out_dtype: dtypeName('out_dtype'),
        tokenizer_source: tokenizerSource('tokenizer_source'),
        tokenizer: tokenizerSetting.nullish(),
        chat_template: chatTemplate,
      },
      shapeError(
        'invalid_type',
        "A recipe is a map with 'merge_method', 'models' and more; this text is something else.",
      ),
    )
    .transform((raw): Recipe => {
      const base = raw.base_model ?? null;
      const isModel = (name: string) => method === null || method.base === 'none' || name !== base;
      /** `models` of a module: one slice of all layers, the base added where the method blends with one. */
      const whole = (list: readonly RecipeModel[]): RecipeSlice => ({
        sources: [
          ...(method !== null && method.base !== 'none' && base !== null && list.every((own) => own.model !== base)
            ? [{ model: base, layers: null, parameters: {} }]
            : []),
          ...list.map((own) => ({ ...own, layers: null })),
        ],
        base: null,
        parameters: {},
      });
      const parts: RecipeModule[] | null = raw.slices
        ? [{ name: null, slices: raw.slices, parameters: {} }]
        : raw.modules
          ? Object.entries(raw.modules).map(([name, own]) => ({
              name,
              slices: own.slices ?? [whole(own.models ?? [])],
              parameters: own.parameters,
            }))
          : null;
      const everywhere = parts?.flatMap((part) =>
        part.slices.flatMap((own) => own.sources.map(({ model: name }) => name)),
      );
      const tokenizer =
        raw.tokenizer ??
        (raw.tokenizer_source === null ? null : { source: raw.tokenizer_source, tokens: [], padToMultipleOf: null });
      return {
        ...(raw.name === null ? {} : { name: raw.name }),
        method: raw.merge_method,
        base,
        models: everywhere
          ? [...new Set(everywhere)].filter(isModel).map((name) => ({ model: name, parameters: {} }))
          : (raw.models ?? []).filter((own) => isModel(own.model)),
        ...(parts === null ? {} : { modules: parts }),
        parameters: raw.parameters,
        outDtype: raw.out_dtype ?? raw.dtype,
        ...(tokenizer === null ? {} : { tokenizer }),
        ...(raw.chat_template === null ? {} : { chatTemplate: raw.chat_template }),
      };
    });
}

const schemas = new Map<Method | null, ReturnType<typeof buildSchema>>();

/** The strict schema of recipes for a method; with null, where the method is unknown, parameters are not judged. */
export function recipeSchema(method: Method | null): ReturnType<typeof buildSchema> {
  const known = schemas.get(method);
  if (known !== undefined) return known;
  const made = buildSchema(method);
  schemas.set(method, made);
  return made;
}

/** Judges plain data: the recipe, or everything that is wrong with it. */
export function readRecipe(data: unknown): { recipe: Recipe | null; issues: readonly SchemaIssue[] } {
  const declared = isRecord(data) && typeof data.merge_method === 'string' ? METHODS.get(data.merge_method) : undefined;
  const method = declared ?? null;
  const result = recipeSchema(method).safeParse(data);
  const issues: SchemaIssue[] = [];
  const misspelt: SchemaIssue[] = [];
  for (const issue of result.error?.issues ?? []) {
    if (issues.length >= MAX_ISSUES) break;
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    if (issue.code === 'unrecognized_keys') {
      misspelt.push(...issue.keys.slice(0, MAX_ISSUES).map((key) => unknownKey(path, key, method)));
      continue;
    }
    const facts: Record<string, unknown> = issue.code === 'custom' ? (issue.params ?? {}) : {};
    issues.push({
      path,
      part: facts.part === 'key' ? 'key' : 'value',
      message: issue.message,
      suggestion: typeof facts.suggestion === 'string' ? facts.suggestion : null,
    });
  }
  if (isRecord(data)) issues.push(...structureIssues(data, method).slice(0, MAX_ISSUES));
  // Where a key is misspelt, that it is missing under its right name is no news and would hide the line to mend.
  const hidden = misspelt.flatMap(({ suggestion }) =>
    suggestion === null ? [] : [`'${suggestion}'`, `'${suggestion}:`],
  );
  const news = issues.filter(({ message }) => !hidden.some((word) => message.includes(word)));
  const all = [...misspelt, ...news];
  return { recipe: all.length === 0 && result.success ? result.data : null, issues: all };
}
