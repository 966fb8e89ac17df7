/**
 * Mergekit command: a recipe as mergekit 0.1.4 takes it, and the command that runs it there. Ours alone is left out
 * where it changes nothing and refused where it would; what mergekit insists on is written out. Not a merge: whether
 * the results agree is the goldens' business.
 */

import { stringify } from 'yaml';
import { BLENDED_DTYPES, TORCH_NAMES } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import { defaultOf, type Method, type Parameter } from '../methods/method.ts';
import { openDocument, splitDocuments } from './document.ts';
import { AFTER_0_1_4, MERGEKIT_METHODS } from './mergekit.ts';
import { heardRecipe } from './muted.ts';
import { isRecord, listed } from './parameter-value.ts';
import { diagnoseRecipe } from './yaml.ts';

/** What to give mergekit. */
export interface MergekitCommand {
  /** For a file called `recipe.yml`. */
  readonly recipe: string;
  readonly command: string;
  /** What a person should know about the difference, a sentence each. */
  readonly notes: readonly string[];
}

type Data = Record<string, unknown>;

/** Thrown and caught here: mergekit cannot be told. */
class Obstacle extends Error {}

/** A text of recipes for mergekit, or the sentence that says why mergekit cannot take it. */
export function mergekitCommand(text: string): MergekitCommand | { readonly obstacle: string } {
  const { recipe, problems } = diagnoseRecipe(text);
  if (recipe === null) return { obstacle: problems[0]?.message ?? 'The recipe cannot be read.' };
  const documents = splitDocuments(text).map((own) => openDocument(own).data);
  const notes = new Set<string>();
  const seeds = new Set<number>();
  try {
    const heard = heardRecipe(recipe);
    const stages = new Set((heard.stages ?? []).flatMap(({ name }) => name ?? []));
    const recipes = documents
      .filter(isRecord)
      // What only muted entries would have used, mergekit would merge for nothing.
      .filter(({ name }) => name === recipe.name || (typeof name === 'string' && stages.has(name)))
      .map((data) => forMergekit(data, notes, seeds));
    const muted = [heard, ...(heard.stages ?? [])].flatMap((own) => own.muted ?? []);
    for (const data of recipes) {
      // The result goes where the command says; only what other recipes need has a name.
      if (data.name === recipe.name) delete data.name;
    }
    // mergekit has one stream for everything.
    if (seeds.size > 1) throw new Obstacle('The recipes have different seeds, and mergekit takes one for all of them.');
    const [seed] = seeds;
    const seeded = seed === undefined ? '' : ` --random-seed ${seed}`;
    if (seed !== undefined) notes.add('mergekit draws other random numbers from the same seed.');
    notes.add(
      'Names of models must be paths that mergekit finds from where it is run, or names on the Hugging Face Hub.',
    );
    return {
      recipe: mutedComment(muted) + recipes.map((data) => stringify(data, { lineWidth: 0 })).join('---\n'),
      command:
        recipes.length > 1
          ? `mergekit-multi recipe.yml --intermediate-dir ./stages --out-path ./merged${seeded}`
          : `mergekit-yaml recipe.yml ./merged${seeded}`,
      notes: [...notes],
    };
  } catch (error) {
    if (error instanceof Obstacle) return { obstacle: error.message };
    throw error;
  }
}

/** mergekit has no such word, and would merge what is muted. */
function mutedComment(names: readonly string[]): string {
  return names.length === 0 ? '' : `# Left out, as muted in Fusewright: ${names.join(', ')}\n`;
}

function heardModels(list: unknown, base: unknown, method: Method): unknown {
  if (!Array.isArray(list)) return list;
  const heard = list.filter((own) => !isRecord(own) || own.muted !== true);
  const count = heard.filter((own) => !isRecord(own) || method.base === 'none' || own.model !== base).length;
  if (heard.length < list.length && count < method.models.min) {
    const muted = list.flatMap((own) => (isRecord(own) && own.muted === true ? [String(own.model)] : []));
    throw new Obstacle(
      `Without ${listed(muted)}, which ${muted.length === 1 ? 'is' : 'are'} muted, ${method.name} has too few models; unmute one first.`,
    );
  }
  return heard.map((own: unknown) => {
    if (!isRecord(own)) return own;
    const { muted: _, ...rest } = own;
    return rest;
  });
}

