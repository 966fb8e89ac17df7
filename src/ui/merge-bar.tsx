/** The bar that merges: the button, what is going on where, how far it is, and the way to stop it. */

import { Button } from '@mantine/core';
import IconBell from '@tabler/icons-react/dist/esm/icons/IconBell.mjs';
import IconBellRinging from '@tabler/icons-react/dist/esm/icons/IconBellRinging.mjs';
import IconBlend from '@tabler/icons-react/dist/esm/icons/IconBlendMode.mjs';
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { elapsedFigure } from '../state/progress.ts';
import type { Figures } from '../state/status.ts';
import { CommandButton } from './command-button.tsx';
import { MemoryMeter } from './memory-meter.tsx';
import styles from './merge-bar.module.css';
import { useStatus } from './use-status.ts';
import { useEnabled, useStudio, useWorkbench } from './workbench-context.ts';

/** Shorter work needs no clock, and a bar that comes and goes would only unsettle. */
const LONG_MS = 2000;

export function MergeBar() {
  const { commands } = useWorkbench();
  const canCancel = useEnabled(commands.cancel);
  const awaitsMeasure = useStudio((state) => state.awaitsMeasure);
  const { tone, sentence, fraction, code, figures } = useStatus();
  const elapsedMs = useElapsed();
  // With the sentence, not before it: work of a moment must not make the bar jump.
  const isWorking = tone === 'busy' && canCancel;
  return (
    <section aria-label="Progress" className={styles.bar}>
      {isWorking && elapsedMs !== null && elapsedMs >= LONG_MS && <LongWork elapsedMs={elapsedMs} />}
      <div className={styles.row}>
        <CommandButton command={commands.merge} size="sm" icon={<IconBlend size={17} aria-hidden />} />
        {isWorking && <CommandButton command={commands.cancel} variant="default" size="sm" />}
        {awaitsMeasure && !isWorking && <CommandButton command={commands.measure} variant="default" size="sm" />}
        <div className={styles.telling}>
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a long sentence scrolls, and must be reachable by keyboard */}
          <p className={styles.status} role="status" data-tone={tone} tabIndex={0}>
            {sentence} {code && tone === 'bad' && <span className={styles.code}>{code}</span>}
          </p>
          {figures && <Amounts figures={figures} />}
        </div>
      </div>
      <Done fraction={tone === 'busy' ? fraction : 0} text={figures ? amountsText(figures) : undefined} />
    </section>
  );
}

/** How much is done, as a line; null where work runs and nobody knows. */
function Done({ fraction, text }: { readonly fraction: number | null; readonly text: string | undefined }) {
  const percent = fraction === null ? undefined : Math.round(fraction * 1000) / 10;
  return (
    <div
      className={styles.progress}
      role="progressbar"
      aria-label="Done"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-valuetext={text}
    >
      <span data-unknown={fraction === null || undefined} style={{ width: `${percent ?? 100}%` }} />
    </div>
  );
}

function amountsText({ done, total, rate, left }: Figures): string {
  return [`${done} of ${total}`, rate, left].filter((part) => part !== null).join(', ');
}

/** Every figure has its place, so that none moves when another grows. */
function Amounts({ figures: { done, total, rate, left } }: { readonly figures: Figures }) {
  return (
    <p className={styles.amounts}>
      <span>{done}</span>
      <span>of {total}</span>
      <span className={styles.rate}>{rate}</span>
      <span>{left}</span>
    </p>
  );
}

/** The clock, the memory, and the way to be told of the end. */
function LongWork({ elapsedMs }: { readonly elapsedMs: number }) {
  const { notifier } = useWorkbench();
  const { isPossible, isWanted } = useStore(notifier.store);
  return (
    <div className={styles.long}>
      <span className={styles.clock} title="Time since it began">
        {elapsedFigure(elapsedMs)}
      </span>
      <MemoryMeter isShort />
      {isPossible && (
        <Button
          className={styles.tell}
          variant="subtle"
          size="compact-xs"
          aria-pressed={isWanted}
          leftSection={isWanted ? <IconBellRinging size={14} aria-hidden /> : <IconBell size={14} aria-hidden />}
          onClick={() => void notifier.toggle()}
        >
          Tell me when it is done
        </Button>
      )}
    </div>
  );
}

/** Milliseconds since the work began that runs now, second by second; null while none runs. */
function useElapsed(): number | null {
  const startedMs = useStudio(({ work }) => work?.pace.startedMs ?? null);
  const [nowMs, setNowMs] = useState(() => performance.now());
  useEffect(() => {
    if (startedMs === null) return;
    const timer = setInterval(() => setNowMs(performance.now()), 1000);
    return () => clearInterval(timer);
  }, [startedMs]);
  return startedMs === null ? null : Math.max(0, nowMs - startedMs);
}
