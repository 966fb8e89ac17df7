/** What the pre-flight found: errors first and loud, with the tensors' names. */

import styles from './findings.module.css';
import { useStudio } from './workbench-context.ts';

const ORDER = { error: 0, warning: 1, note: 2 } as const;
const WORD = { error: 'Cannot merge', warning: 'Warning', note: 'Note' } as const;

export function Findings() {
  const findings = useStudio((state) => state.check?.findings);
  if (!findings || findings.length === 0) return null;
  const sorted = [...findings].sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
  return (
    <section aria-labelledby="findings-title" className={styles.section}>
      <h2 id="findings-title">Before merging</h2>
      <ul className={styles.list}>
        {sorted.map(({ severity, code, message, tensors, tensorCount }) => (
          <li key={`${code} ${message}`} className={styles.finding} data-severity={severity}>
            <p>
              <strong>{WORD[severity]}.</strong> {message}
            </p>
            {tensors.length > 0 && (
              <details open={severity === 'error'}>
                <summary>{tensorCount === 1 ? 'The tensor' : `The ${tensorCount} tensors`}</summary>
                {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling list must be reachable by keyboard */}
                <ul className={styles.tensors} tabIndex={0} aria-label="Tensors">
                  {tensors.map((name) => (
                    <li key={name}>{name}</li>
                  ))}
                  {tensorCount > tensors.length && <li>and {tensorCount - tensors.length} more</li>}
                </ul>
              </details>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
