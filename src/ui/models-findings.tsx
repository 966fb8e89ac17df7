/** What can be said of the models in plain words, and the start that follows from it. */

import IconAlertTriangle from '@tabler/icons-react/dist/esm/icons/IconAlertTriangle.mjs';
import IconCircleCheck from '@tabler/icons-react/dist/esm/icons/IconCircleCheck.mjs';
import IconInfoCircle from '@tabler/icons-react/dist/esm/icons/IconInfoCircle.mjs';
import { METHODS } from '../methods/index.ts';
import type { Insight, RecommendedStart, Survey } from '../state/engine-api.ts';
import { startLines } from '../state/recommended-start.ts';
import { bringIntoView } from './bring-into-view.ts';
import { CommandButton } from './command-button.tsx';
import styles from './models-findings.module.css';
import { useEnabled, useWorkbench } from './workbench-context.ts';

const TONES = {
  plain: { icon: IconInfoCircle, word: 'Note' },
  good: { icon: IconCircleCheck, word: 'Good' },
  warning: { icon: IconAlertTriangle, word: 'Warning' },
} as const;

export function ModelsFindings({ survey: { insights, start } }: { survey: Survey }) {
  if (insights.length === 0 && start === null) return null;
  return (
    <div className={styles.both}>
      {insights.length > 0 && (
        <section aria-labelledby="insights-title" className={styles.section}>
          <h3 id="insights-title">Findings</h3>
          <ul className={styles.list}>
            {insights.map((insight) => (
              <Finding key={`${insight.kind} ${insight.sentence}`} insight={insight} />
            ))}
          </ul>
        </section>
      )}
      {start && <Start start={start} />}
    </div>
  );
}

function Finding({ insight: { tone, sentence, filter } }: { insight: Insight }) {
  const { view } = useWorkbench();
  const { icon: Icon, word } = TONES[tone];
  const show = (tensors: string) => {
    view.change({ tensorFilter: tensors });
    const search = document.getElementById('tensor-search');
    if (!search) return;
    bringIntoView(search.closest('section') ?? search);
    search.focus({ preventScroll: true });
  };
  return (
    <li className={styles.finding} data-tone={tone}>
      <Icon size={16} role="img" aria-hidden={false} aria-label={word} />
      <p>
        {sentence}
        {filter !== null && (
          <>
            {' '}
            <button type="button" className={styles.show} title={`Search for ${filter}`} onClick={() => show(filter)}>
              Show tensors
            </button>
          </>
        )}
      </p>
    </li>
  );
}

function Start({ start }: { start: RecommendedStart }) {
  const { commands } = useWorkbench();
  const isOpen = useEnabled(commands.useRecommended);
  const method = METHODS.get(start.method);
  const lines = startLines(start);
  return (
    <section aria-labelledby="start-title" className={styles.start}>
      <h3 id="start-title">Recommended start</h3>
      <p className={styles.method}>
        {method?.title ?? start.method}
        {lines.length === 0 && <span className={styles.defaults}> with its defaults</span>}
      </p>
      {lines.length > 0 && (
        <ul className={styles.parameters} aria-label="Parameters">
          {lines.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
      <p className={styles.reason}>{start.reason}</p>
      <div className={styles.use}>
        <CommandButton command={commands.useRecommended} size="compact-xs" variant="default" />
        {!isOpen && <span className={styles.obstacle}>{commands.useRecommended.obstacle?.()}</span>}
      </div>
    </section>
  );
}
