/**
 * Schema: what a recipe may say, derived from the methods' declarations. Strict: an unknown key is an error,
 * because mergekit ignores such keys in silence and a typo then merges with defaults. Positions in the text are
 * `yaml.ts`; the YAML itself is `document.ts`.
 */

import * as z from 'zod';
import { BLENDED_DTYPES, type BlendedDtype, TORCH_NAMES } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import type { Method, Parameters } from '../methods/method.ts';
import { type DocumentPath, quoted } from './document.ts';
import { MERGEKIT_KEYS, MERGEKIT_METHODS } from './mergekit.ts';
import { nearest } from './nearest.ts';
import { isRecord, listed, parameterValue, piece } from './parameter-value.ts';
import type { ParameterValue, ParameterValues, Recipe } from './recipe.ts';

// Compiled schemas need `new Function`, which a content security policy rightly refuses.
z.config({ jitless: true });

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

const TOP_KEYS = ['merge_method', 'base_model', 'models', 'parameters', 'dtype', 'out_dtype'] as const;
const MODEL_KEYS = ['model', 'parameters'] as const;
const MAX_MODEL_CHARS = 1000;
/** Nobody reads more, and each one costs a search for its place. */
const MAX_ISSUES = 100;

/** Something wrong at a path of the data; `key` where the key itself is wrong. */
export interface SchemaIssue {
  readonly path: DocumentPath;
  readonly part: 'key' | 'value';
  readonly message: string;
  readonly suggestion: string | null;
}

/** Why a model cannot be named so in a recipe, as a sentence, or null where it can. */
export function modelNameObstacle(name: string): string | null {
  if (name.trim() === '')
    return 'A model has an empty name; write the path of its folder or the name of an open checkpoint.';
  if (name.length > MAX_MODEL_CHARS)
    return `A model’s name may have ${MAX_MODEL_CHARS} characters; this one has ${name.length}.`;
  if (/\p{Cc}/u.test(name)) return `The model name ${quoted(name)} has a line break or a control character in it.`;
  if (name.includes('+')) {
    return `${quoted(name)} is mergekit’s notation for a model with a LoRA, which is known to mergekit and not in this version; merge the LoRA into the model first, or rename the folder if the + is part of its name.`;
  }
  if (name.includes('@')) {
    return `${quoted(name)} is mergekit’s notation for a model’s revision, which is known to mergekit and not in this version; download that revision, or rename the folder if the @ is part of its name.`;
  }
  return null;
}

/** A map of parameters, or nothing. Names that are not declared are left to the strictness of the object. */
function parameterMap(declared: Parameters | null) {
  const notMap = "'parameters' must be a map of names and values, such as 'weight: 0.5' on lines of their own.";
  const schema =
    declared === null
      ? z.record(z.string(), z.unknown(), { error: () => notMap }).transform((): ParameterValues => ({}))
      : z
          .strictObject(
            Object.fromEntries(Object.entries(declared).map(([name, p]) => [name, parameterValue(name, p).optional()])),
            { error: (issue) => (issue.code === 'invalid_type' ? notMap : undefined) },
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
  const others = MERGEKIT_METHODS.filter((name) => !METHODS.has(name));
  if ((others as readonly string[]).includes(raw)) {
    return complain(`${raw} is a mergekit method that this version does not have; it has ${listed(METHODS.keys())}.`);
  }
  const meant = nearest(raw, [...METHODS.keys(), ...others]);
  if (meant === null) return complain(`There is no merge method ${quoted(raw)}; ${have}.`);
  if (METHODS.has(meant)) return complain(`There is no merge method ${quoted(raw)}.`, [], meant);
  return complain(
    `There is no merge method ${quoted(raw)}, and mergekit’s ${meant} is not in this version, which has ${listed(METHODS.keys())}.`,
  );
});

