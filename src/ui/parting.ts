/** Partings: where the replies of several columns first differ, in marks and in words. */

import { replyLabel } from '../state/chat-store.ts';
import { isUnderWay, type ReplyMessage } from '../state/conversation.ts';
import { type Divergence, firstDivergence } from '../state/divergence.ts';
import type { SaidToken } from '../state/engine-api.ts';
import { probabilityFigure } from './probability-figure.ts';
import { visibleToken } from './visible-token.ts';

/** What is shown of the differences between replies. */
export interface Partings {
  /** By reply: the index of the token where it first differs from the first one; null where it does not. */
  readonly marks: readonly (number | null)[];
  /** One for each reply after the first. */
  readonly sentences: readonly string[];
}

/** Compares each reply with the first one that there is; nothing where there are fewer than two. */
export function partings(replies: readonly (ReplyMessage | null)[]): Partings {
  const marks = replies.map((): number | null => null);
  const sentences: string[] = [];
  const first = replies.findIndex((reply) => reply !== null && reply.tokens.length > 0);
  const reference = replies[first];
  if (!reference) return { marks, sentences };
  for (const [index, reply] of replies.entries()) {
    if (index === first || !reply || reply.tokens.length === 0) continue;
    const found = firstDivergence(reference.tokens, reply.tokens);
    const isOpen = isUnderWay(reference) || isUnderWay(reply);
    // One that is not finished may still say what the other has said.
    if (found && isOpen && (found.a === null || found.b === null)) continue;
    if (!found && isOpen) continue;
    if (found) {
      marks[first] = Math.min(marks[first] ?? found.index, found.index);
      marks[index] = found.index;
    }
    sentences.push(sentenceOf(reply, reference, found));
  }
  return { marks, sentences };
}

function sentenceOf(reply: ReplyMessage, reference: ReplyMessage, found: Divergence | null): string {
  const [own, other] = [replyLabel(reply), replyLabel(reference)];
  if (!found) return `${own} says the same as ${other}.`;
  const { index, a, b, aOfB, bOfA } = found;
  return `${own} differs from token ${index + 1}: ${said(other, a, b, aOfB)}; ${said(own, b, a, bOfA)}.`;
}

/** What one reply has there, and how likely it found what the other has. */
function said(label: string, token: SaidToken | null, other: SaidToken | null, ofOther: number | null): string {
  if (!token) return `${label} ends`;
  const own = `${label} ${quoted(token.text)} ${probabilityFigure(token.probability)}`;
  return ofOther === null || !other ? own : `${own} (${quoted(other.text)} ${probabilityFigure(ofOther)})`;
}

function quoted(text: string): string {
  const seen = text.trim() === '' ? visibleToken(text) : text.trim().replaceAll('\n', '↵');
  return `‘${seen}’`;
}
