/**
 * YAML slip: the one thing that is wrong with a text that is no YAML, in a sentence for people and at the place where it
 * is to be mended. A parser says where it could go no further, often lines below, and then stumbles on; here the lines
 * themselves are looked at. Not what recipes may say (`schema.ts`), nor texts that are YAML (`document.ts`).
 */

import { type Document, isCollection, isNode, isScalar, visit, type YAMLError } from 'yaml';

/** What is wrong, and where. */
export interface YamlSlip {
  readonly message: string;
  /** Of the character at which it is to be mended. */
  readonly offset: number;
  /** The parser's own words where the message could not be plainer; null elsewhere. */
  readonly words: string | null;
}

type Slip = Omit<YamlSlip, 'words'>;

interface Line {
  readonly start: number;
  readonly text: string;
  /** What stands before the first other character: spaces, tabs and whatever looks like them. */
  readonly indent: string;
}

function linesOf(text: string): readonly Line[] {
  let start = 0;
  return text.split('\n').map((line) => {
    const own = { start, text: line.replace(/\r$/, ''), indent: /^\s*/.exec(line)?.[0] ?? '' };
    start += line.length + 1;
    return own;
  });
}

/** Longer lines, and more text after a bracket, no person wrote: they are not looked through. */
const MOST_CHARS = 2000;
const MOST_DEPTH = 64;