function forMergekit(data: Data, notes: Set<string>, seeds: Set<number>): Data {
  const method = METHODS.get(String(data.merge_method));
  const known = MERGEKIT_METHODS.get(String(data.merge_method));
  if (!method || !method.inMergekit || !known)
    throw new Obstacle(`mergekit has no method ${String(data.merge_method)}; only Fusewright merges this recipe.`);
  if (AFTER_0_1_4.has(method.name))
    throw new Obstacle(
      `mergekit 0.1.4 has no method ${method.name} yet; install mergekit from its repository, or merge here.`,
    );
  const names = new Set(known.map(({ name }) => name));
  const change = (own: Data): Data => withParameters(own, (values) => translated(values, method, names, seeds));
  const models = (list: unknown): unknown =>
    Array.isArray(list) ? list.map((own) => (isRecord(own) ? change(own) : own)) : list;
  const slices = (list: unknown): unknown =>
    Array.isArray(list)
      ? list.map((own) => (isRecord(own) ? { ...change(own), sources: models(own.sources) } : own))
      : list;
  const out = change(data);
  if (out.models !== undefined) out.models = models(heardModels(out.models, out.base_model, method));
  if (out.slices !== undefined) out.slices = slices(out.slices);
  if (isRecord(out.modules)) {
    out.modules = Object.fromEntries(
      Object.entries(out.modules).map(([name, module]) => {
        if (!isRecord(module)) return [name, module];
        const own = change(module);
        if (own.models !== undefined) own.models = models(own.models);
        if (own.slices !== undefined) own.slices = slices(own.slices);
        return [name, own];
      }),
    );
  }
  for (const key of Object.keys(out)) if (out[key] === null) delete out[key];
  addRequired(
    out,
    method,
    known.filter(({ isRequired }) => isRequired).map(({ name }) => name),
  );
  leaveOutBase(out, method, notes);
  nameDtypes(out, notes);
  for (const difference of method.differences ?? []) notes.add(difference);
  return out;
}

function withParameters(own: Data, change: (values: Data) => Data): Data {
  const out = { ...own };
  if (!isRecord(own.parameters)) return out;
  const values = change(own.parameters);
  if (Object.keys(values).length === 0) delete out.parameters;
  else out.parameters = values;
  return out;
}

/** A map of parameters without those that only we have. */
function translated(values: Data, method: Method, names: ReadonlySet<string>, seeds: Set<number>): Data {
  const out: Data = {};
  for (const [name, value] of Object.entries(values)) {
    const parameter: Parameter | undefined = method.params[name] ?? method.perModel[name];
    if (names.has(name) || parameter?.kind === 'ignored') {
      out[name] = value;
    } else if (name === 'seed' && typeof value === 'number') {
      seeds.add(value);
    } else if (!parameter || value !== defaultOf(parameter)) {
      throw new Obstacle(
        `mergekit’s ${method.name} has no '${name}', and without it the result would be another; set it back to its default, or merge here.`,
      );
    }
  }
  return out;
}

/** Writes out what mergekit refuses to go without, at the top level, where anything more particular overrides it. */
function addRequired(out: Data, method: Method, required: readonly string[]): void {
  for (const name of required) {
    const parameter = method.params[name] ?? method.perModel[name];
    const value = parameter ? defaultOf(parameter) : null;
    if (value === null) continue;
    const parameters = isRecord(out.parameters) ? { ...out.parameters } : {};
    const own = parameters[name];
    if (own === undefined) parameters[name] = value;
    else if (
      Array.isArray(own) &&
      own.every(isRecord) &&
      own.every(({ filter }) => filter !== undefined && filter !== null && filter !== '*')
    )
      parameters[name] = [...own, { value }];
    out.parameters = parameters;
  }
}

/** mergekit blends a base in that a method without one does not list; here it only lends config and tokenizer. */
function leaveOutBase(out: Data, method: Method, notes: Set<string>): void {
  if (method.base !== 'none' || out.base_model === undefined || !Array.isArray(out.models)) return;
  if (out.models.some((own) => isRecord(own) && own.model === out.base_model)) return;
  delete out.base_model;
  notes.add(
    `The base is left out: with ${method.name}, mergekit would blend it in. Config and tokenizer then come from one of the models.`,
  );
}

function nameDtypes(out: Data, notes: Set<string>): void {
  const written = out.out_dtype ?? out.dtype;
  if (!BLENDED_DTYPES.some((dtype) => TORCH_NAMES[dtype] === written)) return;
  out.dtype = 'float32';
  out.out_dtype = written;
  notes.add('mergekit is told to calculate in float32, as Fusewright does; in bfloat16 it rounds after every step.');
}
