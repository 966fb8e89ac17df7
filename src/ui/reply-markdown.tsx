/**
 * A reply's Markdown, drawn. What a model writes is untrusted: HTML stays text, images are never fetched, an address is
 * opened by the person only, and nothing here causes a request. Loaded when the first reply is shown, and not before.
 */

import IconExternalLink from '@tabler/icons-react/dist/esm/icons/IconExternalLink.mjs';
import { memo, type ReactNode, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import Markdown, { type Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { CodeBlock } from './code-block.tsx';
import { Fallible } from './fallible.tsx';
import { GrowingBlocks } from './markdown-blocks.ts';
import { Marked } from './marked.tsx';
import { rehypeMark } from './rehype-mark.ts';
import styles from './reply-markdown.module.css';
import { overlap, type Span } from './token-marks.ts';

/** A block longer than this is shown as it is. */
const MAX_BLOCK_CHARS = 40_000;
/** A growing block that is longer than this is parsed a few times a second, the longer the fewer. */
const LONG_BLOCK_CHARS = 2000;
const LONG_BLOCK_EVERY_MS = 200;
const PLUGINS = [remarkGfm];
const MAX_SHOWN_ADDRESS_CHARS = 300;

interface ReplyMarkdownProps {
  /** The whole text, which may still be growing. */
  readonly text: string;
  /** A part of it to mark, in characters of the source. */
  readonly span: Span | null;
  readonly isRunning: boolean;
}

export function ReplyMarkdown({ text, span, isRunning }: ReplyMarkdownProps) {
  // While tokens come faster than they can be drawn, the newest are drawn and those between are left out.
  const deferred = useDeferredValue(text);
  // At the end at once: what says that the reply is finished must not come before its last word.
  const drawn = isRunning ? deferred : text;
  const [cut] = useState(() => new GrowingBlocks());
  const blocks = useMemo(() => cut.of(drawn), [cut, drawn]);
  return (
    <div className={styles.markdown} data-running={isRunning || undefined}>
      {blocks.map(({ kind, start, textStart, text: source, language }) => {
        const within = span && overlap(span, textStart, source.length);
        const [from, to] = within ? [within.start, within.end] : [-1, -1];
        return kind === 'code' ? (
          <CodeBlock key={start} text={source} language={language} from={from} to={to} />
        ) : (
          <Block key={start} text={source} from={from} to={to} />
        );
      })}
    </div>
  );
}

interface BlockProps {
  readonly text: string;
  /** The part to mark; -1 where there is none. */
  readonly from: number;
  readonly to: number;
}

const Block = memo(function Block({ text, from, to }: BlockProps) {
  const paced = usePaced(text);
  const asItIs = (
    <p className={styles.plain}>
      <Marked text={text} span={from < 0 ? null : { start: from, end: to }} />
    </p>
  );
  if (text.length > MAX_BLOCK_CHARS) return asItIs;
  // Such as thousands of quotations within each other, which the parser cannot take.
  return (
    <Fallible fallback={asItIs}>
      <Parsed text={paced} from={from} to={to} />
    </Fallible>
  );
});

const Parsed = memo(function Parsed({ text, from, to }: BlockProps) {
  const marking = useMemo(() => (from < 0 ? [] : [rehypeMark({ start: from, end: to }, text)]), [text, from, to]);
  return (
    <Markdown remarkPlugins={PLUGINS} rehypePlugins={marking} components={COMPONENTS} urlTransform={openableAddress}>
      {withoutDefinition(text)}
    </Markdown>
  );
});

/** A footnote or a link's definition stands in a block of its own, where nothing refers to it: it is shown as text. */
function withoutDefinition(text: string): string {
  return /^\s{0,3}\[[^\]]+\]:/.test(text) ? text.replace('[', '\\[') : text;
}

/** A long text a few times a second; a short one at once. The newest is never left out for good. */
function usePaced(text: string): string {
  const [shown, setShown] = useState(text);
  const newest = useRef(text);
  useEffect(() => {
    newest.current = text;
  }, [text]);
  const isLong = text.length > LONG_BLOCK_CHARS;
  if (!isLong && shown !== text) setShown(text);
  const isLate = isLong && shown !== text;
  useEffect(() => {
    if (!isLate) return;
    const pauseMs = Math.min(1000, (newest.current.length / LONG_BLOCK_CHARS) * LONG_BLOCK_EVERY_MS);
    const timer = setTimeout(() => setShown(newest.current), pauseMs);
    return () => clearTimeout(timer);
  }, [isLate]);
  return isLong ? shown : text;
}

/** The address if a person may open it, else nothing: only http, https and mailto, and never one of this page. */
export function openableAddress(address: string): string {
  return /^(?:https?:\/\/|mailto:)[^\s]/i.test(address) ? address : '';
}

function shortAddress(address: string): string {
  return address.length > MAX_SHOWN_ADDRESS_CHARS ? `${address.slice(0, MAX_SHOWN_ADDRESS_CHARS)}…` : address;
}

/** Every heading is one level, whatever the model thinks of its place on this page. */
function heading(size: 1 | 2 | 3) {
  return function Heading({ children }: { children?: ReactNode }) {
    return (
      <h3 className={styles.heading} data-size={size}>
        {children}
      </h3>
    );
  };
}

const COMPONENTS: Components = {
  a({ href, children }) {
    if (!href) return <span className={styles.link}>{children}</span>;
    const address = shortAddress(href);
    return (
      <span className={styles.link}>
        {children}
        <a
          className={styles.open}
          href={href}
          target="_blank"
          rel="noreferrer noopener nofollow"
          title={`Open ${address} in a new tab`}
          aria-label={`Open ${address} in a new tab`}
        >
          <IconExternalLink size={12} aria-hidden />
        </a>
      </span>
    );
  },
  img({ alt, src }) {
    const address = typeof src === 'string' ? shortAddress(src) : '';
    return (
      <span className={styles.image} title="Images in replies are not fetched.">
        [Image not fetched{alt ? `: ${alt}` : ''}
        {address && <> · {address}</>}]
      </span>
    );
  },
  pre({ node }) {
    const code = node?.children.find((child) => child.type === 'element');
    const names = code?.properties['className'];
    const language = Array.isArray(names) ? /^language-(.{1,24})/.exec(String(names[0]))?.[1] : '';
    return <CodeBlock text={textWithin(code).replace(/\n$/, '')} language={language ?? ''} from={-1} to={-1} />;
  },
  // A task list's box is a picture of one: nobody can tick it.
  input({ checked }) {
    return (
      <span role="img" aria-label={checked ? 'done' : 'not done'}>
        {checked ? '☑' : '☐'}
      </span>
    );
  },
  table({ children }) {
    return (
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls sideways must be reachable by keyboard
      <div className={styles.table} tabIndex={0}>
        <table>{children}</table>
      </div>
    );
  },
  // The heads of a model's table may be empty, which a head must not be.
  th({ children }) {
    return (
      <td>
        <strong>{children}</strong>
      </td>
    );
  },
  h1: heading(1),
  h2: heading(2),
  h3: heading(3),
  h4: heading(3),
  h5: heading(3),
  h6: heading(3),
  // Footnotes link within the page, by names that another reply may have too.
  section: ({ children }) => <div className={styles.notes}>{children}</div>,
  sup: ({ children }) => <sup>{children}</sup>,
  li: ({ children }) => <li>{children}</li>,
};

interface TextOrElement {
  readonly type: string;
  readonly value?: string;
  readonly children?: readonly TextOrElement[];
}

function textWithin(node: TextOrElement | undefined): string {
  if (!node) return '';
  return node.type === 'text' ? (node.value ?? '') : (node.children ?? []).map(textWithin).join('');
}
