/** The conversation. It follows what is written while its end is in sight, and says each finished reply once. */

import { useEffect, useMemo, useRef, useState } from 'react';
import { type ChatState, currentConversation, isReplying } from '../state/chat-store.ts';
import { type Conversation, pathOf } from '../state/conversation.ts';
import { splitThinking } from '../chat/thinking.ts';
import styles from './chat-log.module.css';
import { ChatTurn } from './chat-turn.tsx';
import { followedTop } from './log-follow.ts';
import type { ReplyView } from './reply-text.tsx';
import { useChat, usePacedChat } from './workbench-context.ts';

/** The log follows new text while it is no further than this from where it would stand. */
const FOLLOW_PX = 48;
/** Above and below what is followed. */
const MARGIN_PX = 10;
/** More than this of a reply is not read aloud by itself. */
const MAX_SPOKEN_CHARS = 1000;

export function ChatLog({ view }: { view: ReplyView }) {
  const conversation = usePacedChat(currentConversation);
  const isBusy = useChat(isReplying);
  const log = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const path = useMemo(() => pathOf(conversation), [conversation]);

  useEffect(() => {
    follows.current = true;
  }, [conversation.id, path.length]);
  useEffect(() => {
    if (follows.current && log.current) log.current.scrollTop = wantedTop(log.current);
  }, [path, view]);

  return (
    <>
      <div
        ref={log}
        role="log"
        aria-label="Chat"
        aria-busy={isBusy}
        // What is finished is announced below, once; not every word and button of it.
        aria-live="off"
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must be reachable by keyboard
        tabIndex={0}
        className={styles.log}
        onScroll={(event) => {
          const { scrollTop } = event.currentTarget;
          // Further down a person may be reading the columns below.
          follows.current = Math.abs(wantedTop(event.currentTarget) - scrollTop) < FOLLOW_PX;
        }}
      >
        {path.map((turn) => (
          <ChatTurn key={turn.message.id} turn={turn} view={view} />
        ))}
      </div>
      <Announcement isBusy={isBusy} conversation={conversation} />
    </>
  );
}

/**
 * Where the log stands while it follows the newest replies, in its own px. What is said about them below must not push
 * them out of sight.
 */
function wantedTop(log: HTMLElement): number {
  const replies = log.lastElementChild?.querySelector('[data-replies]');
  const first = replies?.firstElementChild?.getBoundingClientRect();
  if (!replies || !first) return log.scrollHeight - log.clientHeight;
  const origin = log.getBoundingClientRect().top - log.scrollTop;
  const place = {
    firstTop: first.top - origin - MARGIN_PX,
    firstBottom: first.bottom - origin + MARGIN_PX,
    end: Math.min(log.scrollHeight, replies.getBoundingClientRect().bottom - origin + MARGIN_PX),
  };
  return Math.min(followedTop(place, log.clientHeight), log.scrollHeight - log.clientHeight);
}

/** Reads finished replies aloud: once, when the last of them has ended. */
function Announcement({ isBusy, conversation }: { isBusy: boolean; conversation: Conversation }) {
  const [said, setSaid] = useState('');
  const replying = useChat(underWay);
  const asked = useRef<readonly number[]>([]);
  useEffect(() => {
    if (isBusy) asked.current = replying;
    else if (asked.current.length > 0) {
      const ended = conversation.replies.filter(({ id }) => asked.current.includes(id));
      asked.current = [];
      setSaid(ended.map(({ label, text, fault }) => `${label}: ${fault ? fault.message : spoken(text)}`).join('\n'));
    }
  }, [isBusy, replying, conversation]);
  return (
    <div className={styles.spoken} aria-live="polite">
      {said}
    </div>
  );
}

const underWay = ({ replying }: ChatState) => replying;

/** A reply's answer without its reasoning, as far as one listens. */
function spoken(text: string): string {
  const sections = splitThinking(text).filter(({ kind }) => kind === 'answer');
  const answer = sections.map((section) => section.text).join('\n');
  return answer.length > MAX_SPOKEN_CHARS ? `${answer.slice(0, MAX_SPOKEN_CHARS)}… and more` : answer;
}
