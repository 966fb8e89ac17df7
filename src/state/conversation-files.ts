/**
 * Conversation files: a conversation as a file and back. JSON holds all of it, branches and tokens too, in a form with
 * a version; Markdown is what is shown, for reading. Files come from anywhere: every length is bounded and every link
 * between messages is checked before a conversation is made of them.
 */

import * as z from 'zod';
import { MalformedFault, UnsupportedFault } from '../bytes/fault.ts';
// Sets zod up without `new Function`, before the schemas below are built.
import '../recipe/parameter-value.ts';
import { type Conversation, type ReplyMessage, isUnderWay, pathOf, titleOf } from './conversation.ts';

const KIND = 'fusewright-conversation';
const VERSION = 1;

/** The longest file that is read, in UTF-16 units. */
export const MAX_CONVERSATION_CHARS = 32 * 2 ** 20;
const MOST_MESSAGES = 10_000;
const MOST_COLUMNS = 16;
const MOST_TEXT = 2 ** 20;
const MOST_TOKENS = 100_000;
const MOST_ALTERNATIVES = 20;

const id = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const text = z.string().max(MOST_TEXT);
const name = z.string().max(1000);
const figure = z.number().min(0);
const probability = z.number().min(0).max(1);

const speaker = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('blend') }),
  z.object({ kind: z.literal('checkpoint'), name }),
  z.object({ kind: z.literal('recipe'), label: name, text }),
]);

const choice = z.object({ token: id, text: name, probability });
const token = choice.extend({ alternatives: z.array(choice).max(MOST_ALTERNATIVES) });

const info = z.object({
  modelType: name,
  contextTokens: figure,
  hasChatTemplate: z.boolean(),
  provider: z.enum(['webgpu', 'wasm']),
  precision: z.enum(['f32', 'q8', 'q4']),
  weightBytes: figure,
  reason: name,
});

const figures = z.object({
  tokens: figure,
  promptTokens: figure,
  readTokens: figure,
  stoppedBy: z.enum(['end', 'stop', 'length', 'user']),
  msToFirstToken: figure,
  tokensPerSecond: figure,
  blend: z.number().int().nullable(),
});

const fault = z.object({
  code: z.enum([
    'malformed',
    'missing',
    'unsupported',
    'mismatch',
    'recipe',
    'budget',
    'device',
    'output',
    'cancelled',
    'defect',
  ]),
  message: z.string().max(10_000),
});

const reply = z.object({
  id,
  to: id,
  column: id,
  speaker,
  label: name,
  recipe: text.nullable(),
  phase: z.enum(['done', 'failed']),
  text,
  tokens: z.array(token).max(MOST_TOKENS),
  leftOut: figure,
  info: info.nullable(),
  figures: figures.nullable(),
  fault: fault.nullable(),
  isEdited: z.boolean(),
});

const message = z.object({
  id,
  after: id.nullable(),
  follows: z.record(z.string().regex(/^\d+$/), id),
  text,
  mode: z.enum(['chat', 'continue']),
});

const conversation = z.object({
  title: name.nullable(),
  startedMs: figure,
  changedMs: figure,
  systemPrompt: text,
  columns: z
    .array(z.object({ id, speaker: speaker.nullable() }))
    .min(1)
    .max(MOST_COLUMNS),
  messages: z.array(message).max(MOST_MESSAGES),
  replies: z.array(reply).max(MOST_MESSAGES),
  chosen: z.record(z.string().regex(/^\d+$/), id),
});

const head = z.object({ kind: z.literal(KIND), version: z.number().int() });

/** A conversation as a value for JSON. A reply that is still on its way is left as far as it has come. */
export function conversationValue(own: Conversation): unknown {
  const { title, startedMs, changedMs, systemPrompt, columns, messages, chosen } = own;
  const replies = own.replies.map((one) => ({ ...one, phase: isUnderWay(one) ? 'done' : one.phase }));
  return { title, startedMs, changedMs, systemPrompt, columns, messages, replies, chosen };
}

