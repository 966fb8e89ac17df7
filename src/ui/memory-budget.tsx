/** Where the arithmetic runs, and how many bytes it may hold. */

import { useState } from 'react';
import type { PlanSummary } from '../state/engine-api.ts';
import { bytesFigure } from '../state/figures.ts';
import { MemoryMeter } from './memory-meter.tsx';
import styles from './memory-budget.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

const STEP_BYTES = 16_000_000;
const MIN_BYTES = 64_000_000;

/** What each way of working means for the person. */
const MODES: Readonly<Record<PlanSummary['mode'], string>> = {
  resident: 'The sources stay in memory: a change reads nothing again.',
  cached: 'The result stays in memory; a change reads the sources again.',
  streaming: 'It is too large to hold: saving streams it from file to file.',
};

export function MemoryBudget() {
  const { studio } = useWorkbench();
  const engine = useStudio((state) => state.engine);
  const plan = useStudio((state) => state.check?.plan ?? null);
  const [draft, setDraft] = useState<number | null>(null);
  if (!engine) return <p className={styles.note}>Starting the engine.</p>;
  const bytes = draft ?? engine.budgetBytes;
  const commit = () => {
    if (draft === null) return;
    void studio.setBudget(draft).then(() => setDraft(null));
  };
  return (
    <section aria-labelledby="machine-title" className={styles.section}>
      <h2 id="machine-title">This machine</h2>
      <p className={styles.note}>{engine.reason}</p>
      <label className={styles.label} htmlFor="memory-budget">
        <span>Memory budget</span>
        <span className={styles.figure}>{bytesFigure(bytes)}</span>
      </label>
      <input
        id="memory-budget"
        type="range"
        className={styles.range}
        aria-label="Memory budget"
        aria-valuetext={bytesFigure(bytes)}
        min={Math.min(MIN_BYTES, engine.budgetBytes)}
        max={Math.max(engine.maxBudgetBytes, engine.budgetBytes)}
        step={STEP_BYTES}
        value={bytes}
        onChange={(event) => setDraft(event.currentTarget.valueAsNumber)}
        onPointerUp={commit}
        onKeyUp={commit}
        onBlur={commit}
      />
      <MemoryMeter />
      {plan && (
        <p className={styles.note}>
          This merge holds at most {bytesFigure(plan.liveBytes)}. {MODES[plan.mode]}
        </p>
      )}
    </section>
  );
}
