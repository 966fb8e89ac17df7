/** The layout: checkpoints and method, the map with merge and recipe, chat and save; files may be dropped anywhere. */

import { useEffect, useRef } from 'react';
import { ChatPanel } from './chat-panel.tsx';
import { CheckpointList } from './checkpoint-list.tsx';
import { Findings } from './findings.tsx';
import { Header } from './header.tsx';
import { MapPanel } from './map-panel.tsx';
import { MemoryBudget } from './memory-budget.tsx';
import { MergeBar } from './merge-bar.tsx';
import { MethodPanel } from './method-panel.tsx';
import { RecipeEditor } from './recipe-editor.tsx';
import { SavePanel } from './save-panel.tsx';
import { useDrop } from './use-drop.ts';
import { useLeaveGuard } from './use-leave-guard.ts';
import { useShortcuts } from './use-shortcuts.ts';
import { Welcome } from './welcome.tsx';
import { useStudio } from './workbench-context.ts';
import styles from './workbench-page.module.css';

export function WorkbenchPage() {
  const isEmpty = useStudio((state) => state.checkpoints.length === 0);
  const isDropping = useDrop();
  useShortcuts();
  useLeaveGuard();
  const checkpoints = useRef<HTMLDivElement>(null);
  const wasEmpty = useRef(isEmpty);
  useEffect(() => {
    // What had the focus is gone with the invitation.
    if (wasEmpty.current && !isEmpty) checkpoints.current?.focus({ preventScroll: true });
    wasEmpty.current = isEmpty;
  }, [isEmpty]);
  return (
    <div className={styles.page} data-dropping={isDropping || undefined}>
      <Header />
      {isEmpty ? (
        <main>
          <Welcome />
        </main>
      ) : (
        <main className={styles.columns}>
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
            <ChatPanel />
            <SavePanel />
          </div>
        </main>
      )}
    </div>
  );
}