const modelName = (key: string) =>
  piece<string>((raw, complain) => {
    if (raw === undefined || raw === null)
      return complain(`This entry has no '${key}'; write the path of a folder or the name of an open checkpoint.`);
    if (typeof raw === 'number' || typeof raw === 'boolean')
      return complain(`A model’s name is text; put quotes around it.`, [], `"${raw}"`);
    if (typeof raw !== 'string')
      return complain(
        `'${key}' written as a map or list is known to mergekit and not in this version; write a path or a name.`,
      );
    const obstacle = modelNameObstacle(raw);
    return obstacle === null ? raw : complain(obstacle);
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

function buildSchema(method: Method | null) {
  const modelParameters = parameterMap(method?.perModel ?? null);
  const entry = z.strictObject(
    { model: modelName('model'), parameters: modelParameters },
    {
      error: (issue) =>
        issue.code === 'invalid_type'
          ? "Each entry of 'models' must be a map that begins with '- model: NAME'."
          : undefined,
    },
  );
  return z
    .strictObject(
      {
        merge_method: methodName,
        base_model: modelName('base_model').nullish(),
        models: z.array(entry, {
          error: (issue) =>
            issue.input === undefined
              ? "The recipe lists no 'models'; add 'models:' and below it one '- model: NAME' for each."
              : "'models' must be a list with one '- model: NAME' for each model.",
        }),
        parameters: parameterMap(method === null ? null : { ...method.params, ...method.perModel }),
        dtype: dtypeName('dtype'),
        out_dtype: dtypeName('out_dtype'),
      },
      {
        error: (issue) =>
          issue.code === 'invalid_type'
            ? "A recipe is a map with 'merge_method', 'models' and more; this text is something else."
            : undefined,
      },
    )
    .transform((raw): Recipe => {
      const base = raw.base_model ?? null;
      return {
        method: raw.merge_method,
        base,
        models: raw.models.filter(({ model }) => method?.base !== 'required' || model !== base),
        parameters: raw.parameters,
        outDtype: raw.out_dtype ?? raw.dtype,
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

/** Which words a strict object at a path takes, and what to say where a word belongs elsewhere. */
function unknownKey(path: DocumentPath, key: string, method: Method | null): SchemaIssue {
  const at = (message: string, suggestion: string | null = null): SchemaIssue => ({
    path: [...path, key],
    part: 'key',
    message,
    suggestion,
  });
  const name = quoted(key);
  if (path.at(-1) === 'parameters' && method !== null) {
    const isModels = path.length > 1;
    const known = Object.keys(isModels ? method.perModel : { ...method.params, ...method.perModel });
    if (isModels && Object.hasOwn(method.params, key)) {
      return at(`${name} holds for all models at once; move it to the 'parameters' at the top level.`);
    }
    const suggestion = nearest(key, known);
    const scope = isModels ? ' for a single model' : '';
    return at(
      `${name} is not a parameter of ${method.name}${scope}; there are ${listed(known) || 'none'}.`,
      suggestion,
    );
  }
  if (MERGEKIT_KEYS.has(key)) {
    return at(`${name} is known to mergekit and not in this version; remove it, or merge with mergekit.`);
  }
  const where = path.length === 0 ? 'a recipe' : 'an entry of models';
  if (
    method !== null &&
    (Object.hasOwn(method.perModel, key) || (path.length === 0 && Object.hasOwn(method.params, key)))
  ) {
    return at(
      `${name} is a parameter; put it under 'parameters:' of ${path.length === 0 ? 'the recipe' : 'this model'}.`,
    );
  }
  const known = path.length === 0 ? TOP_KEYS : MODEL_KEYS;
  return at(`${name} is not a key of ${where}; there are ${listed(known)}.`, nearest(key, known));
}

/** Rules that no single value breaks: the base is there, no model twice, enough of them and not too many. */
function structureIssues(data: Record<string, unknown>, method: Method | null): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const add = (path: DocumentPath, message: string): void => {
    issues.push({ path, part: 'value', message, suggestion: null });
  };
  const base = typeof data.base_model === 'string' ? data.base_model : null;
  const needsBase = method?.base === 'required';
  if (needsBase && (data.base_model === undefined || data.base_model === null)) {
    add(['base_model'], `${method.name} measures what each model changed from a base; add 'base_model: NAME'.`);
  }
  if (!Array.isArray(data.models)) return issues;
  const names = data.models.map((entry: unknown) => (isRecord(entry) ? entry.model : null));
  const seen = new Set<string>();
  names.forEach((name, i) => {
    if (typeof name !== 'string') return;
    if (seen.has(name)) add(['models', i, 'model'], `${quoted(name)} is listed twice; each model takes part once.`);
    seen.add(name);
  });
  if (method === null || !names.every((name) => typeof name === 'string')) return issues;
  const count = names.filter((name) => !needsBase || name !== base).length;
  const besides = needsBase ? ' besides the base' : '';
  const { min, max } = method.models;
  const plural = (n: number): string => (n === 1 ? '1 model' : `${n} models`);
  if (count < min) {
    add(
      ['models'],
      `${method.name} needs at least ${plural(min)}${besides}, and the recipe lists ${count === 0 ? 'none' : count}.`,
    );
  }
  if (count > max)
    add(['models'], `${method.name} takes at most ${plural(max)}${besides}, and the recipe lists ${count}.`);
  return issues;
}

/** Judges plain data: the recipe, or everything that is wrong with it. */
export function readRecipe(data: unknown): { recipe: Recipe | null; issues: readonly SchemaIssue[] } {
  const declared = isRecord(data) && typeof data.merge_method === 'string' ? METHODS.get(data.merge_method) : undefined;
  const method = declared ?? null;
  const result = recipeSchema(method).safeParse(data);
  const issues: SchemaIssue[] = [];
  const misspelt: SchemaIssue[] = [];
  const hasOtherForm =
    isRecord(data) && data.models === undefined && (Object.hasOwn(data, 'slices') || Object.hasOwn(data, 'modules'));
  for (const issue of result.error?.issues ?? []) {
    if (issues.length >= MAX_ISSUES) break;
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    if (issue.code === 'unrecognized_keys') {
      misspelt.push(...issue.keys.slice(0, MAX_ISSUES).map((key) => unknownKey(path, key, method)));
      continue;
    }
    // A recipe with `slices` has been refused for that already; its missing `models` are no news.
    if (hasOtherForm && path.length === 1 && path[0] === 'models') continue;
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
