/**
 * A number as a slider with a field beside it, or as a field alone where its range is too wide. One drag of the slider
 * is one step of the history. Figures typed on the slider go to the field and wait there for Enter; what is typed in the
 * field itself holds at once. Escape takes either back.
 */

import { ActionIcon } from '@mantine/core';
import IconX from '@tabler/icons-react/dist/esm/icons/IconX.mjs';
import IconDice5 from '@tabler/icons-react/dist/esm/icons/IconDice5.mjs';
import { type CSSProperties, type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import styles from './number-control.module.css';
import { useWorkbench } from './workbench-context.ts';

interface NumberControlProps {
  /** Accessible name of the slider; the field is called `<name> value`. */
  readonly name: string;
  /** What is shown before the slider. */
  readonly caption: ReactNode;
  /** Null is unset. */
  readonly value: number | null;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** False where the range is too wide for a slider: there is only the field then. */
  readonly hasSlider?: boolean;
  /** Whether a random whole number of the range can be drawn, as for seeds. */
  readonly canDraw?: boolean;
  /** Whether it may be unset, and then shows `unsetWord`. */
  readonly canUnset?: boolean;
  readonly unsetWord?: string;
  readonly varies?: boolean;
  readonly isDisabled?: boolean;
  readonly isFocusedFirst?: boolean;
  readonly onChange: (value: number | null, gesture: string) => void;
}

export function NumberControl(props: NumberControlProps) {
  const { name, caption, value, min, max, step, onChange } = props;
  const { canUnset = false, unsetWord = 'off', varies = false, isDisabled = false, isFocusedFirst = false } = props;
  const { hasSlider = true, canDraw = false } = props;
  const { studio } = useWorkbench();
  const [draft, setDraft] = useState<string | null>(null);
  const slider = useRef<HTMLInputElement>(null);
  const field = useRef<HTMLInputElement>(null);
  /** Where typing began: the value to go back to, and whether on the slider. */
  const begun = useRef<{ readonly from: number | null; readonly isOnSlider: boolean } | null>(null);
  const gesture = useId();
  const shown = value ?? min;
  const wordNow = varies ? 'varies' : unsetWord;
  const filled = max > min ? ((Math.min(max, Math.max(min, shown)) - min) / (max - min)) * 100 : 0;

  const apply = (text: string) => {
    if (text.trim() === '') {
      if (canUnset) onChange(null, `${gesture}-field`);
      return;
    }
    const typed = Number(text);
    if (Number.isFinite(typed)) onChange(typed, `${gesture}-field`);
  };
  const type = (text: string, isHalfTyped: boolean) => {
    begun.current ??= { from: value, isOnSlider: false };
    setDraft(text);
    if (!isHalfTyped && !begun.current.isOnSlider) apply(text);
  };
  const onSliderKey = (event: KeyboardEvent) => {
    if (!/^[\d.,]$/.test(event.key) && !(event.key === '-' && min < 0)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || field.current === null) return;
    begun.current = { from: value, isOnSlider: true };
    setDraft('');
    // The browser puts the character where the focus is when the key has been heard.
    field.current.focus();
    field.current.select();
  };
  /** Ends typing; the focus goes back to the slider where it began there. */
  const leave = () => {
    const isOnSlider = begun.current?.isOnSlider === true;
    begun.current = null;
    setDraft(null);
    if (isOnSlider) slider.current?.focus();
  };
  const onFieldKey = (event: KeyboardEvent<HTMLInputElement>) => {
    const { value: text, validity } = event.currentTarget;
    if (event.key !== 'Enter' || begun.current === null || validity.badInput) return;
    event.preventDefault();
    if (begun.current.isOnSlider && text !== '') apply(text);
    leave();
  };
  const onFieldBlur = (text: string) => {
    if (begun.current?.isOnSlider && text !== '') apply(text);
    begun.current = null;
    setDraft(null);
  };

  const takeBack = useRef(() => {});
  useEffect(() => {
    takeBack.current = () => {
      if (begun.current && !begun.current.isOnSlider) onChange(begun.current.from, `${gesture}-field`);
      leave();
    };
  });
  const isTyping = draft !== null;
  useEffect(() => {
    if (!isTyping) return undefined;
    // Before a dialog around it hears the key and closes.
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== 'Escape' || event.target !== field.current) return;
      event.preventDefault();
      event.stopPropagation();
      takeBack.current();
    };
    document.addEventListener('keydown', onKey, true);
    return () => document.removeEventListener('keydown', onKey, true);
  }, [isTyping]);

  return (
    <div className={styles.control} data-wide={!hasSlider || undefined}>
      <span className={styles.caption}>{caption}</span>
      {hasSlider && (
        <input
          ref={slider}
          type="range"
          className={styles.range}
          aria-label={name}
          aria-valuetext={value === null ? wordNow : undefined}
          min={min}
          max={max}
          step={step}
          value={shown}
          disabled={isDisabled}
          data-unset={value === null || undefined}
          data-autofocus={isFocusedFirst || undefined}
          style={{ '--filled': `${value === null ? 0 : filled}%` } as CSSProperties}
          onPointerDown={() => studio.history.hold(gesture)}
          onPointerUp={() => studio.history.release()}
          onPointerCancel={() => studio.history.release()}
          onKeyDown={onSliderKey}
          onChange={(event) => onChange(event.currentTarget.valueAsNumber, gesture)}
        />
      )}
      <span className={styles.fieldBox}>
        <input
          ref={field}
          type="number"
          className={styles.field}
          aria-label={`${name} value`}
          step={step}
          placeholder={wordNow}
          value={draft ?? (value === null ? '' : String(value))}
          disabled={isDisabled}
          onChange={(event) => type(event.currentTarget.value, event.currentTarget.validity.badInput)}
          onKeyDown={onFieldKey}
          onBlur={(event) => onFieldBlur(event.currentTarget.value)}
        />
        {canUnset && value !== null && !isDisabled && (
          <ActionIcon
            className={styles.unset}
            size={16}
            variant="subtle"
            color="gray"
            aria-label={`Unset ${name}`}
            onClick={() => {
              setDraft(null);
              onChange(null, `${gesture}-unset`);
            }}
          >
            <IconX size={11} aria-hidden />
          </ActionIcon>
        )}
      </span>
      {canDraw && (
        <ActionIcon
          size={24}
          variant="subtle"
          color="gray"
          aria-label={`Draw another ${name}`}
          title={`Draw another ${name}`}
          disabled={isDisabled}
          onClick={() => {
            setDraft(null);
            onChange(drawn(min, max), `${gesture}-drawn`);
          }}
        >
          <IconDice5 size={15} aria-hidden />
        </ActionIcon>
      )}
      {varies && value !== null && (
        <span className={styles.varies} title="The recipe sets other values for some layers or tensors.">
          varies
        </span>
      )}
    </div>
  );
}

/** A whole number from `min` to `max`, both included; the range may have up to 32 bits. */
function drawn(min: number, max: number): number {
  const [word = 0] = crypto.getRandomValues(new Uint32Array(1));
  return min + (word % (max - min + 1));
}
