/** Chat commands: what the chat's buttons and shortcuts do, for the palette and the help as well. */

import { type ChatFiles, lastReplies } from './chat-files.ts';
import { type Chat, canSend, currentConversation, isReplying } from './chat-store.ts';
import type { Command } from './commands.ts';
import { pathOf } from './conversation.ts';
import type { Studio } from './studio.ts';

/** The chat's commands. */
export function chatCommands(studio: Studio, chat: Chat, files: ChatFiles): readonly Command[] {
  const state = studio.store.getState;
  const conversation = () => currentConversation(chat.store.getState());
  const hasMessages = () => conversation().messages.length > 0;
  const isIdle = () => !isReplying(chat.store.getState());
  const chatObstacle = () => {
    if (!hasMessages()) return 'There is no message yet.';
    if (!isIdle()) return 'A reply is on its way.';
    return canSend(chat.store.getState(), state()) ? null : 'Nobody can talk; open a checkpoint or press Merge.';
  };
  return [
    {
      name: 'stop',
      group: 'Chat',
      label: 'Stop',
      shortcut: 'Escape',
      isEnabled: () => isReplying(chat.store.getState()),
      obstacle: () => 'No reply is on its way.',
      perform: () => chat.stop(),
    },
    {
      name: 'regenerate',
      group: 'Chat',
      label: 'Regenerate',
      shortcut: 'mod+shift+Enter',
      isEnabled: () => hasMessages() && canSend(chat.store.getState(), state()),
      obstacle: chatObstacle,
      perform: () => chat.regenerate(),
    },
    {
      name: 'editLast',
      group: 'Chat',
      label: 'Edit last message',
      shortcut: null,
      isEnabled: () => hasMessages() && isIdle(),
      obstacle: chatObstacle,
      perform: () => chat.startEditing(pathOf(conversation()).at(-1)?.message.id ?? null),
    },
    {
      name: 'copyReply',
      group: 'Chat',
      label: 'Copy reply',
      shortcut: null,
      isEnabled: () => lastReplies(conversation()).length > 0,
      obstacle: () => 'There is no reply yet.',
      perform: () => files.copy(),
    },
    {
      name: 'newConversation',
      group: 'Chat',
      label: 'New chat',
      shortcut: 'mod+shift+O',
      isEnabled: () => hasMessages() && isIdle(),
      obstacle: chatObstacle,
      perform: () => chat.begin(),
    },
    {
      name: 'exportJson',
      group: 'Chat',
      label: 'Export as JSON',
      shortcut: null,
      isEnabled: hasMessages,
      obstacle: () => (hasMessages() ? null : 'There is no message yet.'),
      perform: () => files.exportAs('json'),
    },
    {
      name: 'exportMarkdown',
      group: 'Chat',
      label: 'Export as Markdown',
      shortcut: null,
      isEnabled: hasMessages,
      obstacle: () => (hasMessages() ? null : 'There is no message yet.'),
      perform: () => files.exportAs('markdown'),
    },
    {
      name: 'clearChat',
      group: 'Chat',
      label: 'Clear chat',
      shortcut: null,
      isEnabled: () => hasMessages() && isIdle(),
      obstacle: chatObstacle,
      perform: () => chat.clear(),
    },
  ];
}