/** A conversation as a JSON file's text. */
export function conversationJson(own: Conversation): string {
  return `${JSON.stringify({ kind: KIND, version: VERSION, conversation: conversationValue(own) }, null, 1)}\n`;
}

/**
 * Reads a conversation's JSON file; its id is 0.
 * @throws MalformedFault where it is none or its parts do not fit together, UnsupportedFault where it is of a newer
 *   version.
 */
export function readConversation(fileText: string, fileName: string): Conversation {
  const spoilt = (what: string) =>
    new MalformedFault(`${fileName} is no conversation that Fusewright saved (${what}); choose another file.`);
  if (fileText.length > MAX_CONVERSATION_CHARS) throw spoilt('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(fileText);
  } catch {
    throw spoilt('it is not JSON');
  }
  const file = head.safeParse(value);
  if (!file.success) throw spoilt(`"kind" is not "${KIND}"`);
  if (file.data.version !== VERSION) {
    throw new UnsupportedFault(
      `${fileName} is of version ${file.data.version} of the format and this Fusewright reads version ${VERSION}; open it with a newer one.`,
    );
  }
  const made = conversationOf((value as { readonly conversation?: unknown }).conversation);
  if (typeof made === 'string') throw spoilt(made);
  return made;
}

/** A conversation from a value that came out of JSON, or what is wrong with it. Its id is 0. */
export function conversationOf(value: unknown): Conversation | string {
  const parsed = conversation.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return `"${issue?.path.join('.') ?? ''}" is not as it should be`;
  }
  const { data } = parsed;
  const messages = new Set(data.messages.map((one) => one.id));
  const replies = new Map(data.replies.map((one) => [one.id, one]));
  const columns = data.columns.map((one) => one.id);
  const all = [...messages, ...replies.keys(), ...columns];
  if (new Set(all).size !== data.messages.length + data.replies.length + columns.length) return 'two parts have one id';
  // What follows has the larger id: that is how parts were made, and it rules circles out.
  for (const { id: own, after, follows } of data.messages) {
    if (after !== null && (after >= own || !messages.has(after))) return `message ${own} follows nothing`;
    for (const followed of Object.values(follows)) {
      if (followed >= own || replies.get(followed)?.to !== after) return `message ${own} follows no reply`;
    }
  }
  for (const { id: own, to } of data.replies) {
    if (to >= own || !messages.has(to)) return `reply ${own} answers nothing`;
  }
  const stamps = Object.values(data.chosen);
  return {
    ...data,
    id: 0,
    replies: data.replies.map(({ fault: why, ...rest }) => ({ ...rest, fault: why ? { ...why, details: {} } : null })),
    lastId: [...all, ...stamps].reduce((most, one) => Math.max(most, one), 0),
  };
}

/** What is shown of a conversation, as Markdown: the active branch with its columns. */
export function conversationMarkdown(own: Conversation): string {
  const parts = [`# ${titleOf(own).replaceAll('\n', ' ')}`];
  if (own.systemPrompt.trim() !== '') parts.push('**System**', own.systemPrompt.trim());
  for (const { message: said, answers } of pathOf(own)) {
    parts.push('**You**', said.text);
    for (const { reply: one } of answers) {
      if (one) parts.push(`**${headOf(one)}**`, bodyOf(one, said.mode === 'continue' ? said.text : ''));
    }
  }
  return `${parts.join('\n\n')}\n`;
}

function headOf({ label, figures: known, isEdited, info: ran }: ReplyMessage): string {
  const blend = known?.blend === null || known?.blend === undefined ? '' : `, blend ${known.blend}`;
  const precision = ran === null ? '' : `, ${ran.precision}`;
  return `${label}${blend}${precision}${isEdited ? ', edited' : ''}`;
}

function bodyOf({ text: said, fault: why }: ReplyMessage, before: string): string {
  return why && said === '' ? `_${why.message}_` : `${before}${said}`;
}

/** A name for a conversation's file, without what file systems refuse. */
export function conversationFileName(own: Conversation, extension: 'json' | 'md'): string {
  const plain = titleOf(own)
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 50);
  return `${plain === '' ? 'conversation' : plain}.${extension}`;
}
