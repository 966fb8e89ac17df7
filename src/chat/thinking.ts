/**
 * Thinking: tells the sections of a reply in which a reasoning model thinks aloud from its answer, also while the
 * reply is still being written. Pure text; how a section is shown is the page's.
 */

/** A part of a reply. */
export interface ReplySection {
  readonly kind: 'thinking' | 'answer';
  /** Without the tags, and without blank space at the borders between sections. */
  readonly text: string;
  /** True for thinking that was not closed: the model still thinks, or was stopped while it did. */
  readonly isOpen: boolean;
}

/** How models mark it: the tag that opens a section and the one that closes it. */
const TAGS: readonly (readonly [open: string, close: string])[] = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['<reasoning>', '</reasoning>'],
  ['[THINK]', '[/THINK]'],
  ['<|begin_of_thought|>', '<|end_of_thought|>'],
];

/**
 * Splits a reply.
 * @param text the reply so far.
 * @param prompt the text that the model read: where it ends with an opening tag, the reply begins inside of it.
 * @param isFinished false while more text may come: a tag of which only the beginning is there is then left out.
 * @returns the sections in order, none of them empty except an open one. A tag opens a section at the beginning of a
 *   line only, so that an answer may speak about tags; one that closes what was never opened ends thinking that began
 *   with the reply.
 */
export function splitThinking(text: string, prompt = '', isFinished = true): ReplySection[] {
  const sections: ReplySection[] = [];
  const opened = prompt.trimEnd();
  let close = TAGS.find(([open]) => opened.endsWith(open))?.[1] ?? strayClose(text);
  let rest = text;
  // Where the prompt has opened it, some models write the tag once more.
  const repeated = TAGS.find(([open, end]) => end === close && rest.trimStart().startsWith(open));
  if (repeated) rest = rest.trimStart().slice(repeated[0].length);
  for (;;) {
    if (close !== null) {
      const end = rest.indexOf(close);
      if (end < 0) {
        const thought = isFinished ? rest : withoutPartial(rest, [close], false);
        sections.push({ kind: 'thinking', text: thought.trim(), isOpen: true });
        return sections;
      }
      const thought = rest.slice(0, end).trim();
      if (thought !== '') sections.push({ kind: 'thinking', text: thought, isOpen: false });
      rest = rest.slice(end + close.length).trimStart();
    }
    const next = firstOpening(rest);
    const last = isFinished ? rest : withoutPartial(rest, OPENINGS, true);
    const answer = next === null ? last : rest.slice(0, next.start).trimEnd();
    if (answer !== '') sections.push({ kind: 'answer', text: answer, isOpen: false });
    if (next === null) return sections;
    rest = rest.slice(next.end);
    close = next.close;
  }
}

const OPENINGS = TAGS.map(([open]) => open);

/** The closing tag of a section that was open from the start though nothing said so, or null. */
function strayClose(text: string): string | null {
  let found: { readonly at: number; readonly tag: string } | null = null;
  for (const [open, close] of TAGS) {
    // Elsewhere than at the border of a line it is spoken about.
    const inside = text.indexOf(`${close}\n`);
    const alone = lineStart(text, close);
    const at = inside < 0 || alone < 0 ? Math.max(inside, alone) : Math.min(inside, alone);
    const opening = text.indexOf(open);
    if (at < 0 || (opening >= 0 && opening < at)) continue;
    if (found === null || at < found.at) found = { at, tag: close };
  }
  return found?.tag ?? null;
}

function firstOpening(text: string): { readonly start: number; readonly end: number; readonly close: string } | null {
  let found: { readonly start: number; readonly end: number; readonly close: string } | null = null;
  for (const [open, close] of TAGS) {
    const start = lineStart(text, open);
    if (start >= 0 && (found === null || start < found.start)) found = { start, end: start + open.length, close };
  }
  return found;
}

/** Where a tag stands first at the beginning of a line, spaces aside; -1 where it does not. */
function lineStart(text: string, tag: string): number {
  for (let at = text.indexOf(tag); at >= 0; at = text.indexOf(tag, at + 1)) {
    const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
    if (line.trim() === '') return at;
  }
  return -1;
}

/** Without the beginning of one of the tags at the end. */
function withoutPartial(text: string, tags: readonly string[], atLineStart: boolean): string {
  let longest = 0;
  for (const tag of tags) {
    for (let length = Math.min(tag.length - 1, text.length); length > longest; length--) {
      if (!text.endsWith(tag.slice(0, length))) continue;
      const at = text.length - length;
      if (atLineStart && text.slice(text.lastIndexOf('\n', at - 1) + 1, at).trim() !== '') continue;
      longest = length;
      break;
    }
  }
  return text.slice(0, text.length - longest);
}
