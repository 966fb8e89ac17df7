/**
 * MarkdownBlocks: a reply in Markdown cut at its top level into blocks that can be parsed one by one, so that a reply
 * that is still growing is not parsed again from its beginning for every token. Fenced code is cut out whole and needs
 * no parser. Not a parser of Markdown: what a block means is `reply-markdown.tsx`'s.
 */

/** One piece of a reply. */
export interface MarkdownBlock {
  readonly kind: 'markdown' | 'code';
  /** Where it begins in the reply, its fence included. */
  readonly start: number;
  /** Where `text` begins in the reply. */
  readonly textStart: number;
  /** Source in Markdown; of code what stands between its fences. */
  readonly text: string;
  /** Of code the word after its fence, such as `python`; empty where there is none. */
  readonly language: string;
}

/** A list longer than this is cut between two of its items, where a blank line stands. */
const LONG_LIST_CHARS = 4000;

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const LIST_ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;

/**
 * Cuts a text into blocks.
 * @param from where to begin: 0, or the `start` of a block that an earlier cut of a beginning of this text gave, with at
 *   least one block after it.
 */
export function markdownBlocks(text: string, from = 0): MarkdownBlock[] {
  const blocks: MarkdownBlock[] = [];
  let start = from;
  /** Inside code that was fenced at the top level: where its content begins and how it ends. */
  let code: { readonly content: number; readonly language: string; readonly end: RegExp } | null = null;
  /** Inside code that was fenced within a list item or a quotation. */
  let inner: RegExp | null = null;
  let isList = false;
  let wasBlank = true;
  let isEmpty = true;

  const finishCode = (end: number, { content, language }: NonNullable<typeof code>) => {
    blocks.push({
      kind: 'code',
      start,
      textStart: content,
      text: withoutLastNewline(text.slice(content, end)),
      language,
    });
  };
  const finish = (end: number) => {
    const source = text.slice(start, end).trimEnd();
    if (source.trim() !== '') blocks.push({ kind: 'markdown', start, textStart: start, text: source, language: '' });
    start = end;
    isEmpty = true;
    inner = null;
  };

  for (let at = from; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const next = newline < 0 ? text.length : newline + 1;
    const line = text.slice(at, newline < 0 ? text.length : newline).replace(/\r$/, '');
    if (code) {
      if (code.end.test(line)) {
        finishCode(at, code);
        start = next;
        code = null;
        wasBlank = true;
      }
    } else if (inner) {
      if (inner.test(line.trimStart())) inner = null;
    } else if (line.trim() === '') {
      wasBlank = true;
    } else {
      const fence = FENCE.exec(line);
      const isInList = isList && !isEmpty;
      if (fence && !(isInList && (fence[1] ?? '').length >= 2)) {
        finish(at);
        code = { content: next, language: languageOf(fence[3] ?? ''), end: endOf(fence[2] ?? '') };
      } else {
        const isItem = LIST_ITEM.test(line);
        const goesOn = isInList && (/^(?: {2}|\t)/.test(line) || (isItem && at - start < LONG_LIST_CHARS));
        if (wasBlank && !isEmpty && !goesOn) finish(at);
        if (isEmpty) isList = isItem;
        const within = FENCE.exec(line.replace(/^(?:\s|>|[-*+]\s|\d{1,9}[.)]\s)+/, ''));
        if (within) inner = endOf(within[2] ?? '');
        isEmpty = false;
      }
      wasBlank = false;
    }
    at = next;
  }
  if (code) finishCode(text.length, code);
  else finish(text.length);
  return blocks;
}

/** Cuts a growing text; what was finished is not looked at again. Any other text starts anew. */
export class GrowingBlocks {
  #text = '';
  #blocks: MarkdownBlock[] = [];

  of(text: string): readonly MarkdownBlock[] {
    // The last block may grow, and until its first line is whole so may the one before.
    const kept = text.startsWith(this.#text) ? this.#blocks.slice(0, -2) : [];
    const from = kept.length > 0 ? (this.#blocks[kept.length]?.start ?? 0) : 0;
    this.#blocks = [...kept, ...markdownBlocks(text, from)];
    this.#text = text;
    return this.#blocks;
  }
}

/** A fence ends with at least as many of the same marks. */
function endOf(fence: string): RegExp {
  const mark = fence.startsWith('~') ? '~' : '`';
  return new RegExp(`^ {0,3}${mark}{${Math.min(fence.length, 1000)},}\\s*$`);
}

function languageOf(info: string): string {
  return /^\s*([\w+#.-]{1,24})/.exec(info)?.[1] ?? '';
}

function withoutLastNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}
