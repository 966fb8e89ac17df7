/**
 * Conversation: what was asked and answered, as a tree: every edit and every further try is a branch beside what was
 * there, and nothing is overwritten. A conversation has columns, one per speaker: they share what is asked, and each has
 * its own replies. Pure: functions from one conversation to the next. Not who can be talked to or the replies'
 * streaming (`chat-store.ts`), and not its files (`conversation-files.ts`).
 */

import type { FaultReport } from '../bytes/fault.ts';
import type { Message, Reply, SaidToken, SayRequest, Speaker, SpeakerInfo } from './engine-api.ts';

/** A place for replies of one speaker. */
export interface Column {
  readonly id: number;
  /** Null: the page chooses (the blend where there is one, else the first checkpoint that can talk). */
  readonly speaker: Speaker | null;
}

/** Something that a person wrote. */
export interface UserMessage {
  readonly id: number;
  /** The message before it on its branch; null for the first one. */
  readonly after: number | null;
  /** The replies that it follows, by column; a column that had none is left out. */
  readonly follows: Readonly<Record<number, number>>;
  readonly text: string;
  /** `continue`: the reply goes on with this text as it stands, and nothing before it is sent. */
  readonly mode: SayRequest['mode'];
}

/** How far a reply is. `waiting`: for its turn; `loading`: for its speaker; `reading`: the prompt. */
export type ReplyPhase = 'waiting' | 'loading' | 'reading' | 'speaking' | 'done' | 'failed';

/** What one speaker said to one message. */
export interface ReplyMessage {
  readonly id: number;
  /** The user's message that it answers. */
  readonly to: number;
  readonly column: number;
  readonly speaker: Speaker;
  /** The speaker's name as it was shown. */
  readonly label: string;
  /** The recipe that the blend was made from, where a blend or a recipe answered. */
  readonly recipe: string | null;
  readonly phase: ReplyPhase;
  readonly text: string;
  /** Empty where a person wrote it, or where it was too much to keep. */
  readonly tokens: readonly SaidToken[];
  /** How many of the oldest exchanges were not sent, as they would not have fitted or were not wanted. */
  readonly leftOut: number;
  /** How the speaker ran; null before it is known. */
  readonly info: SpeakerInfo | null;
  /** Figures of the finished reply; null before, and where a person wrote it. */
  readonly figures: Omit<Reply, 'text'> | null;
  readonly fault: FaultReport | null;
  /** True where a person wrote it in the speaker's place. */
  readonly isEdited: boolean;
}

/** A conversation. */
export interface Conversation {
  readonly id: number;
  /** As a person named it; null takes the first message (`titleOf`). */
  readonly title: string | null;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly changedMs: number;
  readonly systemPrompt: string;
  /** At least one. */
  readonly columns: readonly Column[];
  readonly messages: readonly UserMessage[];
  readonly replies: readonly ReplyMessage[];
  /** When a message or reply was chosen among its siblings, on the counter of ids; absent: when it was made. */
  readonly chosen: Readonly<Record<number, number>>;
  /** The last id that was given. */
  readonly lastId: number;
}

/** One among siblings. */
export interface Sibling {
  /** From 1. */
  readonly number: number;
  readonly of: number;
}

/** A reply as it stands in its column. */
export interface Answer extends Sibling {
  readonly column: number;
  /** Null where this column has no reply to this message. */
  readonly reply: ReplyMessage | null;
}

/** A message of the active path with its replies, one per column in the columns' order. */
export interface Turn extends Sibling {
  readonly message: UserMessage;
  readonly answers: readonly Answer[];
}

/** An empty conversation with one column. */
export function newConversation(id: number, nowMs: number, like: Conversation | null = null): Conversation {
  return {
    id,
    title: null,
    startedMs: nowMs,
    changedMs: nowMs,
    systemPrompt: like?.systemPrompt ?? '',
    columns: like?.columns ?? [{ id: 1, speaker: null }],
    messages: [],
    replies: [],
    chosen: {},
    lastId: like?.lastId ?? 1,
  };
}

const MOST_TITLE_CHARS = 60;

/** What a conversation is called: its name, else how its first message begins. */
export function titleOf(conversation: Conversation): string {
  if (conversation.title !== null) return conversation.title;
  const text = pathOf(conversation)[0]?.message.text.trim().split('\n')[0] ?? '';
  if (text === '') return 'New conversation';
  return text.length > MOST_TITLE_CHARS ? `${text.slice(0, MOST_TITLE_CHARS - 1).trimEnd()}…` : text;
}

