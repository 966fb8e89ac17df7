/** The conversations of this browser: which is shown, and what can be done with them. */

import { Button, Popover, TextInput } from '@mantine/core';
import IconChevronDown from '@tabler/icons-react/dist/esm/icons/IconChevronDown.mjs';
import IconPencil from '@tabler/icons-react/dist/esm/icons/IconPencil.mjs';
import IconTrash from '@tabler/icons-react/dist/esm/icons/IconTrash.mjs';
import { useRef, useState } from 'react';
import { currentConversation, isReplying } from '../state/chat-store.ts';
import { type Conversation, titleOf } from '../state/conversation.ts';
import { plural } from '../state/figures.ts';
import { CommandButton } from './command-button.tsx';
import styles from './conversation-menu.module.css';
import { PopOut } from './pop-out.tsx';
import { SmallAction } from './small-action.tsx';
import { useChat, usePacedChat, useWorkbench } from './workbench-context.ts';

export function ConversationMenu() {
  const title = useChat((state) => titleOf(currentConversation(state)));
  const [isOpen, setOpen] = useState(false);
  return (
    <PopOut opened={isOpen} onChange={setOpen}>
      <Popover.Target>
        <Button
          className={styles.target ?? ''}
          variant="subtle"
          color="gray"
          size="compact-xs"
          rightSection={<IconChevronDown size={13} aria-hidden />}
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          aria-label={`Conversations: ${title}`}
          title={title}
          onClick={() => setOpen((was) => !was)}
        >
          {title}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <Menu onDone={() => setOpen(false)} />
      </Popover.Dropdown>
    </PopOut>
  );
}

function Menu({ onDone }: { onDone: () => void }) {
  const { chatFiles, commands } = useWorkbench();
  const conversations = usePacedChat((state) => state.conversations);
  const input = useRef<HTMLInputElement>(null);
  return (
    <div role="dialog" aria-label="Conversations" className={styles.menu}>
      <ul className={styles.list}>
        {conversations.map((conversation) => (
          <Entry key={conversation.id} conversation={conversation} onOpen={onDone} />
        ))}
      </ul>
      <p className={styles.note}>They stay in this browser.</p>
      <div className={styles.actions}>
        <CommandButton command={commands.exportMarkdown} variant="subtle" size="compact-xs" />
        <CommandButton command={commands.exportJson} variant="subtle" size="compact-xs" />
        <Button variant="subtle" size="compact-xs" onClick={() => input.current?.click()}>
          Import from JSON
        </Button>
        <input
          ref={input}
          type="file"
          accept=".json,application/json"
          aria-label="Import a conversation"
          className={styles.file}
          tabIndex={-1}
          onChange={(event) => {
            const [file] = event.currentTarget.files ?? [];
            event.currentTarget.value = '';
            onDone();
            if (file) void chatFiles.importFrom(file);
          }}
        />
      </div>
    </div>
  );
}

function Entry({ conversation, onOpen }: { conversation: Conversation; onOpen: () => void }) {
  const { chat } = useWorkbench();
  const isShown = useChat((state) => state.current === conversation.id);
  const isBusy = useChat(isReplying);
  const [draft, setDraft] = useState<string | null>(null);
  const title = titleOf(conversation);
  const rename = () => {
    if (draft !== null) chat.rename(conversation.id, draft);
    setDraft(null);
  };
  if (draft !== null) {
    return (
      <li className={styles.entry}>
        <TextInput
          className={styles.name ?? ''}
          aria-label="Name of the conversation"
          ref={takeFocus}
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onBlur={rename}
          onKeyDown={(event) => {
            if (event.key === 'Enter') rename();
            else if (event.key === 'Escape') {
              event.stopPropagation();
              setDraft(null);
            }
          }}
        />
      </li>
    );
  }
  return (
    <li className={styles.entry} data-shown={isShown || undefined}>
      <button
        type="button"
        className={styles.open}
        aria-current={isShown}
        disabled={isBusy && !isShown}
        onClick={() => {
          chat.open(conversation.id);
          onOpen();
        }}
      >
        <span className={styles.title}>{title}</span>
        <span className={styles.facts}>
          {whenOf(conversation.changedMs)}
          {conversation.messages.length > 0 && ` · ${plural(conversation.messages.length, 'message')}`}
        </span>
      </button>
      <SmallAction name={`Rename ${title}`} icon={IconPencil} onClick={() => setDraft(title)} />
      <SmallAction
        name={`Delete ${title}`}
        icon={IconTrash}
        isDisabled={isBusy}
        onClick={() => void chat.delete(conversation.id)}
      />
    </li>
  );
}

/** The time of today, or the day. */
function whenOf(ms: number): string {
  const when = new Date(ms);
  const isToday = when.toDateString() === new Date().toDateString();
  return isToday
    ? when.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
    : when.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}

function takeFocus(field: HTMLInputElement | null): void {
  field?.focus();
}
