/** Over the checkpoints: which of those that were left are not open yet. */

import { listed } from '../recipe/parameter-value.ts';
import styles from './awaited-note.module.css';
import { useWorkbench, useWorkspace } from './workbench-context.ts';

const MOST_NAMED = 6;

export function AwaitedNote() {
  const { workspace } = useWorkbench();
  const awaited = useWorkspace((state) => state.awaited);
  if (awaited.length === 0) return null;
  const names = awaited.slice(0, MOST_NAMED).map(({ name }) => name);
  const more = awaited.length > MOST_NAMED ? ` and ${awaited.length - MOST_NAMED} more` : '';
  return (
    <section aria-label="Not open yet" className={styles.note}>
      <p className={styles.text}>
        You left more open than this: drop or add {listed(names)}
        {more} again.
      </p>
      <button type="button" className={styles.link} onClick={workspace.dismissAwaited}>
        Do without
      </button>
    </section>
  );
}
