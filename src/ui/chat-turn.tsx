/** One exchange: what was asked, the columns' replies side by side, and where they part. */

import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import IconPencil from '@tabler/icons-react/dist/esm/icons/IconPencil.mjs';
import IconTrash from '@tabler/icons-react/dist/esm/icons/IconTrash.mjs';
import { memo, useMemo } from 'react';
import { isReplying } from '../state/chat-store.ts';
import type { Answer, Turn } from '../state/conversation.ts';
import { BranchArrows } from './branch-arrows.tsx';
import styles from './chat-turn.module.css';
import { partings } from './parting.ts';
import { ReplyCard } from './reply-card.tsx';
import type { ReplyView } from './reply-text.tsx';
import { SmallAction } from './small-action.tsx';
import { TextEditor } from './text-editor.tsx';
import { useChat, useWorkbench } from './workbench-context.ts';

interface ChatTurnProps {
  readonly turn: Turn;
  readonly view: ReplyView;
}

export const ChatTurn = memo(function ChatTurn({ turn, view }: ChatTurnProps) {
  const { message, answers } = turn;
  const shown = answers.filter(({ reply }) => reply !== null);
  const { marks, sentences } = useMemo(() => partings(answers.map(({ reply }) => reply)), [answers]);
  const isCompared = answers.length > 1;
  const continues = message.mode === 'continue' && !isCompared;
  return (
    <div className={styles.turn}>
      <Asked turn={turn} isHidden={continues && shown.length > 0} />
      <div className={styles.answers} data-replies data-compared={isCompared || undefined}>
        {answers.map((answer, index) => (
          <ReplyCard
            key={answer.column}
            answer={answer}
            message={message}
            view={view}
            isCompared={isCompared}
            mark={marks[index] ?? null}
          />
        ))}
      </div>
      {sentences.length > 0 && (
        <ul className={styles.partings} aria-label="Where the replies differ">
          {sentences.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
    </div>
  );
}, isSameTurn);

/** While another turn's reply comes in, this one stays as it is. */
function isSameTurn(before: ChatTurnProps, after: ChatTurnProps): boolean {
  const [a, b] = [before.turn, after.turn];
  const isSame = (one: Answer, other: Answer | undefined) =>
    one.reply === other?.reply && one.column === other.column && one.of === other.of && one.number === other.number;
  return (
    before.view === after.view &&
    a.message === b.message &&
    a.number === b.number &&
    a.of === b.of &&
    a.answers.length === b.answers.length &&
    a.answers.every((answer, index) => isSame(answer, b.answers[index]))
  );
}

/** What was asked, with what can be done about it; its text stands in the reply where that continues it. */
function Asked({ turn: { message, number, of }, isHidden }: { turn: Turn; isHidden: boolean }) {
  const { chat, chatFiles } = useWorkbench();
  const isBusy = useChat(isReplying);
  const isEdited = useChat((state) => state.editing === message.id);
  if (isEdited) {
    return (
      <TextEditor
        label="Your text"
        text={message.text}
        isDisabled={isBusy}
        onDone={(text) => {
          if (text === null) chat.startEditing(null);
          else void chat.edit(message.id, text);
        }}
      />
    );
  }
  return (
    <div className={styles.asked}>
      <div className={styles.actions} data-kept={of > 1 || undefined}>
        <span className={styles.quiet}>
          <SmallAction name="Copy what you wrote" icon={IconCopy} onClick={() => void chatFiles.copy(message.id)} />
          <SmallAction
            name="Delete from here on"
            icon={IconTrash}
            isDisabled={isBusy}
            onClick={() => chat.remove(message.id)}
          />
          <SmallAction
            name="Edit what you wrote"
            icon={IconPencil}
            isDisabled={isBusy}
            onClick={() => chat.startEditing(message.id)}
          />
        </span>
        <BranchArrows id={message.id} number={number} of={of} />
      </div>
      {!isHidden && <p className={styles.prompt}>{message.text}</p>}
    </div>
  );
}
