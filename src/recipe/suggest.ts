/**
 * Suggest: what may be written at a position of a recipe, for completion. Everything comes from the declarations that the
 * schema judges by and from what is open; there is no second list. It does not judge what is written: that is `yaml.ts`.
 */

import { BLENDED_DTYPES, TORCH_NAMES } from '../formats/dtype.ts';
import { METHODS } from '../methods/index.ts';
import { defaultOf, type Parameter } from '../methods/method.ts';
import { methodAt, parameterAt, parameterFacts, parametersAt } from './explain.ts';
import { keyHelp } from './key-help.ts';
import { placeAt, type RecipePlace } from './place.ts';
import { TEMPLATE_NAMES } from './tokenizer-schema.ts';
import { keysAt } from './unknown-key.ts';

/** What is open, which no declaration can know. */
export interface Surrounding {
  /** Names of the open checkpoints. */
  readonly models: readonly string[];
  /** Parts of tensors' names by which a recipe addresses rows and cells of the weights map. */
  readonly filters: readonly string[];
}

/** One thing that may be written. */
export interface Suggestion {
  readonly label: string;
  /** A word or two beside the label; may be empty. */
  readonly detail: string;
  /** A sentence or several; may be empty. */
  readonly help: string;
  /** What is written: the label, with a colon after a key, in quotes where YAML needs them. */
  readonly text: string;
  readonly kind: 'key' | 'method' | 'parameter' | 'model' | 'value';
}

/** The suggestions at a position; `from` to `to` is what one of them replaces. */
export interface Suggestions {
  readonly from: number;
  readonly to: number;
  readonly options: readonly Suggestion[];
}

/** Keys whose value begins on a line of its own. */
const OPENERS = ['models', 'slices', 'modules', 'parameters', 'tokenizer', 'sources', 'tokens'];

/** A scalar as YAML takes it for text. */
function yamlText(text: string): string {
  const isPlain =
    /^[A-Za-z_./][\w./ -]*[\w./-]$|^[A-Za-z_]$/.test(text) && !/^(?:true|false|null|yes|no|on|off)$/i.test(text);
  return isPlain ? text : `'${text.replaceAll("'", "''")}'`;
}

function value(label: string, help = '', detail = '', kind: Suggestion['kind'] = 'value', text = label): Suggestion {
  return { label, detail, help, text, kind };
}

function keySuggestion(key: string, isFlow: boolean): Suggestion {
  const colon = OPENERS.includes(key) && !isFlow ? ':' : ': ';
  return { label: key, detail: '', help: keyHelp(key) ?? '', text: `${key}${colon}`, kind: 'key' };
}

const models = (names: readonly string[]) => names.map((name) => value(name, '', 'open', 'model', yamlText(name)));

function valuesOf(parameter: Parameter): Suggestion[] {
  const unset = defaultOf(parameter);
  const detail = (own: unknown) => (own === unset ? 'default' : '');
  switch (parameter.kind) {
    case 'choice':
      return parameter.options.map((option) => value(option, parameter.optionHelp[option] ?? '', detail(option)));
    case 'boolean':
      return ['true', 'false'].map((word) => value(word, parameter.help, detail(word === 'true')));
    case 'number':
      return unset === null ? [] : [value(String(unset), `${parameter.help} ${parameterFacts(parameter)}`, 'default')];
    case 'ignored':
      return [];
    default:
      return parameter satisfies never;
  }
}

function keysFor(place: RecipePlace, text: string, surrounding: Surrounding): Suggestion[] {
  const { path, siblings, isFlow } = place;
  const isFree = (name: string) => !siblings.includes(name);
  const method = methodAt(text, place.from);
  const declared = parametersAt(path, method);
  if (declared !== null) {
    return Object.entries(declared).flatMap(([name, parameter]) =>
      isFree(name) && parameter.kind !== 'ignored'
        ? [value(name, `${parameter.help} ${parameterFacts(parameter)}`, parameter.kind, 'parameter', `${name}: `)]
        : [],
    );
  }
  const last = path.at(-1);
  const isEntry = last === 0;
  if (path.includes('parameters')) {
    return isEntry ? ['filter', 'value'].filter(isFree).map((key) => keySuggestion(key, isFlow)) : [];
  }
  if (last === 'models' && !isFlow) {
    const listed = new Set(
      [...text.matchAll(/^\s*(?:-\s+model|base_model):\s*["']?([^"'\n#]+?)["']?\s*(?:#.*)?$/gm)].map((own) => own[1]),
    );
    return surrounding.models
      .filter((name) => !listed.has(name))
      .map((name) => value(`- model: ${name}`, '', 'open', 'model', `- model: ${yamlText(name)}`));
  }
  const isMap = path.length === 0 || isEntry || last === 'tokenizer' || path.at(-2) === 'modules';
  return isMap
    ? keysAt(path)
        .filter(isFree)
        .map((key) => keySuggestion(key, isFlow))
    : [];
}

function valuesFor({ path, key, from }: RecipePlace, text: string, surrounding: Surrounding): Suggestion[] {
  const parameter = parameterAt(path, key, methodAt(text, from));
  if (path.includes('parameters')) {
    if (key === 'filter') return surrounding.filters.map((filter) => value(filter, '', '', 'value', yamlText(filter)));
    return parameter ? valuesOf(parameter) : [];
  }
  switch (key) {
    case 'merge_method':
      return [...METHODS.values()].map((method) => value(method.name, method.summary, method.title, 'method'));
    case 'base_model':
    case 'model':
      return models(surrounding.models);
    case 'dtype':
    case 'out_dtype':
      return BLENDED_DTYPES.map((dtype) => value(TORCH_NAMES[dtype]));
    case 'tokenizer_source':
    case 'source':
      return [
        value('union', 'The tokens of all models.'),
        value('base', 'The base’s tokens.'),
        ...models(surrounding.models),
      ];
    case 'chat_template':
      return TEMPLATE_NAMES.map((name) => value(name));
    case 'muted':
    case 'force':
      return [value('true'), value('false')];
    default:
      return [];
  }
}

/** What may be written at a position; null where nothing is known. */
export function suggestAt(text: string, offset: number, surrounding: Surrounding): Suggestions | null {
  const place = placeAt(text, offset);
  if (place === null) return null;
  const options = place.part === 'key' ? keysFor(place, text, surrounding) : valuesFor(place, text, surrounding);
  // A key that is there already is replaced without its colon.
  const hasColon = place.part === 'key' && /^\s*:/.test(text.slice(place.to));
  const fitting = hasColon ? options.map((own) => ({ ...own, text: own.text.replace(/:\s*$/, '') })) : options;
  return options.length === 0 ? null : { from: place.from, to: place.to, options: fitting };
}
