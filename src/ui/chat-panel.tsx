/** The chat: whom it is with, the conversation, the message that is written, how replies are drawn. */

import { Button, Switch } from '@mantine/core';
import IconArrowsMaximize from '@tabler/icons-react/dist/esm/icons/IconArrowsMaximize.mjs';
import IconArrowsMinimize from '@tabler/icons-react/dist/esm/icons/IconArrowsMinimize.mjs';
import IconMessagePlus from '@tabler/icons-react/dist/esm/icons/IconMessagePlus.mjs';
import IconPlayerStop from '@tabler/icons-react/dist/esm/icons/IconPlayerStop.mjs';
import IconSend from '@tabler/icons-react/dist/esm/icons/IconSend.mjs';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { useStore } from 'zustand';
import {
  canSend,
  columnSpeaker,
  currentConversation,
  currentMode,
  isReplying,
  type SpeakerChoice,
} from '../state/chat-store.ts';
import { nobodySentence } from '../state/speaker-choices.ts';
import { firstQuestionSentence } from '../state/first-question.ts';
import { GrowingTextarea } from './growing-textarea.tsx';
import { ChatLog } from './chat-log.tsx';
import styles from './chat-panel.module.css';
import { ChatSettingsForm } from './chat-settings-form.tsx';
import { CommandButton, CommandIcon } from './command-button.tsx';
import { ContextMeter } from './context-meter.tsx';
import { ConversationMenu } from './conversation-menu.tsx';
import { PerplexityPanel } from './perplexity-panel.tsx';
import { SmallAction } from './small-action.tsx';
import { SpeakerColumns } from './speaker-columns.tsx';
import { TokenLegend } from './token-text.tsx';
import { useChat, useColumns, useStudio, useWorkbench } from './workbench-context.ts';

interface ChatPanelProps {
  /** Whether it has the place of the weights map, too. */
  readonly isWide: boolean;
  readonly onWide: (isWide: boolean) => void;
}

export function ChatPanel({ isWide, onWide }: ChatPanelProps) {
  const { chat, commands } = useWorkbench();
  const [wantsMarkdown, setMarkdown] = useState(true);
  const wantsProbabilities = useChat((state) => state.settings.wantsAlternatives);
  const studioState = useStudio((state) => state);
  const columns = useColumns();
  const mode = useChat((state) => currentMode(state, studioState));
  const isReady = useChat((state) => canSend(state, studioState));
  const speakers = columns.map((column) => columnSpeaker(chat.store.getState(), studioState, column));
  const hasTemplate = speakers.every((own) => own === null) || speakers.some((own) => own?.hasChatTemplate);
  useEffect(() => {
    // The first reply needs it; nobody waits for it then.
    void import('./reply-markdown.tsx').catch(() => undefined);
  }, []);

  return (
    <section className={styles.section} data-wide={isWide || undefined} aria-label="Conversation">
      <div className={styles.main}>
        <div className={styles.head}>
          <h2>Chat</h2>
          <div className={styles.which}>
            <ConversationMenu />
          </div>
          <CommandIcon command={commands.newConversation} icon={<IconMessagePlus size={16} aria-hidden />} />
          <span className={styles.wide}>
            <SmallAction
              name="Wide chat"
              icon={isWide ? IconArrowsMinimize : IconArrowsMaximize}
              isPressed={isWide}
              onClick={() => onWide(!isWide)}
            />
          </span>
        </div>
        <SpeakerColumns />
        <Who speakers={speakers} />
        <ChatLog view={wantsProbabilities ? 'tokens' : wantsMarkdown ? 'markdown' : 'plain'} />
        {wantsProbabilities && <TokenLegend />}
        <div className={styles.tools}>
          <CommandButton command={commands.regenerate} variant="subtle" size="compact-xs" />
          <CommandButton command={commands.clearChat} variant="subtle" size="compact-xs" />
          <Switch
            label="Markdown"
            checked={wantsMarkdown && !wantsProbabilities}
            disabled={wantsProbabilities}
            onChange={(event) => setMarkdown(event.currentTarget.checked)}
          />
          <Switch
            label="Show probabilities"
            title="How likely the model found each token, and what else it could have said. Replies from now on tell the alternatives."
            checked={wantsProbabilities}
            onChange={(event) => chat.change({ wantsAlternatives: event.currentTarget.checked })}
          />
        </div>
        <Questions isReady={isReady} />
        <Compose isReady={isReady} mode={mode} />
        <ContextMeter />
      </div>
      <div className={styles.side}>
        <ChatSettingsForm hasTemplate={hasTemplate ?? true} isContinuation={mode === 'continue'} />
        <PerplexityPanel />
      </div>
    </section>
  );
}

