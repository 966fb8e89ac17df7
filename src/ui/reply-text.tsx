/**
 * What a reply says: its reasoning folded away, its answer as Markdown, as it stands, or token by token. The parser of
 * Markdown is loaded with the first reply; until it is there, and where it cannot be loaded, the text stands as it is.
 */

import { lazy, memo, type ReactNode, Suspense, useMemo, useState } from 'react';
import { type ReplySection, splitThinking } from '../chat/thinking.ts';
import type { SaidToken } from '../state/engine-api.ts';
import { plural } from '../state/figures.ts';
import { Fallible } from './fallible.tsx';
import { Marked } from './marked.tsx';
import styles from './reply-text.module.css';
import { overlap, type Span, tokenSpan } from './token-marks.ts';
import { TokenText } from './token-text.tsx';

const ReplyMarkdown = lazy(async () => ({ default: (await import('./reply-markdown.tsx')).ReplyMarkdown }));

/** How replies are shown. */
export type ReplyView = 'markdown' | 'plain' | 'tokens';

interface ReplyTextProps {
  readonly text: string;
  readonly tokens: readonly SaidToken[];
  /** The prompt that it continues; null for an answer. */
  readonly continues: string | null;
  /** How the prompt ended, where that is known: a template may open the reasoning itself. */
  readonly promptEnd: string;
  readonly isRunning: boolean;
  readonly view: ReplyView;
  /** The token where it parts from another reply; null where it does not. */
  readonly mark: number | null;
  /** Whose reply it is. */
  readonly label: string;
}

export const ReplyText = memo(function ReplyText(props: ReplyTextProps) {
  const { text, tokens, continues, promptEnd, isRunning, view, mark, label } = props;
  const caret = isRunning ? <span className={styles.caret} aria-hidden /> : null;
  const span = useMemo(() => (mark === null ? null : tokenSpan(text, tokens, mark)), [text, tokens, mark]);
  if (view === 'tokens' && tokens.length > 0) {
    return (
      <>
        {continues !== null && <p className={styles.given}>{continues}</p>}
        <TokenText tokens={tokens} label={`Tokens of ${label}`} mark={mark} end={caret} />
      </>
    );
  }
  if (continues !== null) {
    return (
      <p className={styles.plain}>
        <span className={styles.given}>{continues}</span>
        <Marked text={text} span={span} />
        {caret}
      </p>
    );
  }
  return <Answer text={text} promptEnd={promptEnd} isRunning={isRunning} view={view} span={span} caret={caret} />;
});

interface AnswerProps {
  readonly text: string;
  readonly promptEnd: string;
  readonly isRunning: boolean;
  readonly view: ReplyView;
  readonly span: Span | null;
  readonly caret: ReactNode;
}

function Answer({ text, promptEnd, isRunning, view, span, caret }: AnswerProps) {
  const sections = useMemo(() => splitThinking(text, promptEnd, !isRunning), [text, promptEnd, isRunning]);
  if (view === 'plain') {
    return (
      <p className={styles.plain}>
        <Marked text={text} span={span} />
        {caret}
      </p>
    );
  }
  const placed = placeSections(text, sections);
  return (
    <>
      {placed.map(({ section, start }, index) => {
        const isLast = index === placed.length - 1;
        const within = span && start !== null ? overlap(span, start, section.text.length) : null;
        const body = <MarkdownOrText text={section.text} span={within} caret={isLast ? caret : null} />;
        if (section.kind === 'answer') return <div key={index}>{body}</div>;
        return (
          <Thinking key={index} section={section} isRunning={isRunning && section.isOpen} isMarked={within !== null}>
            {body}
          </Thinking>
        );
      })}
      {placed.length === 0 && caret !== null && <p className={styles.plain}>{caret}</p>}
    </>
  );
}

function MarkdownOrText({ text, span, caret }: { text: string; span: Span | null; caret: ReactNode }) {
  const asItIs = (
    <p className={styles.plain}>
      <Marked text={text} span={span} />
      {caret}
    </p>
  );
  return (
    <Fallible fallback={asItIs}>
      <Suspense fallback={asItIs}>
        <ReplyMarkdown text={text} span={span} isRunning={caret !== null} />
      </Suspense>
    </Fallible>
  );
}

/** A section in which a model thinks aloud: folded, but for the one that is being written and watched. */
function Thinking(props: { section: ReplySection; isRunning: boolean; isMarked: boolean; children: ReactNode }) {
  const { section, isRunning, isMarked, children } = props;
  const [isOpen, setOpen] = useState(false);
  const words = section.text.split(/\s+/).filter((word) => word !== '').length;
  const state = isRunning ? 'Reasoning…' : section.isOpen ? 'Reasoning, not finished' : 'Reasoning';
  return (
    <details className={styles.thinking} open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {state} · {plural(words, 'word')}
        {isMarked && ' · differs here'}
      </summary>
      {isOpen && <div className={styles.thoughts}>{children}</div>}
    </details>
  );
}

/** Where each section begins in the whole text; null where it cannot be found. */
function placeSections(text: string, sections: readonly ReplySection[]) {
  let from = 0;
  return sections.map((section) => {
    const start = text.indexOf(section.text, from);
    if (start >= 0) from = start + section.text.length;
    return { section, start: start < 0 ? null : start };
  });
}
