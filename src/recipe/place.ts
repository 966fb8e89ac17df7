/**
 * Place: where in a recipe a position of its text stands, for completion and help while something is being written. It
 * reads indentation line by line, so that it also knows its way about a text that is not valid YAML yet. It judges
 * nothing: that is `yaml.ts`.
 */

import type { DocumentPath } from './document.ts';

/** A position in a recipe's text. */
export interface RecipePlace {
  /** Keys, and indices of list entries, of the map or list that the position stands in. */
  readonly path: DocumentPath;
  /** A key of that map, or the value of its key `key`; an entry of a list that has no key yet is a value. */
  readonly part: 'key' | 'value';
  /** The key whose value stands there; for a key, what is written of it. Null where there is none. */
  readonly key: string | null;
  /** The word at the position: what a completion replaces. */
  readonly from: number;
  readonly to: number;
  /** Keys that the map has already, the one at the position left out. */
  readonly siblings: readonly string[];
  /** True where the map or list is written in braces or brackets. */
  readonly isFlow: boolean;
}

/** A line that says something: the columns of its dashes, and its key with what follows. */
interface Line {
  readonly at: number;
  readonly dashes: readonly number[];
  /** Where the key, or the value without one, begins. */
  readonly column: number;
  readonly key: string | null;
  /** Column of what follows the colon; the end of the line where there is nothing. */
  readonly valueColumn: number;
  readonly text: string;
}

const KEY = /^(?:"([^"]*)"|'([^']*)'|([^\s#"'[{][^#:]*?))\s*:(?=\s|$)/;

function readLine(text: string, at: number): Line | null {
  const dashes: number[] = [];
  let column = text.search(/\S/);
  if (column < 0 || text[column] === '#') return null;
  while (text[column] === '-' && /^-(?:\s|$)/.test(text.slice(column))) {
    dashes.push(column);
    const rest = text.slice(column + 1);
    const gap = rest.search(/\S/);
    column = gap < 0 ? text.length : column + 1 + gap;
  }
  const match = KEY.exec(text.slice(column));
  const key = match ? (match[1] ?? match[2] ?? match[3] ?? '') : null;
  const after = column + (match?.[0].length ?? 0);
  const gap = text.slice(after).search(/\S/);
  return { at, dashes, column, key, valueColumn: match ? (gap < 0 ? text.length : after + gap) : column, text };
}

/** Lines of the one document that a line stands in; others are null. */
function documentLines(lines: readonly string[], at: number): (Line | null)[] {
  const isBreak = (line: string) => /^---(?=[ \t\r]|$)/.test(line);
  let first = at;
  while (first > 0 && !isBreak(lines[first] ?? '')) first--;
  let last = at + 1;
  while (last < lines.length && !isBreak(lines[last] ?? '')) last++;
  return lines.map((line, i) => (i < first || i >= last || isBreak(line) ? null : readLine(line, i)));
}

/** The path of the block that stands at `column` of line `at`; `column` may be further left than the line itself. */
function pathAbove(lines: readonly (Line | null)[], at: number, column: number): (string | number)[] {
  const path: (string | number)[] = [];
  let limit = column;
  for (let i = at; i >= 0 && limit > 0; i--) {
    const line = lines[i];
    if (!line) continue;
    // A dash left of the column opens the entry that it stands in, also on the line itself.
    for (const dash of line.dashes.toReversed()) {
      if (dash >= limit) continue;
      path.unshift(0);
      limit = dash;
    }
    if (i === at || line.key === null) continue;
    // A list may stand as far left as its key.
    const isOwner = line.column < limit || (line.column === limit && path[0] === 0 && line.dashes.length === 0);
    if (!isOwner || (line.dashes.length > 0 && line.column > limit)) continue;
    path.unshift(line.key);
    limit = line.column;
    for (const dash of line.dashes.toReversed()) {
      path.unshift(0);
      limit = dash;
    }
  }
  if (limit > 0 || path[0] !== 0) return path;
  // The list stands at the left margin: its key is the nearest one there.
  for (let i = at - 1; i >= 0; i--) {
    const line = lines[i];
    if (line?.column === 0 && line.key !== null) return [line.key, ...path];
  }
  return path;
}

/** The other keys of the map whose keys stand at `column`, around line `at`. */
function siblingsOf(lines: readonly (Line | null)[], at: number, column: number): string[] {
  const keys: string[] = [];
  const own = lines[at];
  const look = (step: 1 | -1) => {
    for (let i = at + step; i >= 0 && i < lines.length; i += step) {
      const line = lines[i];
      if (!line) continue;
      const start = line.dashes[0] ?? line.column;
      if (step > 0 && start < column) return;
      if (line.column === column && line.key !== null) keys.push(line.key);
      if (step < 0 && start < column) return;
    }
  };
  if (!own || own.dashes.length === 0 || own.column !== column) look(-1);
  look(1);
  return keys;
}

