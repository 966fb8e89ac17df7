/**
 * Document: a recipe's text as a YAML syntax tree with positions, bounded before anything is expanded. It knows
 * YAML and nothing of recipes: what the keys mean is `schema.ts`.
 */

import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { firstSlip } from './yaml-slip.ts';

/** Ceilings for text that anyone may have written. */
export const MAX_RECIPE_CHARS = 1_000_000;
const MAX_ALIASES = 100;
const MAX_DEPTH = 32;
const MAX_PROBLEMS = 20;

/** Keys and list indices from the top of the document. */
export type DocumentPath = readonly (string | number)[];

/** Something wrong in a recipe, for people and for editors. */
export interface Problem {
  /** One sentence, or two, without the position. */
  readonly message: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** What to write instead of the text at that position, or null. */
  readonly suggestion: string | null;
  /** Such as `models[0].parameters.weight`; empty for the document itself. */
  readonly path: string;
  /** The YAML parser's own words, where the message says no more than that it could not read on. */
  readonly words?: string;
}

/** An opened text. With `problems`, the tree is not to be trusted and `data` is null. */
export interface RecipeDocument {
  readonly document: Document;
  /** Plain values with aliases expanded; null for empty text. */
  readonly data: unknown;
  readonly problems: readonly Problem[];
  /** Position of the value at a path, of its key with `part: 'key'`, or of the nearest thing that exists above it. */
  position(path: DocumentPath, part?: 'key' | 'value'): { line: number; column: number };
}

/** Someone's text inside a sentence of ours: in quotes, on one line, not too long. */
export function quoted(text: unknown): string {
  const whole = typeof text === 'string' ? text : (JSON.stringify(text) ?? String(text));
  const line = whole.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
  return `'${line.length > 60 ? `${line.slice(0, 57)}…` : line}'`;
}

/** `models[0].parameters.weight`. */
export function pathText(path: DocumentPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** A line that ends one YAML document and begins the next. */
const DOCUMENT_START = /^---(?=[ \t\r]|$)/;
/** Lines that say nothing: blank, comments, directives, a document's end. */
const EMPTY_LINE = /^\s*(?:#.*)?$|^%|^\.\.\.\s*$/;

/**
 * The texts of the YAML documents in `text`, those that say nothing left out. Blank lines stand for what comes before
 * each, so that positions in it are positions in the whole.
 */
export function splitDocuments(text: string): string[] {
  const parts: string[][] = [[]];
  text.split('\n').forEach((line, at) => {
    if (DOCUMENT_START.test(line)) parts.push([...Array.from({ length: at }, () => ''), line.replace('---', '   ')]);
    else parts.at(-1)?.push(line);
  });
  const full = parts.filter((lines) => !lines.every((line) => EMPTY_LINE.test(line)));
  return full.length > 1 ? full.map((lines) => lines.join('\n')) : [text];
}

function keyText(key: unknown): string {
  if (isScalar(key)) return String(key.value ?? '');
  return String(key);
}

/** Parses a recipe's text within the ceilings. Never throws on account of the text. */
export function openDocument(text: string): RecipeDocument {
  const lines = new LineCounter();
  // Fed here, not by the parser: that one stops counting where it stops reading.
  lines.addNewLine(0);
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) lines.addNewLine(i + 1);
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems: Problem[] = [];
  const report = (message: string, offset: number, path: DocumentPath = [], suggestion: string | null = null): void => {
    if (problems.length < MAX_PROBLEMS) problems.push({ message, ...at(offset), suggestion, path: pathText(path) });
  };
  const done = (document: Document, data: unknown): RecipeDocument => ({
    document,
    data: problems.length > 0 ? null : data,
    problems,
    position: (path, part = 'value') => at(offsetOf(document, path, part)),
  });

  if (text.length > MAX_RECIPE_CHARS) {
    report(
      `This text has ${text.length.toLocaleString('en')} characters, and a recipe may have a million; is it the right file?`,
      0,
    );
    return done(parseDocument(''), null);
  }
  let document: Document.Parsed;
  try {
    // Keys are compared with a Set below: the library's own check takes quadratic time on a hostile map.
    // `silent` would also keep quiet about a second document.
    document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    report('This text is nested too deeply to be a recipe.', 0);
    return done(parseDocument(''), null);
  }
  const slip = firstSlip(text, document, [...document.errors, ...document.warnings]);
  if (slip) {
    const words = slip.words === null ? {} : { words: slip.words };
    problems.push({ message: slip.message, ...at(slip.offset), suggestion: null, path: '', ...words });
    return done(document, null);
  }

  let aliases = 0;
  const anchors = new Set<string>();
  visit(document, (_, node, path) => {
    if (path.length > 2 * MAX_DEPTH) {
      report(
        `Lists and maps are nested more than ${MAX_DEPTH} deep here, and a recipe needs no more than six.`,
        startOf(node),
      );
      return visit.BREAK;
    }
    if (isAlias(node)) {
      aliases++;
      if (aliases > MAX_ALIASES) {
        report(`More than ${MAX_ALIASES} YAML aliases (*name) are used; write the values out instead.`, startOf(node));
        return visit.BREAK;
      }
      if (!anchors.has(node.source)) {
        const [alias, anchor] = [quoted(`*${node.source}`), quoted(`&${node.source}`)];
        report(
          `Nothing above is marked ${anchor}, so that ${alias} means nothing; write the value itself.`,
          startOf(node),
        );
      }
    } else if (isNode(node) && node.anchor !== undefined) anchors.add(node.anchor);
    if (isMap(node)) {
      const seen = new Map<string, number>();
      for (const pair of node.items) {
        const key = keyText(pair.key);
        const before = seen.get(key);
        if (key === '<<') {
          report(
            "YAML merge keys ('<<') are not supported in recipes; write the values out instead.",
            startOf(pair.key),
          );
        } else if (before !== undefined) {
          const { line } = at(before);
          report(`${quoted(key)} stands in line ${line} already; keep one of the two.`, startOf(pair.key));
        }
        seen.set(key, before ?? startOf(pair.key));
      }
    }
    return undefined;
  });
  if (problems.length > 0) return done(document, null);
  try {
    return done(document, document.toJS({ maxAliasCount: MAX_ALIASES }));
  } catch (thrown) {
    if (!(thrown instanceof ReferenceError || thrown instanceof RangeError)) throw thrown;
    report(
      'A YAML alias (*name) here refers to nothing, to itself or to too much; write the values out instead.',
      firstAlias(document),
    );
    return done(document, null);
  }
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function firstAlias(document: Document): number {
  let offset = 0;
  visit(document, {
    Alias(_, node) {
      offset = startOf(node);
      return visit.BREAK;
    },
  });
  return offset;
}

function offsetOf(document: Document, path: DocumentPath, part: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node);
  // Inside an alias the reader wants the place where it is used, not where it was defined.
  let isFrozen = false;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) {
      node = node.resolve(document);
      isFrozen = true;
    }
    const isLast = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => keyText(item.key) === String(step));
      if (!pair) return offset;
      const value = pair.value as Node | null;
      const isEmpty = isScalar(value) && value.value === null && (value.source ?? '') === '';
      const wantsKey = value === null || isEmpty || (isLast ? part === 'key' : true);
      if (!isFrozen) offset = startOf(wantsKey ? pair.key : value);
      node = value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      if (item === undefined) return offset;
      if (!isFrozen) offset = startOf(item);
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}
