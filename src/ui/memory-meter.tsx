/** What merging and chat hold of the memory budget, as a bar and in words. */

import { useStore } from 'zustand';
import { bytesFigure } from '../state/figures.ts';
import styles from './memory-meter.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

/** Renders nothing before the engine has told what it holds. */
export function MemoryMeter({ isShort = false }: { readonly isShort?: boolean }) {
  const { memory } = useWorkbench();
  const use = useStore(memory, (state) => state.use);
  const budgetBytes = useStudio((state) => state.engine?.budgetBytes ?? 0);
  if (!use || budgetBytes === 0) return null;
  const heldBytes = use.mergeBytes + use.chatBytes;
  const share = (bytes: number) => `${Math.min(100, (bytes / budgetBytes) * 100)}%`;
  const short = `${bytesFigure(heldBytes)} of ${bytesFigure(budgetBytes)}`;
  const long = `Held now: ${bytesFigure(use.mergeBytes)} by the merge, ${bytesFigure(use.chatBytes)} by chat.`;
  return (
    <div className={styles.meter} data-short={isShort || undefined}>
      <div
        className={styles.bar}
        role="meter"
        aria-label="Memory held"
        aria-valuemin={0}
        aria-valuemax={budgetBytes}
        aria-valuenow={Math.min(heldBytes, budgetBytes)}
        aria-valuetext={`${short}. ${long}`}
        title={long}
      >
        <span className={styles.merge} style={{ width: share(use.mergeBytes) }} />
        <span className={styles.chat} style={{ width: share(use.chatBytes) }} />
      </div>
      <span className={styles.words}>{isShort ? `Memory ${short}` : long}</span>
    </div>
  );
}