/** What stands in braces or brackets before a position of a line: the keys that lead to it, innermost last. */
function flowBefore(
  text: string,
): { path: (string | number)[]; key: string | null; from: number; keys: string[] } | null {
  const stack: { open: string; key: string | null; keys: string[] }[] = [];
  let from = 0;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (quote !== '') {
      if (c === quote) quote = '';
      continue;
    }
    const top = stack.at(-1);
    if (c === '"' || c === "'") quote = c;
    else if (c === '{' || c === '[') {
      stack.push({ open: c, key: null, keys: [] });
      from = i + 1;
    } else if ((c === '}' || c === ']') && top) {
      stack.pop();
      from = i + 1;
    } else if (c === ',' && top) {
      top.key = null;
      from = i + 1;
    } else if (c === ':' && top?.open === '{' && /\s/.test(text[i + 1] ?? ' ')) {
      top.key = text
        .slice(from, i)
        .trim()
        .replace(/^["']|["']$/g, '');
      top.keys.push(top.key);
      from = i + 1;
    }
  }
  const inner = stack.at(-1);
  if (!inner) return null;
  const path = stack.flatMap(({ open, key }, depth): (string | number)[] =>
    open === '[' ? [0] : depth < stack.length - 1 && key !== null ? [key] : [],
  );
  return { path, key: inner.key, from, keys: inner.keys };
}

/** Where the position `offset` of a recipe's text stands; null inside a comment. */
export function placeAt(text: string, offset: number): RecipePlace | null {
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
  const raw = text.slice(0, lineStart).split('\n').length - 1;
  const texts = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const line = texts[raw] ?? '';
  const column = offset - lineStart;
  const unquoted = line.replace(/"[^"]*"|'[^']*'/g, (own) => '_'.repeat(own.length));
  if (/(?:^|\s)#/.test(unquoted.slice(0, column))) return null;
  const lines = documentLines(texts, raw);
  const own = lines[raw] ?? null;
  const wordEnd = (from: number) => {
    const rest = /^(?:"[^"]*"?|'[^']*'?|[^\s,\]}#:]*(?::(?=[^\s])[^\s,\]}#:]*)*)/.exec(line.slice(from))?.[0] ?? '';
    return Math.max(column, from + rest.length);
  };
  const place = (
    part: 'key' | 'value',
    from: number,
    rest: Omit<RecipePlace, 'part' | 'from' | 'to'>,
  ): RecipePlace => ({
    ...rest,
    part,
    from: lineStart + Math.min(from, column),
    to: lineStart + wordEnd(Math.min(from, column)),
  });

  // Nothing is written here yet: the indentation alone says where.
  if (!own || column < (own.dashes[0] ?? own.column)) {
    if (own && line.slice(0, column).trim() !== '') return null;
    if (own) return null;
    return place('key', column, {
      path: pathAbove(lines, raw, column),
      key: null,
      siblings: siblingsOf(lines, raw, column),
      isFlow: false,
    });
  }
  const path = pathAbove(lines, raw, own.column);
  const valueText = line.slice(own.valueColumn, Math.max(own.valueColumn, column));
  const flow = flowBefore(valueText);
  if (flow) {
    const gap = valueText.slice(flow.from).search(/\S/);
    const from = own.valueColumn + flow.from + Math.max(0, gap < 0 ? valueText.length - flow.from : gap);
    const inner = [...path, ...(own.key === null ? [] : [own.key]), ...flow.path];
    const isList = inner.at(-1) === 0 && flow.key === null && /\[[^{}]*$/.test(valueText);
    return place(flow.key === null && !isList ? 'key' : 'value', from, {
      path: isList ? inner.slice(0, -1) : inner,
      key: isList ? null : (flow.key ?? (line.slice(from, column) || null)),
      siblings: flow.keys,
      isFlow: true,
    });
  }
  const siblings = siblingsOf(lines, raw, own.column);
  if (own.key !== null && column >= own.valueColumn)
    return place('value', own.valueColumn, { path, key: own.key, siblings, isFlow: false });
  const colon = own.key === null ? -1 : line.indexOf(':', own.column + own.key.length);
  if (own.key !== null && column > colon)
    return place('value', column, { path, key: own.key, siblings, isFlow: false });
  return place('key', own.column, {
    path,
    key: own.key ?? line.slice(own.column, wordEnd(own.column)),
    siblings,
    isFlow: false,
  });
}