const isBlank = ({ text }: Line) => /^\s*(?:#.*)?$/.test(text);

/** The first character of a line that is no indentation. */
function beginOf({ start, indent }: Line): number {
  return start + indent.length;
}

/** Someone's text inside a sentence of ours, as short as it is clear. */
function said(text: string): string {
  const line = text.trim().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
  return `'${line.length > 40 ? `${line.slice(0, 37)}…` : line}'`;
}

/** What may be wrong with how one line is written, whatever the parser made of it. */
function slipInLine(line: Line): Slip | null {
  const content = line.text.slice(line.indent.length);
  const begin = beginOf(line);
  if (content === '' || content.startsWith('#') || line.text.length > MOST_CHARS) return null;
  const odd = /[^ \t]/.exec(line.indent);
  if (odd) {
    return {
      message:
        'This line is indented with a space of another kind, as copied from a web page; type plain spaces instead.',
      offset: line.start + odd.index,
    };
  }
  const dash = /^-([^\s-].*)$/.exec(content)?.[1];
  if (dash !== undefined && !/^-?[\d.]/.test(content)) {
    return { message: `A space is missing after the dash; write ${said(`- ${dash}`)}.`, offset: begin };
  }
  const pair = /^((?:- +)*)([\w.-]+):([^\s:/\\].*)$/.exec(content);
  if (pair && !/: /.test(content)) {
    const [, dashes = '', key = '', value = ''] = pair;
    return {
      message: `A space is missing after the colon; write ${said(`${key}: ${value}`)}.`,
      offset: begin + dashes.length + key.length + 1,
    };
  }
  const [, dashes = '', words = ''] = /^((?:- +)*)(.*?)\s*(?: #.*)?$/.exec(content) ?? [];
  if (/^[\w.-]+(?: [^:{}[\]"']*)?$/.test(words)) {
    const [key = '', ...rest] = words.split(' ');
    const value = rest.join(' ').trim();
    // One word after a dash is a value of a list.
    if (dashes !== '' && value === '') return null;
    return {
      message: `A colon is missing; write ${said(value === '' ? `${key}:` : `${key}: ${value}`)}.`,
      offset: begin + dashes.length + key.length,
    };
  }
  return null;
}

/** The bracket or quote that opens at or before an offset and is not closed. */
function openedBefore(document: Document, text: string, offset: number, isQuote: boolean): number | null {
  let found: number | null = null;
  visit(document, (_, node, path) => {
    if (path.length > MOST_DEPTH) return visit.SKIP;
    const isQuoted = isScalar(node) && (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE');
    const isBracket = isCollection(node) && node.flow === true;
    if (!isNode(node) || !(isQuote ? isQuoted : isBracket)) return undefined;
    const [from = 0, to = 0] = node.range ?? [];
    const isClosed = to - from > 1 && /["'\]}]/.test(text.charAt(to - 1)) && to <= offset;
    if (from <= offset && !isClosed && (found === null || from > found)) found = from;
    return undefined;
  });
  return found;
}

const CLOSING: Readonly<Record<string, string>> = { '[': ']', '{': '}' };

/** Whether a bracket is closed somewhere, quotes and comments passed over. */
function isClosedLater(text: string, open: number): boolean {
  const wanted: string[] = [];
  for (const [part] of text
    .slice(open, open + MOST_CHARS)
    .matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?<=\s)#.*|[[\]{}]/g)) {
    const closing = CLOSING[part];
    if (closing !== undefined) wanted.push(closing);
    else if (part.length > 1) continue;
    else if (wanted.pop() !== part) return false;
    if (wanted.length === 0) return true;
  }
  return false;
}

/** What is said of an indentation that no list or map there has. */
function badIndent(line: Line, lines: readonly Line[]): Slip {
  const at = lines.indexOf(line);
  const above = lines.slice(0, at).filter((own) => !isBlank(own));
  const own = line.indent.length;
  // The nearest columns at which a line may begin: where names begin, in and beside a dash.
  const columns = new Set(above.flatMap(({ indent, text }) => [indent.length, indent.length + dashesIn(text)]));
  const fits = [...columns].filter((column) => column !== own).sort((a, b) => Math.abs(a - own) - Math.abs(b - own));
  const nearest = fits.slice(0, 2).sort((a, b) => a - b);
  const spaces = (count: number) => `${count} ${count === 1 ? 'space' : 'spaces'}`;
  const words = nearest.length === 0 ? '' : `, by ${nearest.map(String).join(' or ')}`;
  return {
    message: `This line is indented by ${spaces(own)}, which does not fit here; indent it like the lines it belongs to${words}.`,
    offset: beginOf(line),
  };
}

function dashesIn(text: string): number {
  return /^\s*((?:- +)*)/.exec(text)?.[1]?.length ?? 0;
}

const DASH_IN_BRACKETS = 'A list with dashes cannot stand between brackets; put commas between the values: [1, 2].';

/** What an error of the parser comes down to; null where nothing plainer is known. */
function slipOf({ code, message, pos: [offset] }: YAMLError, text: string, lines: readonly Line[], document: Document) {
  const at = Math.max(
    0,
    lines.findLastIndex(({ start }) => start <= offset),
  );
  const line = lines[at] ?? { start: 0, text: '', indent: '' };
  const next = lines.slice(at + 1).find((own) => !isBlank(own)) ?? null;
  const here = (sentence: string, place = offset): Slip => ({ message: sentence, offset: place });
  switch (code) {
    case 'TAB_AS_INDENT': {
      const tab = line.text.indexOf('\t');
      return here(
        'A tab indents this line, and YAML allows only spaces there; replace the tab with spaces.',
        line.start + Math.max(0, tab),
      );
    }
    case 'MULTIPLE_DOCS':
      return here("A second recipe starts here ('---'); a text of several recipes is changed in the text itself.");
    case 'TAG_RESOLVE_FAILED':
    case 'MULTIPLE_TAGS':
      return here('Tags such as !name are not used in recipes; remove it.');
    case 'BAD_DIRECTIVE':
      return here('A line that begins with % is no part of a recipe; remove it.');
    case 'BAD_SCALAR_START': {
      const value = said(`"${text.slice(offset).split(/\s/, 1)[0] ?? ''}"`);
      return here(`No value begins with ${said(text.charAt(offset))}; put quotes around it: ${value.slice(1, -1)}.`);
    }
    case 'BAD_DQ_ESCAPE':
      return here(
        `Between double quotes a backslash begins a code, and ${said(text.slice(offset, offset + 2))} is none; use single quotes.`,
      );
    case 'MULTIPLE_ANCHORS':
    case 'ALIAS_PROPS':
      return here('A value has one anchor (&name) or one alias (*name) at most; write the value itself.');
    case 'BLOCK_IN_FLOW':
      return here(DASH_IN_BRACKETS);
    case 'UNEXPECTED_TOKEN':
      if (/^[\]}]/.test(text.slice(offset))) {
        return here(`This ${text.charAt(offset)} closes no bracket; remove it.`);
      }
      if (text.charAt(offset) === ',') return here('There is a comma too many here; remove it.');
      return null;
    case 'MISSING_CHAR':
      if (/closing ["']quote/.test(message)) {
        const quote = openedBefore(document, text, offset, true) ?? offset;
        return here(
          `The quote that opens here is not closed; put ${text.charAt(quote)} at the end of the value.`,
          quote,
        );
      }
      if (message.startsWith('Comments')) return here('A comment needs a space before its #.');
      if (message.startsWith('Missing , ')) return here('A comma is missing between two values in brackets.');
      if (message.startsWith('Missing space')) return here('A space is missing after the colon.');
      if (message.includes('must end with a')) break;
      if (message.startsWith('Sequence item')) return next ? (slipInLine(next) ?? badIndent(next, lines)) : null;
      return slipInLine(line);
    case 'BAD_INDENT':
      if (!message.startsWith('Flow')) return slipInLine(line) ?? badIndent(line, lines);
      break;
    case 'MULTILINE_IMPLICIT_KEY':
    case 'BLOCK_AS_IMPLICIT_KEY': {
      if (text.startsWith('- ', offset) && message.includes('flow')) return here(DASH_IN_BRACKETS);
      // A dash that stands left or right of the others of its list.
      const dash = message.startsWith('A block sequence')
        ? [line, next].find((one) => /^\s*-(?:\s|$)/.test(one?.text ?? ''))
        : undefined;
      if (dash) return badIndent(dash, lines);
      const own = slipInLine(line);
      if (own) return own;
      const value = line.text.slice(line.indent.length + dashesIn(line.text)).replace(/^[^:]*: +/, '');
      if (/:(?: |$)/.test(value)) {
        const second = line.text.length - value.length + value.indexOf(':');
        return here(
          "There is a second ': ' on this line; start a new line, or put quotes around the value.",
          line.start + second,
        );
      }
      // This line has its value, and the one below stands further right as if it were part of that.
      if (next && next.indent.length > line.indent.length) return slipInLine(next) ?? badIndent(next, lines);
      return null;
    }
    default:
      return null;
  }
  const bracket = openedBefore(document, text, offset, false);
  if (bracket === null) return null;
  const opening = text.charAt(bracket);
  return isClosedLater(text, bracket)
    ? here('What stands between brackets goes on in a line that is not indented; indent it, or write it on one line.')
    : here(`The bracket that opens here is not closed; put ${CLOSING[opening] ?? ']'} at its end.`, bracket);
}

/** The first thing that is wrong: what a parser says after that mostly follows from it. Null where nothing is. */
export function firstSlip(text: string, document: Document, errors: readonly YAMLError[]): YamlSlip | null {
  const [first] = errors.toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (first === undefined) return null;
  const slip = slipOf(first, text, linesOf(text), document);
  if (slip) return { ...slip, words: null };
  return {
    message: 'From here on this cannot be read as YAML; compare spaces, colons and quotes with the lines around it.',
    offset: first.pos[0],
    words: first.message,
  };
}
