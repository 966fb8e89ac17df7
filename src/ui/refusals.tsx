/** What could not be opened, a sentence each, until it is dismissed. */

import { FaultNote } from './fault-note.tsx';
import styles from './refusals.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function Refusals() {
  const { studio } = useWorkbench();
  const refusals = useStudio((state) => state.refusals);
  if (refusals.length === 0) return null;
  return (
    <div className={styles.refusals}>
      {refusals.map(({ file, report }) => (
        <FaultNote key={`${file}:${report.message}`} report={report} subject={file} />
      ))}
      <button type="button" className={styles.dismiss} onClick={studio.dismissRefusals}>
        Dismiss
      </button>
    </div>
  );
}
