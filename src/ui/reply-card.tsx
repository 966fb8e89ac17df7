/** One speaker's reply to one message: what it says, how it came about, and what can be done with it. */

import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import IconPencil from '@tabler/icons-react/dist/esm/icons/IconPencil.mjs';
import IconPlayerStop from '@tabler/icons-react/dist/esm/icons/IconPlayerStop.mjs';
import IconRefresh from '@tabler/icons-react/dist/esm/icons/IconRefresh.mjs';
import { memo, type ReactNode } from 'react';
import { columnSpeaker, currentConversation, isReplying, replyLabel } from '../state/chat-store.ts';
import { type Answer, isUnderWay, type ReplyMessage, type UserMessage } from '../state/conversation.ts';
import { countFigure, plural, timeFigure } from '../state/figures.ts';
import { BranchArrows } from './branch-arrows.tsx';
import styles from './chat-turn.module.css';
import { FaultNote } from './fault-note.tsx';
import { ReplyText, type ReplyView } from './reply-text.tsx';
import { SmallAction } from './small-action.tsx';
import { TextEditor } from './text-editor.tsx';
import { useChat, useWorkbench } from './workbench-context.ts';

/** As much of a prompt's end as an opening tag can take. */
const PROMPT_END_CHARS = 64;

interface ReplyCardProps {
  readonly answer: Answer;
  readonly message: UserMessage;
  readonly view: ReplyView;
  /** Whether it stands beside other columns. */
  readonly isCompared: boolean;
  /** The token where it parts from the others; null where it does not. */
  readonly mark: number | null;
}

export const ReplyCard = memo(function ReplyCard({ answer, message, view, isCompared, mark }: ReplyCardProps) {
  const { chat, chatFiles } = useWorkbench();
  const isBusy = useChat(isReplying);
  const promptEnd = useChat(({ prompts }) => prompts[answer.column]?.info?.text.slice(-PROMPT_END_CHARS) ?? '');
  const isEdited = useChat(({ editing }) => editing !== null && editing === answer.reply?.id);
  const { reply, column } = answer;
  if (!reply) {
    if (!isCompared) return null;
    return (
      <div className={`${styles.card} ${styles.unasked}`}>
        <ColumnName column={column} />
        <div className={styles.foot}>
          <p className={styles.caption}>{isBusy ? 'Not asked yet.' : 'This column was not asked.'}</p>
          <SmallAction
            name="Ask this column too"
            icon={IconRefresh}
            isDisabled={isBusy}
            onClick={() => void chat.regenerate({ message: message.id, column })}
          />
        </div>
      </div>
    );
  }
  const isRunning = isUnderWay(reply);
  const continues = message.mode === 'continue' && !isCompared ? message.text : null;
  return (
    <div
      className={styles.card}
      role={isCompared ? 'group' : undefined}
      aria-label={isCompared ? reply.label : undefined}
    >
      {isCompared && (
        <div className={styles.name}>
          <span title={replyLabel(reply)}>{replyLabel(reply)}</span>
          {isRunning && (
            <SmallAction name="End this column" icon={IconPlayerStop} onClick={() => void chat.stop(column)} />
          )}
        </div>
      )}
      {isEdited ? (
        <TextEditor
          label="The reply"
          text={reply.text}
          isDisabled={isBusy}
          onDone={(text) => {
            if (text === null) chat.startEditing(null);
            else void chat.edit(reply.id, text);
          }}
        />
      ) : (
        <div className={styles.body}>
          {(reply.text !== '' || isRunning || continues !== null) && (
            <ReplyText
              text={reply.text}
              tokens={reply.tokens}
              continues={continues}
              promptEnd={promptEnd}
              isRunning={isRunning}
              view={view}
              mark={mark}
              label={reply.label}
            />
          )}
          {reply.fault && reply.fault.code !== 'cancelled' && <FaultNote report={reply.fault} />}
        </div>
      )}
      <div className={styles.foot}>
        <Caption reply={reply} isCompared={isCompared} />
        <div className={styles.actions}>
          <BranchArrows id={reply.id} number={answer.number} of={answer.of} />
          <span className={styles.quiet}>
            <SmallAction
              name="Copy the reply"
              icon={IconCopy}
              isDisabled={reply.text === ''}
              onClick={() => void chatFiles.copy(reply.id)}
            />
            <SmallAction
              name="Edit the reply"
              icon={IconPencil}
              isDisabled={isBusy}
              onClick={() => chat.startEditing(reply.id)}
            />
            <SmallAction
              name="Another reply here"
              icon={IconRefresh}
              isDisabled={isBusy}
              onClick={() => void chat.regenerate({ message: message.id, column })}
            />
          </span>
        </div>
      </div>
    </div>
  );
});

/** Whom a column means that has not been asked. */
function ColumnName({ column }: { column: number }) {
  const { studio } = useWorkbench();
  const label = useChat((state) => {
    const own = currentConversation(state).columns.find(({ id }) => id === column);
    return own ? (columnSpeaker(state, studio.store.getState(), own)?.label ?? '') : '';
  });
  return (
    <div className={styles.name}>
      <span>{label}</span>
    </div>
  );
}

const PRECISION_NAMES = { f32: 'F32', q8: 'q8', q4: 'q4' } as const;
const PROVIDER_NAMES = { webgpu: 'WebGPU', wasm: 'CPU' } as const;
const ENDINGS = { end: null, stop: 'ended by a stop string', length: 'cut at max tokens', user: 'stopped' } as const;

/** Who said it and how: a line of figures. While it comes, what is going on. */
function Caption({ reply, isCompared }: { reply: ReplyMessage; isCompared: boolean }) {
  const { phase, figures, info, tokens, leftOut, isEdited } = reply;
  // Beside others it stands above.
  const parts: ReactNode[] = isCompared ? [] : [replyLabel(reply)];
  if (phase === 'waiting') parts.push('waiting for its turn and for memory');
  else if (phase === 'loading') parts.push('loading its weights');
  else if (phase === 'reading') parts.push('reading the prompt');
  else if (phase === 'speaking') parts.push(plural(tokens.length, 'token'));
  if (isEdited) parts.push('written by you');
  if (figures) {
    parts.push(
      plural(figures.tokens, 'token'),
      `${figures.tokensPerSecond.toFixed(1)} tokens/s`,
      `first after ${timeFigure(figures.msToFirstToken)}`,
      promptFigure(figures.readTokens, figures.promptTokens),
    );
    const ending = ENDINGS[figures.stoppedBy];
    if (ending !== null) parts.push(ending);
  }
  if (leftOut > 0) parts.push(`${plural(leftOut, 'older exchange')} left out`);
  if (info) {
    parts.push(
      <span key="how" className={styles.why} title={info.reason}>
        {PRECISION_NAMES[info.precision]} on {PROVIDER_NAMES[info.provider]}
      </span>,
    );
  }
  return (
    <p className={styles.caption}>
      {parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a part is its place
        <span key={index}>
          {index > 0 && ' · '}
          {part}
        </span>
      ))}
      {info && <span className={styles.spoken}> {info.reason}</span>}
    </p>
  );
}

/** How much of the prompt was really read; the rest was known from the turn before. */
function promptFigure(readTokens: number, promptTokens: number): string {
  return readTokens < promptTokens
    ? `read ${countFigure(readTokens)} of ${countFigure(promptTokens)} tokens of the prompt`
    : `prompt of ${countFigure(promptTokens)}`;
}
