/** The chat: whom to talk to, the conversation, the message and how replies are drawn. */

import { Button, NativeSelect, Textarea } from '@mantine/core';
import IconPlayerStop from '@tabler/icons-react/dist/esm/icons/IconPlayerStop.mjs';
import IconSend from '@tabler/icons-react/dist/esm/icons/IconSend.mjs';
import { type KeyboardEvent, useState } from 'react';
import { currentMode, currentSpeaker, isReplying, speakerChoices, speakerKey } from '../state/chat-store.ts';
import { ChatLog } from './chat-log.tsx';
import styles from './chat-panel.module.css';
import { ChatSettingsForm } from './chat-settings-form.tsx';
import { CommandButton } from './command-button.tsx';
import { useChat, useStudio, useWorkbench } from './workbench-context.ts';

export function ChatPanel() {
  const { chat, commands } = useWorkbench();
  const [draft, setDraft] = useState('');
  const studioState = useStudio((state) => state);
  const chatState = useChat((state) => state);
  const choices = speakerChoices(studioState);
  const speaker = currentSpeaker(chatState, studioState);
  const mode = currentMode(chatState, studioState);
  const busy = isReplying(chatState);
  const canSend = speaker !== null && speaker.obstacle === null && !busy;
  const prompts = studioState.samples?.try ?? [];

  const send = (prompt: string) => {
    if (!canSend || prompt.trim() === '') return;
    setDraft('');
    void chat.send(prompt);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.ctrlKey || event.metaKey || event.nativeEvent.isComposing)
      return;
    event.preventDefault();
    send(draft);
  };

  return (
    <section className={styles.section}>
      <div className={styles.head}>
        <h2>Chat</h2>
        <CommandButton command={commands.regenerate} variant="subtle" size="compact-xs" />
        <CommandButton command={commands.clearChat} variant="subtle" size="compact-xs" />
      </div>
      <NativeSelect
        label="Talk to"
        value={speakerKey(speaker?.speaker ?? null)}
        disabled={choices.length < 2}
        onChange={(event) => {
          const choice = choices.find((c) => speakerKey(c.speaker) === event.currentTarget.value);
          if (choice) chat.choose(choice.speaker);
        }}
        data={[
          ...(speaker ? [] : [{ value: '', label: 'Nobody yet', disabled: true }]),
          ...choices.map(({ speaker: s, label, obstacle }) => ({
            value: speakerKey(s),
            label,
            disabled: obstacle !== null,
          })),
        ]}
      />
      <p className={styles.note}>
        {whoSentence(
          speaker?.speaker.kind === 'blend' ? 'the merged model' : (speaker?.label ?? null),
          speaker?.obstacle ?? null,
          speaker?.hasChatTemplate ?? true,
        )}
      </p>
      <ChatLog />
      {prompts.length > 0 && (
        <ul className={styles.prompts} aria-label="Questions to try">
          {prompts.map((prompt) => (
            <li key={prompt}>
              <Button variant="default" size="compact-xs" disabled={!canSend} onClick={() => send(prompt)}>
                {prompt}
              </Button>
            </li>
          ))}
        </ul>
      )}
      <div className={styles.compose}>
        <Textarea
          className={styles.message ?? ''}
          aria-label="Message"
          placeholder={mode === 'continue' ? 'Begin a text…' : 'Ask something…'}
          autosize
          minRows={2}
          maxRows={8}
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <div className={styles.buttons}>
          <Button
            leftSection={<IconSend size={14} aria-hidden />}
            disabled={!canSend || draft.trim() === ''}
            onClick={() => send(draft)}
          >
            Send
          </Button>
          <CommandButton command={commands.stop} variant="default" icon={<IconPlayerStop size={14} aria-hidden />} />
        </div>
      </div>
      <ChatSettingsForm hasTemplate={speaker?.hasChatTemplate ?? true} isContinuation={mode === 'continue'} />
    </section>
  );
}

function whoSentence(label: string | null, obstacle: string | null, hasTemplate: boolean): string {
  if (label === null) return 'Open a checkpoint with its config and tokenizer to talk to it.';
  if (obstacle !== null) return obstacle;
  return hasTemplate
    ? `Replies come from ${label}, on this machine.`
    : `${label} has no chat template: it continues your text (continuation mode).`;
}
