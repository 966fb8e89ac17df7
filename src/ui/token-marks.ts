/** Where a token stands in a reply's text. */

import type { SaidToken } from '../state/engine-api.ts';

/** A part of a text, in characters. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The part of a reply's text that one of its tokens wrote; null where the text does not say, such as behind its end. A
 * tokenizer may drop the blank before a reply's first word from the text and not from the token.
 */
export function tokenSpan(text: string, tokens: readonly SaidToken[], index: number): Span | null {
  const token = tokens[index];
  if (!token || token.text === '') return null;
  const before = tokens.slice(0, index).reduce((sum, { text: piece }) => sum + piece.length, 0);
  for (const start of [before, before - 1]) {
    if (start >= 0 && text.startsWith(token.text, start)) return { start, end: start + token.text.length };
  }
  // The very first token, without its blank.
  const bare = token.text.trimStart();
  return index === 0 && bare !== '' && text.startsWith(bare) ? { start: 0, end: bare.length } : null;
}

/** A span of a whole as one of the part that begins at `start`; null where it lies elsewhere. */
export function overlap(span: Span, start: number, length: number): Span | null {
  const inner = { start: Math.max(0, span.start - start), end: Math.min(length, span.end - start) };
  return inner.start < inner.end ? inner : null;
}
