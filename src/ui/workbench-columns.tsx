/** The layout of the workbench: checkpoints and method, the map with merge and recipe, chat and save. */

import { useEffect, useRef, useState } from 'react';
import { ChatPanel } from './chat-panel.tsx';
import { CheckpointList } from './checkpoint-list.tsx';
import { Findings } from './findings.tsx';
import { MapPanel } from './map-panel.tsx';
import { MemoryBudget } from './memory-budget.tsx';
import { MergeBar } from './merge-bar.tsx';
import { MethodPanel } from './method-panel.tsx';
import { RecipeEditor } from './recipe-editor.tsx';
import { SavePanel } from './save-panel.tsx';
import { useColumns } from './workbench-context.ts';
import styles from './workbench-page.module.css';

export function WorkbenchColumns() {
  const [isWide, setWide] = useState(false);
  const isCompared = useColumns().length > 1;
  const checkpoints = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What had the focus is gone with the invitation.
    checkpoints.current?.focus({ preventScroll: true });
  }, []);
  return (
    <main className={styles.columns} data-chat={isWide ? 'wide' : isCompared ? 'compared' : undefined}>
      <div className={styles.left} ref={checkpoints} tabIndex={-1}>
        <CheckpointList />
        <MethodPanel />
        <MemoryBudget />
      </div>
      <div className={styles.centre}>
        <div className={styles.work}>
          <Findings />
          <MapPanel />
          <RecipeEditor />
        </div>
        <MergeBar />
      </div>
      <div className={styles.right}>
        <ChatPanel isWide={isWide} onWide={setWide} />
        <SavePanel />
      </div>
    </main>
  );
}
