/**
 * Structure: the rules of a recipe that no single value breaks: one of `models`, `slices` and `modules`, a base where
 * the method needs one, no model twice, enough models and not too many, slices of equal lengths. Works on plain data,
 * so that it speaks also where other things are wrong.
 */

import type { Method } from '../methods/method.ts';
import { type DocumentPath, quoted } from './document.ts';
import { isRecord, listed } from './parameter-value.ts';
import type { SchemaIssue } from './schema-issue.ts';

const FORMS = ['models', 'slices', 'modules'] as const;

type Add = (path: DocumentPath, message: string) => void;

function plural(n: number): string {
  return n === 1 ? '1 model' : `${n} models`;
}

/** The forms that a map uses; an empty or missing one does not count, as in mergekit. */
function formsOf(data: Record<string, unknown>): (typeof FORMS)[number][] {
  return FORMS.filter((form) => data[form] !== undefined && data[form] !== null);
}

function namesIn(list: readonly unknown[]): (string | null)[] {
  return list.map((entry) => (isRecord(entry) && typeof entry.model === 'string' ? entry.model : null));
}

/** No model twice, enough of them and not too many. `base` is the one that is not counted. */
function judgeModels(
  list: readonly unknown[],
  path: DocumentPath,
  base: string | null,
  method: Method | null,
  add: Add,
): void {
  const names = namesIn(list);
  const isSlice = path.at(-1) === 'sources';
  const seen = new Set<string>();
  names.forEach((name, i) => {
    if (name === null) return;
    if (seen.has(name)) {
      add(
        [...path, i, 'model'],
        isSlice
          ? `${quoted(name)} stands twice in this slice; mergekit would use only the last of the two, so name each model once.`
          : `${quoted(name)} is listed twice; each model takes part once.`,
      );
    }
    seen.add(name);
  });
  if (method === null || names.includes(null)) return;
  const takesBase = method.base !== 'none';
  const isCounted = (name: string | null) => !takesBase || name !== base;
  const count = names.filter(isCounted).length;
  const isMuted = (i: number) => !isSlice && isRecord(list[i]) && list[i].muted === true;
  const heard = names.filter((name, i) => isCounted(name) && !isMuted(i)).length;
  names.forEach((name, i) => {
    if (isMuted(i) && !isCounted(name)) {
      add([...path, i, 'muted'], `${quoted(name)} is the base, and the base cannot be muted; remove 'muted' here.`);
    }
  });
  const besides = takesBase && base !== null ? ' besides the base' : '';
  const { min, max } = method.models;
  const where = isSlice ? 'this slice' : path.length > 1 ? 'this module' : 'the recipe';
  if (count < min)
    add(
      path,
      `${method.name} needs at least ${plural(min)}${besides}, and ${where} lists ${count === 0 ? 'none' : count}.`,
    );
  // Too few because of muting is for the pre-flight to say: the text is sound.
  if (heard > max)
    add(
      path,
      `${method.name} takes at most ${plural(max)}${besides}, and ${where} lists ${heard}${heard < count ? ' that are not muted' : ''}.`,
    );
}

function lengthOf(source: unknown): number | null {
  if (!isRecord(source) || !Array.isArray(source.layer_range)) return null;
  const [from, to] = source.layer_range as unknown[];
  return typeof from === 'number' && typeof to === 'number' ? to - from : null;
}

function judgeSlices(
  slices: readonly unknown[],
  path: DocumentPath,
  top: string | null,
  method: Method | null,
  add: Add,
): void {
  slices.forEach((slice, i) => {
    if (!isRecord(slice) || !Array.isArray(slice.sources) || slice.sources.length === 0) return;
    const at = [...path, i];
    const sources: unknown[] = slice.sources;
    const base = typeof slice.base_model === 'string' ? slice.base_model : top;
    judgeModels(sources, [...at, 'sources'], base, method, add);
    const names = namesIn(sources);
    if (method?.base === 'required') {
      if (base === null) {
        add([...at, 'sources'], `${method.name} measures what each model changed from a base; add 'base_model: NAME'.`);
      } else if (!names.includes(null) && !names.includes(base)) {
        add(
          [...at, 'sources'],
          `${method.name} takes differences from ${quoted(base)}, and this slice does not say which of its layers; add it as a source with its 'layer_range'.`,
        );
      }
    }
    const lengths = sources.map(lengthOf);
    const [first] = lengths;
    lengths.forEach((length, j) => {
      if (length !== null && typeof first === 'number' && length !== first) {
        add(
          [...at, 'sources', j, 'layer_range'],
          `All sources of a slice must have as many layers: this one has ${length}, and the first has ${first}.`,
        );
      }
    });
  });
}

/** Everything that is wrong with how a recipe is put together. */
export function structureIssues(data: Record<string, unknown>, method: Method | null): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const add: Add = (path, message) => {
    issues.push({ path, part: 'value', message, suggestion: null });
  };
  const base = typeof data.base_model === 'string' ? data.base_model : null;
  const forms = formsOf(data);
  const isMissingBase = data.base_model === undefined || data.base_model === null;
  if (method?.base === 'required' && isMissingBase && forms[0] !== 'slices') {
    add(['base_model'], `${method.name} measures what each model changed from a base; add 'base_model: NAME'.`);
  }
  if (forms.length === 0) {
    add(['models'], "The recipe lists no 'models'; add 'models:' and below it one '- model: NAME' for each.");
  }
  for (const form of forms.slice(1)) {
    add(
      [form],
      `A recipe has 'models', 'slices' or 'modules', and this one has ${listed(forms.map((own) => `'${own}'`))}; keep one.`,
    );
  }
  if (Array.isArray(data.models)) judgeModels(data.models, ['models'], base, method, add);
  if (Array.isArray(data.slices)) judgeSlices(data.slices, ['slices'], base, method, add);
  if (isRecord(data.modules)) {
    for (const [name, module] of Object.entries(data.modules)) {
      if (!isRecord(module)) continue;
      const own = formsOf(module);
      if (own.length !== 1) {
        add(['modules', name], `The module ${quoted(name)} must have either 'models' or 'slices'.`);
      }
      if (Array.isArray(module.models)) judgeModels(module.models, ['modules', name, 'models'], base, method, add);
      if (Array.isArray(module.slices)) judgeSlices(module.slices, ['modules', name, 'slices'], base, method, add);
    }
  }
  if (data.tokenizer_source !== undefined && data.tokenizer_source !== null && isRecord(data.tokenizer)) {
    add(
      ['tokenizer_source'],
      "A recipe has 'tokenizer_source' or 'tokenizer', not both; put the source into 'tokenizer'.",
    );
  }
  return issues;
}
