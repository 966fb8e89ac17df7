/**
 * ChatKeeping: conversations kept in this browser from one visit to the next, on this machine and nowhere else. Where the
 * browser lets a page keep nothing they live as long as the page; that is no error. Bounded: of the oldest
 * conversations first the tokens' probabilities go, then the conversations themselves.
 */

import { type Chat, currentConversation, isReplying } from './chat-store.ts';
import type { Conversation } from './conversation.ts';
import { conversationOf, conversationValue } from './conversation-files.ts';
import type { Visit } from './visit.ts';

/** A browser's store of texts by key; both may reject, as in a private window. */
export interface TextStore {
  readonly read: (key: string) => Promise<string | null>;
  readonly write: (key: string, text: string) => Promise<void>;
}

const KEY = 'conversations';
const VERSION = 1;
/** Most that is kept, in UTF-16 units. */
const MOST_CHARS = 8 * 2 ** 20;
const MOST_CONVERSATIONS = 200;
/** Of the conversation that is left with the page, beside the workspace in a place that holds some five million. */
const MOST_TAB_CHARS = 2 ** 20;
/** Changes are written after this pause. */
const PAUSE_MS = 1000;

/** The conversations as one text that is not too long, the newest change first. */
export function keptText(conversations: readonly Conversation[], mostChars: number = MOST_CHARS): string {
  const newest = conversations
    .filter(({ messages }) => messages.length > 0)
    .sort((a, b) => b.changedMs - a.changedMs)
    .slice(0, MOST_CONVERSATIONS);
  const kept: string[] = [];
  let room = mostChars;
  for (const own of newest) {
    let text = JSON.stringify(conversationValue(own));
    if (text.length > room) {
      text = JSON.stringify(
        conversationValue({ ...own, replies: own.replies.map((reply) => ({ ...reply, tokens: [] })) }),
      );
    }
    if (text.length > room) continue;
    kept.push(text);
    room -= text.length + 1;
  }
  return `{"version":${VERSION},"conversations":[${kept.join(',')}]}`;
}

/** The conversations of a kept text; those that cannot be read are left out. */
export function readKept(text: string): readonly Conversation[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const { version, conversations } = value as { readonly version?: unknown; readonly conversations?: unknown };
  if (version !== VERSION || !Array.isArray(conversations)) return [];
  return conversations.slice(0, MOST_CONVERSATIONS).flatMap((one) => {
    const made = conversationOf(one);
    return typeof made === 'string' ? [] : [made];
  });
}

/** The keeping that goes on. */
export interface KeptConversations {
  /** Resolves when what was kept is taken in. */
  readonly ready: Promise<void>;
  /** Writes what waits to be written; the page may be about to go. */
  readonly flush: () => void;
  readonly stop: () => void;
}

/**
 * Takes in what was kept, then keeps what changes.
 * @param visit where the last words go when the page does: the store may be too slow for that.
 */
export function keepConversations(
  chat: Chat,
  store: TextStore,
  visit: Pick<Visit, 'talk' | 'wasReloaded'> | null = null,
): KeptConversations {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  /** Writes that the store has not confirmed. */
  let writing = 0;
  const keep = () => {
    timer = undefined;
    // A reply changes the conversation with every token; it is kept when it has ended.
    if (isReplying(chat.store.getState())) return;
    writing++;
    store
      .write(KEY, keptText(chat.store.getState().conversations))
      .catch(() => undefined)
      .finally(() => writing--);
  };
  let stopListening = () => {};
  const begin = async () => {
    const text = await store.read(KEY).catch(() => null);
    if (isStopped) return;
    const ofTab = visit?.wasReloaded ? readKept(visit.talk.read() ?? '') : [];
    visit?.talk.write(null);
    const isNewer = ({ startedMs }: Conversation) => ofTab.some((own) => own.startedMs === startedMs);
    const kept = text === null ? [] : readKept(text).filter((own) => !isNewer(own));
    if (ofTab.length + kept.length > 0) chat.take([...ofTab, ...kept], false);
    if (ofTab.length > 0) keep();
    stopListening = chat.store.subscribe((state, before) => {
      if (state.conversations === before.conversations && state.replying === before.replying) return;
      clearTimeout(timer);
      timer = setTimeout(keep, PAUSE_MS);
    });
  };
  return {
    ready: begin(),
    flush() {
      const state = chat.store.getState();
      const isOwed = timer !== undefined || writing > 0 || isReplying(state);
      visit?.talk.write(isOwed ? keptText([currentConversation(state)], MOST_TAB_CHARS) : null);
      if (timer === undefined) return;
      clearTimeout(timer);
      keep();
    },
    stop() {
      isStopped = true;
      stopListening();
      clearTimeout(timer);
    },
  };
}
