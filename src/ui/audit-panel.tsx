/** What the audit found in the merge that was saved last: the verdict, what to look at, norms, and hashes to copy. */

import { ActionIcon, Button } from '@mantine/core';
import IconAlertTriangle from '@tabler/icons-react/dist/esm/icons/IconAlertTriangle.mjs';
import IconCircleCheck from '@tabler/icons-react/dist/esm/icons/IconCircleCheck.mjs';
import IconCircleX from '@tabler/icons-react/dist/esm/icons/IconCircleX.mjs';
import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import type { AuditFinding, AuditReport } from '../state/engine-api.ts';
import { countFigure, plural } from '../state/figures.ts';
import styles from './audit-panel.module.css';
import { useOutput, useStudio, useWorkbench } from './workbench-context.ts';

const VERDICTS = {
  passed: { word: 'Audit passed', icon: IconCircleCheck },
  suspicious: { word: 'Audit passed with warnings', icon: IconAlertTriangle },
  failed: { word: 'Audit failed', icon: IconCircleX },
} as const;

const FINDING_WORDS = { failure: 'Failure', warning: 'Warning' } as const;

export function AuditPanel() {
  const saved = useOutput((state) => state.saved);
  const text = useStudio((state) => state.text);
  const { output } = useWorkbench();
  if (!saved) return null;
  const { audit, name, place } = saved;
  const { word, icon: Icon } = VERDICTS[audit.verdict];
  const copy = (text: string, what: string) => void output.copy(text, what);
  return (
    <section aria-labelledby="audit-title" className={styles.section} data-verdict={audit.verdict}>
      <h3 id="audit-title" className={styles.title}>
        <Icon size={17} aria-hidden /> {word}
      </h3>
      <p className={styles.facts}>
        {name}, merged on the {place === 'gpu' ? 'GPU' : 'CPU'}: {factsOf(audit)}
        {text !== saved.recipeText && ' The recipe has changed since.'}
      </p>
      <Findings findings={audit.findings} />
      {audit.totals.norm !== null && <Norms totals={audit.totals} />}
      <details className={styles.details}>
        <summary>SHA-256 of {plural(audit.files.length, 'file')}</summary>
        <ul className={styles.files} aria-label="Files">
          {audit.files.map(({ name: file, sha256 }) => (
            <li key={file}>
              <span className={styles.file}>{file}</span>
              <code className={styles.sum} title={sha256}>
                {sha256}
              </code>
              <ActionIcon
                size={22}
                variant="subtle"
                color="gray"
                aria-label={`Copy the SHA-256 of ${file}`}
                onClick={() => copy(sha256, `The SHA-256 of ${file}`)}
              >
                <IconCopy size={13} aria-hidden />
              </ActionIcon>
            </li>
          ))}
        </ul>
        <Button
          variant="subtle"
          size="compact-xs"
          ml={-8}
          title="In the form that sha256sum --check reads"
          onClick={() =>
            copy(audit.files.map(({ name: file, sha256 }) => `${sha256}  ${file}\n`).join(''), 'The list of hashes')
          }
        >
          Copy all
        </Button>
      </details>
    </section>
  );
}

function factsOf({ totals, seeds }: AuditReport): string {
  const parts = [
    plural(totals.tensors, 'tensor'),
    totals.nonFinite === 0 ? 'no NaN or infinity' : `${countFigure(totals.nonFinite)} NaN or infinite`,
    ...(seeds.length > 0 ? [`seed ${seeds.join(', ')}`] : []),
  ];
  return `${parts.join(', ')}.`;
}

function Findings({ findings }: { findings: readonly AuditFinding[] }) {
  if (findings.length === 0) return null;
  return (
    <ul className={styles.findings} aria-label="What the audit found">
      {findings.map(({ severity, code, message, tensors, tensorCount }) => (
        <li key={code} data-severity={severity} className={styles.finding}>
          <strong>{FINDING_WORDS[severity]}.</strong> {message}
          {tensorCount > 1 && (
            <details className={styles.details}>
              <summary>{plural(tensorCount, 'tensor')}</summary>
              <ul className={styles.tensors}>
                {tensors.map((tensor) => (
                  <li key={tensor}>{tensor}</li>
                ))}
                {tensorCount > tensors.length && <li>and {tensorCount - tensors.length} more</li>}
              </ul>
            </details>
          )}
        </li>
      ))}
    </ul>
  );
}

function Norms({ totals: { norm, parents } }: { totals: AuditReport['totals'] }) {
  const rows = [...parents, { model: 'this merge', norm }];
  return (
    <details className={styles.details}>
      <summary>Norms of the merged tensors</summary>
      <table className={styles.norms}>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Norm</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ model, norm: own }) => (
            <tr key={model}>
              <th scope="row">{model}</th>
              <td>{own === null ? '–' : own.toPrecision(6)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
