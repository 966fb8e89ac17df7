/** The conversation. Replies are untrusted text: shown as they are, never as Markdown or HTML. */

import { useEffect, useRef } from 'react';
import { isReplying, MERGED_LABEL, type Turn } from '../state/chat-store.ts';
import { plural, timeFigure } from '../state/figures.ts';
import styles from './chat-log.module.css';
import { FaultNote } from './fault-note.tsx';
import { useChat } from './workbench-context.ts';

/** The log follows new text while its end is within this distance. */
const FOLLOW_PX = 48;

export function ChatLog() {
  const turns = useChat((state) => state.turns);
  const busy = useChat(isReplying);
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);

  useEffect(() => {
    if (follows.current && log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [turns]);

  return (
    // A finished reply is read aloud once, not word by word.
    <div
      ref={log}
      role="log"
      aria-label="Chat"
      aria-busy={busy}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must be reachable by keyboard
      tabIndex={0}
      className={styles.log}
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
        follows.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
      }}
    >
      {turns.map((turn) => (
        <ChatTurn key={turn.id} turn={turn} />
      ))}
    </div>
  );
}

function ChatTurn({ turn }: { turn: Turn }) {
  const { prompt, mode, text, phase, fault } = turn;
  const isRunning = phase === 'preparing' || phase === 'speaking';
  return (
    <div className={styles.turn}>
      {mode === 'continue' ? (
        <p className={styles.text}>
          <span className={styles.given}>{prompt}</span>
          {text}
          {isRunning && <span className={styles.caret} aria-hidden />}
        </p>
      ) : (
        <>
          <p className={styles.prompt}>{prompt}</p>
          {(text !== '' || isRunning) && (
            <p className={styles.text}>
              {text}
              {isRunning && <span className={styles.caret} aria-hidden />}
            </p>
          )}
        </>
      )}
      {fault && fault.code !== 'cancelled' && <FaultNote report={fault} />}
      <p className={styles.caption}>{captionOf(turn)}</p>
    </div>
  );
}

function captionOf({ speaker, phase, reply }: Turn): string {
  const name = speaker.kind === 'blend' ? MERGED_LABEL : speaker.name;
  if (phase === 'preparing') return `Getting ${name} ready…`;
  if (!reply) return name;
  const who = reply.blend === null ? name : `${name}, blend ${reply.blend}`;
  const figures = [
    who,
    plural(reply.tokens, 'token'),
    `${reply.tokensPerSecond.toFixed(1)} tokens/s`,
    `first after ${timeFigure(reply.msToFirstToken)}`,
  ];
  if (reply.stoppedBy === 'length') figures.push('cut at max tokens');
  if (reply.stoppedBy === 'user') figures.push('stopped');
  return figures.join(' · ');
}
