/**
 * A reply token by token: tinted by how likely the model found each, with the alternatives of one at a time. One tab
 * stop; arrows go from token to token. Not the reply as text (`reply-markdown.tsx`).
 */

import { Popover } from '@mantine/core';
import { type KeyboardEvent, memo, type ReactNode, useId, useMemo, useRef, useState } from 'react';
import type { SaidToken, TokenChoice } from '../state/engine-api.ts';
import { probabilityFigure } from './probability-figure.ts';
import styles from './token-text.module.css';
import { visibleToken } from './visible-token.ts';

/** Tokens that are drawn together: those that are finished are not drawn again. */
const RUN = 48;
const PAGE = 20;
/** Lower bounds of the tints, the likeliest first. */
const LEVELS = [0.9, 0.5, 0.2, 0.05, 0];

interface TokenTextProps {
  readonly tokens: readonly SaidToken[];
  /** Accessible name. */
  readonly label: string;
  /** The token where this reply parts from another; null where it does not. */
  readonly mark: number | null;
  /** What stands behind the last token. */
  readonly end?: ReactNode;
}

/** The token whose alternatives are shown, and where it stands within the text, in pixels. */
interface Shown {
  readonly index: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function TokenText({ tokens, label, mark, end }: TokenTextProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  /** Where the keyboard is. */
  const [active, setActive] = useState(0);
  const [shown, setShown] = useState<Shown | null>(null);
  const token = shown === null ? undefined : tokens[shown.index];
  const starts = useMemo(
    () => Array.from({ length: Math.ceil(tokens.length / RUN) }, (_, run) => run * RUN),
    [tokens.length],
  );

  const show = (index: number | null) => {
    if (index !== shown?.index) setShown(index === null ? null : placeOf(list.current, index));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = movedTo(event.key, active, tokens.length);
    if (next === null) return;
    event.preventDefault();
    setActive(next);
    elementOf(list.current, next)?.scrollIntoView({ block: 'nearest' });
    show(next);
  };

  return (
    <div className={styles.wrapper}>
      <div
        ref={list}
        role="listbox"
        aria-label={label}
        aria-orientation="horizontal"
        aria-activedescendant={tokens.length > 0 ? `${id}${Math.min(active, tokens.length - 1)}` : undefined}
        tabIndex={0}
        className={styles.text}
        onKeyDown={onKeyDown}
        onFocus={() => show(Math.min(active, tokens.length - 1))}
        onBlur={() => show(null)}
        onPointerMove={(event) => {
          const index = indexOf(event.target);
          if (index !== null) show(index);
        }}
        onPointerLeave={() => show(document.activeElement === list.current ? active : null)}
        onClick={(event) => {
          const index = indexOf(event.target);
          if (index !== null) setActive(index);
        }}
      >
        {starts.map((start) => {
          const has = (index: number | undefined | null) => index != null && index >= start && index < start + RUN;
          return (
            <Run
              key={start}
              id={id}
              tokens={tokens}
              start={start}
              stop={Math.min(start + RUN, tokens.length)}
              mark={has(mark) ? mark : null}
              active={has(shown?.index) ? (shown?.index ?? null) : null}
            />
          );
        })}
        {end}
      </div>
      {token && shown && (
        <Popover
          opened
          withinPortal={false}
          floatingStrategy="fixed"
          withRoles={false}
          position="bottom-start"
          width={230}
          offset={4}
          // Else it would take the focus and the pointer from the token.
          closeOnEscape={false}
          closeOnClickOutside={false}
          transitionProps={{ duration: 0 }}
          shadow="md"
        >
          <Popover.Target>
            <div
              // A new one for each token, so that the card goes along.
              key={shown.index}
              className={styles.anchor}
              style={{ left: shown.left, top: shown.top, width: shown.width, height: shown.height }}
            />
          </Popover.Target>
          <Popover.Dropdown className={styles.card ?? ''} role="tooltip">
            <Alternatives token={token} index={shown.index} count={tokens.length} />
          </Popover.Dropdown>
        </Popover>
      )}
    </div>
  );
}

interface RunProps {
  readonly id: string;
  readonly tokens: readonly SaidToken[];
  readonly start: number;
  readonly stop: number;
  readonly mark: number | null;
  readonly active: number | null;
}

const Run = memo(
  function Run({ id, tokens, start, stop, mark, active }: RunProps) {
    return (
      <span role="presentation">
        {tokens.slice(start, stop).map((token, offset) => {
          const index = start + offset;
          return (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
              key={index}
              id={`${id}${index}`}
              role="option"
              aria-selected={index === active}
              aria-label={spokenToken(token)}
              data-token={index}
              data-level={levelOf(token.probability)}
              data-mark={index === mark || undefined}
              className={styles.token}
            >
              {token.text}
            </span>
          );
        })}
      </span>
    );
  },
  (before, after) =>
    before.start === after.start &&
    before.stop === after.stop &&
    before.mark === after.mark &&
    before.active === after.active &&
    before.tokens[before.start] === after.tokens[after.start] &&
    before.tokens[before.stop - 1] === after.tokens[after.stop - 1],
);

function Alternatives({ token, index, count }: { token: SaidToken; index: number; count: number }) {
  const choices = withOwn(token);
  return (
    <>
      <p className={styles.title}>
        Token {index + 1} of {count}
      </p>
      <ul className={styles.choices}>
        {choices.map((choice) => (
          <li key={choice.token} data-own={choice.token === token.token || undefined}>
            <code className={styles.word}>{visibleToken(choice.text)}</code>
            <span className={styles.bar} aria-hidden>
              <span style={{ width: `${Math.max(0.5, choice.probability * 100)}%` }} />
            </span>
            <span className={styles.percent}>{probabilityFigure(choice.probability)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** The alternatives with the chosen token among them, the likeliest first. */
function withOwn(token: SaidToken): readonly TokenChoice[] {
  const others = token.alternatives.filter((choice) => choice.token !== token.token);
  return [...others, token].sort((a, b) => b.probability - a.probability);
}

function spokenToken(token: SaidToken): string {
  const others = token.alternatives.filter((choice) => choice.token !== token.token);
  const rest = others
    .map((choice) => `${visibleToken(choice.text)} ${probabilityFigure(choice.probability)}`)
    .join(', ');
  return `${visibleToken(token.text)}, ${probabilityFigure(token.probability)}${rest ? `; or ${rest}` : ''}`;
}

/** How far a tint goes: 0 is likely and not tinted, 4 the least likely. */
export function levelOf(probability: number): number {
  const level = LEVELS.findIndex((bound) => probability >= bound);
  return level < 0 ? LEVELS.length - 1 : level;
}

/** What the tints mean. */
export function TokenLegend() {
  return (
    <p className={styles.legend}>
      How likely the model found each token:
      {LEVELS.map((bound, level) => (
        <span key={bound} className={styles.token} data-level={level}>
          {level === 0 ? 'over 90 %' : level === LEVELS.length - 1 ? 'under 5 %' : `over ${bound * 100} %`}
        </span>
      ))}
    </p>
  );
}

function movedTo(key: string, from: number, count: number): number | null {
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: PAGE,
    PageUp: -PAGE,
    Home: -count,
    End: count,
  };
  const step = steps[key];
  return step === undefined ? null : Math.max(0, Math.min(count - 1, from + step));
}

function indexOf(target: EventTarget): number | null {
  const index = target instanceof Element ? target.closest<HTMLElement>('[data-token]')?.dataset['token'] : undefined;
  return index === undefined ? null : Number(index);
}

function elementOf(list: HTMLElement | null, index: number): HTMLElement | null {
  return list?.querySelector<HTMLElement>(`[data-token="${index}"]`) ?? null;
}

/** Where a token stands within the frame of its text. A token that is broken over two lines stands where it begins. */
function placeOf(list: HTMLElement | null, index: number): Shown | null {
  const box = elementOf(list, index)?.getClientRects()[0];
  const frame = list?.parentElement?.getBoundingClientRect();
  if (!box || !frame) return null;
  return { index, left: box.left - frame.left, top: box.top - frame.top, width: box.width, height: box.height };
}