/** The branch that is shown, from the first message to the last. */
export function pathOf(conversation: Conversation): readonly Turn[] {
  const path: Turn[] = [];
  const active = new Map<number, number>();
  let after: number | null = null;
  for (;;) {
    const siblings = nextMessages(conversation, after, active);
    const message = latest(conversation, siblings);
    if (!message) return path;
    const answers = conversation.columns.map(({ id }): Answer => {
      const all = repliesTo(conversation, message.id, id);
      const reply = latest(conversation, all) ?? null;
      return { column: id, reply, number: reply ? all.indexOf(reply) + 1 : 0, of: all.length };
    });
    active.clear();
    for (const { column, reply } of answers) if (reply) active.set(column, reply.id);
    path.push({ message, answers, number: siblings.indexOf(message) + 1, of: siblings.length });
    after = message.id;
  }
}

/** The messages that follow one under the replies that are active. */
function nextMessages(
  { messages, columns }: Conversation,
  after: number | null,
  active: ReadonlyMap<number, number>,
): readonly UserMessage[] {
  // A message that was written before a column was added, or beside one that is gone, does not depend on it.
  const fits = ({ follows }: UserMessage) =>
    columns.every(({ id }) => follows[id] === undefined || follows[id] === active.get(id));
  return messages.filter((message) => message.after === after && fits(message));
}

function repliesTo({ replies }: Conversation, message: number, column: number): readonly ReplyMessage[] {
  return replies.filter((reply) => reply.to === message && reply.column === column);
}

function latest<T extends { readonly id: number }>({ chosen }: Conversation, all: readonly T[]): T | undefined {
  let best: T | undefined;
  for (const one of all) {
    if (!best || (chosen[one.id] ?? one.id) > (chosen[best.id] ?? best.id)) best = one;
  }
  return best;
}

/** Adds a message at the end of the active path. */
export function withMessage(
  conversation: Conversation,
  part: Pick<UserMessage, 'text' | 'mode'>,
): { readonly conversation: Conversation; readonly message: UserMessage } {
  return withMessageAfter(conversation, pathOf(conversation).at(-1) ?? null, part);
}

/** Writes a message of the active path anew, as a branch beside the old one; null where it is not on the path. */
export function withMessageInstead(
  conversation: Conversation,
  id: number,
  part: Pick<UserMessage, 'text' | 'mode'>,
): { readonly conversation: Conversation; readonly message: UserMessage } | null {
  const path = pathOf(conversation);
  const at = path.findIndex(({ message }) => message.id === id);
  return at < 0 ? null : withMessageAfter(conversation, path[at - 1] ?? null, part);
}

function withMessageAfter(conversation: Conversation, before: Turn | null, part: Pick<UserMessage, 'text' | 'mode'>) {
  const follows: Record<number, number> = {};
  for (const { column, reply } of before?.answers ?? []) if (reply) follows[column] = reply.id;
  const id = conversation.lastId + 1;
  const message: UserMessage = { id, after: before?.message.id ?? null, follows, ...part };
  return { conversation: { ...conversation, messages: [...conversation.messages, message], lastId: id }, message };
}

/** What is known of a reply when it is asked for. */
export type NewReply = Pick<ReplyMessage, 'to' | 'column' | 'speaker' | 'label' | 'recipe'>;

/** Adds a reply that is waited for; it becomes the active one among its siblings. */
export function withReply(
  conversation: Conversation,
  part: NewReply & Partial<ReplyMessage>,
): { readonly conversation: Conversation; readonly reply: ReplyMessage } {
  const id = conversation.lastId + 1;
  const reply: ReplyMessage = {
    phase: 'waiting',
    text: '',
    tokens: [],
    leftOut: 0,
    info: null,
    figures: null,
    fault: null,
    isEdited: false,
    ...part,
    id,
  };
  return { conversation: { ...conversation, replies: [...conversation.replies, reply], lastId: id }, reply };
}

/** Writes a reply in the speaker's place, as a branch beside the old one; null where there is no such reply. */
export function withReplyInstead(conversation: Conversation, id: number, text: string): Conversation | null {
  const old = conversation.replies.find((reply) => reply.id === id);
  if (!old) return null;
  const { to, column, speaker, label, recipe } = old;
  return withReply(conversation, { to, column, speaker, label, recipe, phase: 'done', text, isEdited: true })
    .conversation;
}

/** Changes a reply while it comes in. */
export function updateReply(conversation: Conversation, id: number, part: Partial<ReplyMessage>): Conversation {
  const { replies } = conversation;
  const at = replies.findIndex((reply) => reply.id === id);
  const old = replies[at];
  if (!old) return conversation;
  return { ...conversation, replies: replies.with(at, { ...old, ...part, id }) };
}

/** Goes `step` siblings on (-1 is back) from a message or reply; stops at the first and the last. */
export function withSibling(conversation: Conversation, id: number, step: number): Conversation {
  const siblings = siblingsOf(conversation, id);
  const at = siblings.findIndex((one) => one.id === id);
  const other = siblings[Math.max(0, Math.min(siblings.length - 1, at + step))];
  if (at < 0 || !other || other.id === id) return conversation;
  const lastId = conversation.lastId + 1;
  return { ...conversation, chosen: { ...conversation.chosen, [other.id]: lastId }, lastId };
}

