/** The layout: checkpoints and method, the map with merge and recipe, chat and save; files may be dropped anywhere. */

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
import { useShortcuts } from './use-shortcuts.ts';
import { Welcome } from './welcome.tsx';
import { useStudio } from './workbench-context.ts';
import styles from './workbench-page.module.css';

export function WorkbenchPage() {
  const isEmpty = useStudio((state) => state.checkpoints.length === 0);
  const isDropping = useDrop();
  useShortcuts();
  return (
    <div className={styles.page} data-dropping={isDropping || undefined}>
      <Header />
      {isEmpty ? (
        <main>
          <Welcome />
        </main>
      ) : (
        <main className={styles.columns}>
          <div className={styles.left}>
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
