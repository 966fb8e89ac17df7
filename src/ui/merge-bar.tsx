/** The bar that merges: the button, what is going on in one sentence, and the way to stop it. */

import { Progress } from '@mantine/core';
import IconBlend from '@tabler/icons-react/dist/esm/icons/IconBlendMode.mjs';
import { CommandButton } from './command-button.tsx';
import styles from './merge-bar.module.css';
import { useStatus } from './use-status.ts';
import { useEnabled, useStudio, useWorkbench } from './workbench-context.ts';

export function MergeBar() {
  const { commands } = useWorkbench();
  const canCancel = useEnabled(commands.cancel);
  const awaitsMeasure = useStudio((state) => state.awaitsMeasure);
  const { tone, sentence, fraction, code } = useStatus();
  // With the sentence, not before it: work of a moment must not make the bar jump.
  const isWorking = tone === 'busy' && canCancel;
  return (
    <section aria-label="Progress" className={styles.bar}>
      <div className={styles.row}>
        <CommandButton command={commands.merge} size="sm" icon={<IconBlend size={17} aria-hidden />} />
        {isWorking && <CommandButton command={commands.cancel} variant="default" size="sm" />}
        {awaitsMeasure && !isWorking && <CommandButton command={commands.measure} variant="default" size="sm" />}
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a long sentence scrolls, and must be reachable by keyboard */}
        <p className={styles.status} role="status" data-tone={tone} tabIndex={0}>
          {sentence} {code && tone === 'bad' && <span className={styles.code}>{code}</span>}
        </p>
      </div>
      <Progress
        className={styles.progress ?? ''}
        aria-label="Done"
        size={3}
        radius={0}
        value={tone === 'busy' ? (fraction ?? 1) * 100 : 0}
        animated={tone === 'busy' && fraction === null}
      />
    </section>
  );
}
