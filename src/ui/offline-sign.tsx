/** What the page's head says about working without a network: nothing until the service worker says that it does. */

import { Button } from '@mantine/core';
import { useStore } from 'zustand';
import styles from './offline-sign.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function OfflineSign() {
  const { offline } = useWorkbench();
  const { stage, hasUpdate } = useStore(offline.store);
  const isWorking = useStudio(({ work }) => work?.kind === 'save' || work?.kind === 'blend');
  if (hasUpdate) {
    return (
      <p className={styles.sign} data-update>
        <span>A new version is ready.</span>
        <Button variant="default" size="compact-xs" disabled={isWorking} onClick={offline.takeUpdate}>
          Reload
        </Button>
      </p>
    );
  }
  if (stage === 'ready') return <p className={styles.sign}>Works offline.</p>;
  if (stage !== 'chatless') return null;
  const why = 'What chat needs is 27 MB, which is not fetched by itself while the browser is saving data.';
  return (
    <p className={styles.sign}>
      <span>Works offline, but for chat.</span>
      <Button variant="default" size="compact-xs" title={why} onClick={() => void offline.complete()}>
        Fetch 27 MB
      </Button>
    </p>
  );
}