function siblingsOf(conversation: Conversation, id: number): readonly { readonly id: number }[] {
  const reply = conversation.replies.find((one) => one.id === id);
  if (reply) return repliesTo(conversation, reply.to, reply.column);
  const turns = pathOf(conversation);
  const at = turns.findIndex(({ message }) => message.id === id);
  if (at < 0) return [];
  const before = turns[at - 1];
  const active = new Map((before?.answers ?? []).flatMap(({ column, reply: one }) => (one ? [[column, one.id]] : [])));
  return nextMessages(conversation, before?.message.id ?? null, active);
}

/** Without a message or reply and everything that follows from it. */
export function without(conversation: Conversation, id: number): Conversation {
  const gone = new Set([id]);
  // A child has a larger id than what it follows, so one pass in the order of ids finds all of them.
  const all = [...conversation.messages, ...conversation.replies].sort((a, b) => a.id - b.id);
  for (const one of all) {
    const parents = 'to' in one ? [one.to] : [one.after, ...Object.values(one.follows)];
    if (parents.some((parent) => parent !== null && gone.has(parent))) gone.add(one.id);
  }
  return {
    ...conversation,
    messages: conversation.messages.filter((one) => !gone.has(one.id)),
    replies: conversation.replies.filter((one) => !gone.has(one.id)),
    chosen: Object.fromEntries(Object.entries(conversation.chosen).filter(([key]) => !gone.has(Number(key)))),
  };
}

/** With another column at the end. */
export function withColumn(conversation: Conversation, speaker: Speaker | null): Conversation {
  const id = conversation.lastId + 1;
  return { ...conversation, columns: [...conversation.columns, { id, speaker }], lastId: id };
}

/** Without a column and its replies; the last column stays. */
export function withoutColumn(conversation: Conversation, id: number): Conversation {
  const columns = conversation.columns.filter((column) => column.id !== id);
  if (columns.length === 0) return conversation;
  return { ...conversation, columns, replies: conversation.replies.filter((reply) => reply.column !== id) };
}

/** With another speaker in a column; its replies stay. */
export function withSpeaker(conversation: Conversation, id: number, speaker: Speaker | null): Conversation {
  const columns = conversation.columns.map((column) => (column.id === id ? { ...column, speaker } : column));
  return { ...conversation, columns };
}

/**
 * What a column's speaker is given for a message of the active path: the system prompt if there is one, what came before,
 * the message. A column that was added later takes the first column's replies to what it was not asked; messages
 * whose reply failed are left out, as the template wants both.
 * @param skip how many of the oldest exchanges are left out.
 */
export function messagesFor(conversation: Conversation, id: number, column: number, skip = 0): readonly Message[] {
  const path = pathOf(conversation);
  const at = path.findIndex(({ message }) => message.id === id);
  const turn = path[at];
  if (!turn) return [];
  if (turn.message.mode === 'continue') return [{ role: 'user', content: turn.message.text }];
  const system = conversation.systemPrompt.trim() === '' ? [] : [systemMessage(conversation)];
  const before = exchangesOf(path.slice(0, at), column).slice(skip);
  return [...system, ...before.flat(), { role: 'user', content: turn.message.text }];
}

/** What a column would be sent if a text were written next; for the context meter. */
export function messagesForDraft(
  conversation: Conversation,
  draft: Pick<UserMessage, 'text' | 'mode'>,
  column: number,
  skip = 0,
): readonly Message[] {
  const { conversation: next, message } = withMessage(conversation, draft);
  return messagesFor(next, message.id, column, skip);
}

/** How many exchanges a column is sent before a message of the active path. */
export function exchangesBefore(conversation: Conversation, id: number, column: number): number {
  const path = pathOf(conversation);
  const at = path.findIndex(({ message }) => message.id === id);
  return exchangesOf(path.slice(0, Math.max(0, at)), column).length;
}

function systemMessage({ systemPrompt }: Conversation): Message {
  return { role: 'system', content: systemPrompt };
}

function exchangesOf(turns: readonly Turn[], column: number): readonly (readonly [Message, Message])[] {
  return turns.flatMap((turn): (readonly [Message, Message])[] => {
    if (turn.message.mode !== 'chat') return [];
    const own = turn.answers.find((answer) => answer.column === column);
    const lent = own?.of === 0 ? turn.answers.find(({ reply }) => reply?.phase === 'done') : undefined;
    const reply = (lent ?? own)?.reply;
    if (reply?.phase !== 'done') return [];
    return [
      [
        { role: 'user', content: turn.message.text },
        { role: 'assistant', content: reply.text },
      ],
    ];
  });
}

/** Whether a reply of the conversation is on its way. */
export function isUnderWay({ phase }: ReplyMessage): boolean {
  return phase !== 'done' && phase !== 'failed';
}
