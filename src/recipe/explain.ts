/** Explain: what the word at a position of a recipe means, from the declarations of methods, parameters and keys. */

import { METHODS } from '../methods/index.ts';
import { defaultOf, type Method, type Parameter, type Parameters } from '../methods/method.ts';
import type { DocumentPath } from './document.ts';
import { keyHelp } from './key-help.ts';
import { placeAt } from './place.ts';
import { isModelAt } from './unknown-key.ts';

/** Help on one word of the text. */
export interface Explanation {
  readonly from: number;
  readonly to: number;
  readonly title: string;
  /** A sentence or several. */
  readonly text: string;
}

/** The method that the document around a position names; null where it names none that is known. */
export function methodAt(text: string, offset: number): Method | null {
  const start = Math.max(
    0,
    ...[...text.slice(0, offset).matchAll(/^---(?=[ \t\r]|$)/gm)].map(({ index }) => index + 3),
  );
  const rest = text.slice(start);
  const end = rest.search(/^---(?=[ \t\r]|$)/m);
  const own = end < 0 ? rest : rest.slice(0, end);
  const name = /^merge_method:[^\S\n]*["']?([^\s"'#]+)/m.exec(own)?.[1];
  return (name === undefined ? null : METHODS.get(name)) ?? null;
}

/** The parameters that may stand in the map at a path; null where the path is no map of parameters. */
export function parametersAt(path: DocumentPath, method: Method | null): Parameters | null {
  if (path.at(-1) !== 'parameters' || method === null) return null;
  return isModelAt(path) ? method.perModel : { ...method.params, ...method.perModel };
}

/** The parameter whose value, or a part of it, stands at a path under a key: also in a list of filters. */
export function parameterAt(path: DocumentPath, key: string | null, method: Method | null): Parameter | null {
  const at = path.lastIndexOf('parameters');
  if (at < 0) return null;
  const declared = parametersAt(path.slice(0, at + 1), method);
  const name = at === path.length - 1 ? key : path[at + 1];
  if (declared === null || name === null || name === undefined) return null;
  return Object.hasOwn(declared, name) ? (declared[name] ?? null) : null;
}

/** What a parameter takes, in words: `From 0 to 1; 0.5 where it is not set.` */
export function parameterFacts(p: Parameter): string {
  const unset = defaultOf(p);
  const otherwise = unset === null ? '' : `; ${String(unset)} where it is not set`;
  switch (p.kind) {
    case 'number':
      return `${p.strict ? 'From' : 'Usually from'} ${p.min} to ${p.max}${otherwise}.`;
    case 'boolean':
      return `true or false${otherwise}.`;
    case 'choice':
      return `${p.options.join(', ')}${otherwise}.`;
    case 'ignored':
      return 'Without effect here.';
    default:
      return p satisfies never;
  }
}

/** What the word at a position means; null where there is nothing to say. */
export function explainAt(text: string, offset: number): Explanation | null {
  const place = placeAt(text, offset);
  if (place === null || place.from === place.to) return null;
  const { path, part, key, from, to } = place;
  const word = text.slice(from, to).replace(/^["']|["']$/g, '');
  const method = methodAt(text, offset);
  const say = (title: string, said: string): Explanation => ({ from, to, title, text: said });
  if (part === 'key') {
    const parameter = parameterAt(path, word, method);
    if (path.at(-1) === 'parameters' && parameter) return say(word, `${parameter.help} ${parameterFacts(parameter)}`);
    const help = keyHelp(word);
    return help === null || path.at(-1) === 'parameters' ? null : say(word, help);
  }
  if (key === 'merge_method' && path.length === 0) {
    const named = METHODS.get(word);
    return named ? say(named.title, named.summary) : null;
  }
  const parameter = parameterAt(path, key, method);
  const help = parameter?.kind === 'choice' ? parameter.optionHelp[word] : undefined;
  return help === undefined || key === 'filter' ? null : say(word, help);
}