function Questions({ isReady }: { isReady: boolean }) {
  const { chat } = useWorkbench();
  const prompts = useStudio((state) => state.samples?.try);
  const hasBegun = useChat((state) => currentConversation(state).messages.length > 0);
  if (!prompts || prompts.length === 0) return null;
  return (
    <ul className={styles.prompts} data-one-line={hasBegun || undefined} aria-label="Questions to try">
      {prompts.map((prompt) => (
        <li key={prompt}>
          <Button variant="default" size="compact-xs" disabled={!isReady} onClick={() => void chat.send(prompt)}>
            {prompt}
          </Button>
        </li>
      ))}
    </ul>
  );
}

function Compose({ isReady, mode }: { isReady: boolean; mode: 'chat' | 'continue' }) {
  const { chat, commands } = useWorkbench();
  const draft = useChat((state) => state.draft);
  const isBusy = useChat(isReplying);
  const send = () => {
    if (!isReady || draft.trim() === '') return;
    chat.setDraft('');
    void chat.send(draft);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.ctrlKey || event.metaKey || event.nativeEvent.isComposing)
      return;
    event.preventDefault();
    send();
  };
  return (
    <div className={styles.compose}>
      <GrowingTextarea
        className={styles.message ?? ''}
        aria-label="Message"
        placeholder={mode === 'continue' ? 'Begin a text…' : 'Ask something…'}
        minRows={2}
        maxRows={8}
        value={draft}
        onChange={(event) => chat.setDraft(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div className={styles.buttons}>
        <Button
          leftSection={<IconSend size={14} aria-hidden />}
          disabled={!isReady || draft.trim() === ''}
          title={isBusy ? 'A reply is on its way.' : 'Enter; Shift+Enter begins a new line'}
          onClick={send}
        >
          Send
        </Button>
        <CommandButton command={commands.stop} variant="default" icon={<IconPlayerStop size={14} aria-hidden />} />
      </div>
    </div>
  );
}

/** Where replies come from, or why none can come. */
function Who({ speakers }: { speakers: readonly (SpeakerChoice | null)[] }) {
  const { firstQuestion } = useWorkbench();
  const engine = useStudio((state) => state.engine);
  const nobody = useStudio(nobodySentence);
  const showcase = useStudio((state) => state.samples?.showcase);
  const phase = useStore(firstQuestion.store, (state) => state.phase);
  const told = firstQuestionSentence(phase, showcase);
  const note = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // On a phone the chat is far below: somebody who has not moved yet is brought to the answer.
    const isBelow = (note.current?.getBoundingClientRect().top ?? 0) > window.innerHeight;
    if (phase === 'asking' && isBelow && window.scrollY === 0) note.current?.scrollIntoView({ block: 'start' });
  }, [phase]);
  const [first] = speakers;
  const obstacles = speakers.flatMap((own) => (own?.obstacle ? [{ label: own.label, obstacle: own.obstacle }] : []));
  const where = engine?.place === 'cpu' ? 'on this machine’s CPU' : 'on this machine';
  if (told !== null) {
    return (
      <div ref={note} className={styles.note}>
        {told}
      </div>
    );
  }
  return (
    <div className={styles.note}>
      {!first && nobody}
      {obstacles.map(({ label, obstacle }) => (
        <div key={label} className={styles.obstacle}>
          {obstacle.includes(label) || speakers.length === 1 ? obstacle : `${label}: ${obstacle}`}
        </div>
      ))}
      {first && obstacles.length < speakers.length && whoSentence(speakers, where)}
    </div>
  );
}

function whoSentence(speakers: readonly (SpeakerChoice | null)[], where: string): string {
  const able = speakers.flatMap((own) => (own && own.obstacle === null ? [own] : []));
  const [first] = able;
  if (!first) return '';
  if (able.length > 1) return `Each message goes to ${able.length} columns, ${where}.`;
  const label = first.speaker.kind === 'blend' ? 'the merged model' : first.label;
  return first.hasChatTemplate
    ? `Replies come from ${label}, ${where}.`
    : `${label} has no chat template: it continues your text (continuation mode).`;
}
