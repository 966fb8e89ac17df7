/** ChatFiles: conversations out of the page and into it: as files, and on the clipboard. Not their form: `conversation-files.ts`. */

import { MalformedFault, toReport } from '../bytes/fault.ts';
import { type Chat, currentConversation } from './chat-store.ts';
import { pathOf, titleOf } from './conversation.ts';
import {
  conversationFileName,
  conversationJson,
  conversationMarkdown,
  MAX_CONVERSATION_CHARS,
  readConversation,
} from './conversation-files.ts';
import type { Output } from './output.ts';
import type { Studio } from './studio.ts';
import type { Surroundings } from './surroundings.ts';

export interface ChatFiles {
  /** Hands the current conversation over as a download: all of it as JSON, or what is shown as Markdown. */
  readonly exportAs: (kind: 'json' | 'markdown') => void;
  /** Takes a conversation in from its JSON file and shows it; says in the status line what came of it. */
  readonly importFrom: (file: File) => Promise<void>;
  /** Puts the text of a message or reply on the clipboard; of the last replies where none is named. */
  readonly copy: (id?: number) => Promise<void>;
}

/** Makes it beside a chat. */
export function createChatFiles(studio: Studio, chat: Chat, output: Output, surroundings: Surroundings): ChatFiles {
  const current = () => currentConversation(chat.store.getState());
  return {
    exportAs(kind) {
      const own = current();
      const isJson = kind === 'json';
      const name = conversationFileName(own, isJson ? 'json' : 'md');
      const text = isJson ? conversationJson(own) : conversationMarkdown(own);
      surroundings.download(new File([text], name, { type: isJson ? 'application/json' : 'text/markdown' }), name);
    },
    async importFrom(file) {
      try {
        // A character has at most three bytes in UTF-8 for one unit in UTF-16.
        if (file.size > 3 * MAX_CONVERSATION_CHARS) {
          throw new MalformedFault(`${file.name} is too long to be a conversation; choose another file.`);
        }
        const taken = readConversation(await file.text(), file.name);
        chat.take([taken], true);
        studio.store.setState({ outcome: { tone: 'good', sentence: `Opened the conversation “${titleOf(taken)}”.` } });
      } catch (thrown) {
        studio.store.setState({ fault: toReport(thrown) });
      }
    },
    async copy(id) {
      const own = current();
      if (id !== undefined) {
        const one = own.replies.find((reply) => reply.id === id) ?? own.messages.find((message) => message.id === id);
        if (one) await output.copy(one.text, 'to' in one ? 'The reply' : 'The message');
        return;
      }
      const replies = lastReplies(own);
      if (replies.length === 1) await output.copy(replies[0]?.text ?? '', 'The reply');
      else if (replies.length > 1) {
        await output.copy(replies.map(({ label, text }) => `${label}:\n${text}`).join('\n\n'), 'The replies');
      }
    },
  };
}

/** The finished replies to the last message. */
export function lastReplies(own: ReturnType<typeof currentConversation>) {
  const answers = pathOf(own).at(-1)?.answers ?? [];
  return answers.flatMap(({ reply }) => (reply?.phase === 'done' ? [reply] : []));
}
