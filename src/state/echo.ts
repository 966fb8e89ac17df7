/**
 * Echo: a change of the weights that is heard at once: while it is on, every new live blend answers the last message
 * again. The newest wins, and each answer of its own takes the place of the one before, so that no branches pile up.
 * Not the blend that follows a change (`follow.ts`), not the replies themselves (`chat-store.ts`).
 */

import { createStore, type StoreApi } from 'zustand/vanilla';
import { type Chat, canSend, currentConversation, isReplying } from './chat-store.ts';
import { type Conversation, pathOf, type ReplyMessage } from './conversation.ts';
import type { Studio } from './studio.ts';

/** After a blend this long is waited for the next one: while a slider moves, they come one after another. */
const PAUSE_MS = 150;

export interface Echo {
  readonly store: StoreApi<{ readonly isOn: boolean }>;
  readonly setOn: (isOn: boolean) => void;
}

/** What would be answered again: the last message and the replies of the blend to it; null where there are none. */
function lastHeard(
  conversation: Conversation,
): { readonly message: number; readonly replies: readonly ReplyMessage[] } | null {
  const turn = pathOf(conversation).at(-1);
  const replies = (turn?.answers ?? []).flatMap(({ reply }) =>
    reply !== null && reply.speaker.kind === 'blend' && !reply.isEdited ? [reply] : [],
  );
  return turn && replies.length > 0 ? { message: turn.message.id, replies } : null;
}

/** Makes the echo of a studio in its chat; off at first. */
export function createEcho(studio: Studio, chat: Chat): Echo {
  const store = createStore<{ readonly isOn: boolean }>()(() => ({ isOn: false }));
  /** Replies that came of this, by id, of one conversation. */
  let own: { readonly conversation: number; readonly replies: Set<number> } = { conversation: 0, replies: new Set() };
  /** Whether a blend is waiting for its answer. */
  let isDue = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const answer = async () => {
    timer = undefined;
    const state = chat.store.getState();
    // The reply that is under way ends first; then this is asked again.
    if (!isDue || isReplying(state)) return;
    isDue = false;
    const isTyping = state.draft !== '' || state.editing !== null;
    const conversation = currentConversation(state);
    const heard = lastHeard(conversation);
    if (!store.getState().isOn || isTyping || !heard || !canSend(state, studio.store.getState())) return;
    if (own.conversation !== conversation.id) own = { conversation: conversation.id, replies: new Set() };
    for (const { column, id } of heard.replies) {
      if (own.replies.delete(id)) chat.remove(id);
      const done = chat.regenerate({ message: heard.message, column });
      for (const reply of chat.store.getState().replying) own.replies.add(reply);
      await done;
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void answer(), PAUSE_MS);
  };

  studio.store.subscribe(({ blend }, before) => {
    // The first blend changes nothing that was heard.
    if (blend === before.blend || blend === null || before.blend === null || !store.getState().isOn) return;
    isDue = true;
    soon();
  });

  chat.store.subscribe(({ replying }, before) => {
    if (isDue && replying.length === 0 && before.replying.length > 0) soon();
  });

  return { store, setOn: (isOn) => store.setState({ isOn }) };
}
