/** A fault as people read it: the sentence, its subject where there is one, the code small. */

import type { FaultReport } from '../bytes/fault.ts';
import styles from './fault-note.module.css';

export function FaultNote({ report, subject }: { report: FaultReport; subject?: string }) {
  return (
    <p className={styles.fault} role="alert">
      {subject && !report.message.includes(subject) && <strong>{subject}: </strong>}
      {report.message} <span className={styles.code}>{report.code}</span>
    </p>
  );
}
