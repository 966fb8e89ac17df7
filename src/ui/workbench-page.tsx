/** The page: an invitation while nothing is open, then the workbench; files may be dropped anywhere. */

import { lazy, Suspense, useEffect } from 'react';
import { Fallible } from './fallible.tsx';
import { Header } from './header.tsx';
import { useDrop } from './use-drop.ts';
import { useLeaveGuard } from './use-leave-guard.ts';
import { useShortcuts } from './use-shortcuts.ts';
import { Welcome } from './welcome.tsx';
import { useStudio } from './workbench-context.ts';
import styles from './workbench-page.module.css';

/** Not needed before something is open: the first screen does not wait for it. */
const loadColumns = () => import('./workbench-columns.tsx');
const WorkbenchColumns = lazy(async () => ({ default: (await loadColumns()).WorkbenchColumns }));

export function WorkbenchPage() {
  const isEmpty = useStudio((state) => state.checkpoints.length === 0);
  const isDropping = useDrop();
  useShortcuts();
  useLeaveGuard();
  useEffect(() => {
    // While the invitation is read; where it fails, it is tried again when it is needed.
    void loadColumns().catch(() => undefined);
  }, []);
  return (
    <div className={styles.page} data-dropping={isDropping || undefined}>
      <Header />
      {isEmpty ? (
        <main>
          <Welcome />
        </main>
      ) : (
        <Fallible fallback={<main role="alert">A part of the page could not be loaded. Reload the page.</main>}>
          <Suspense fallback={<main className={styles.columns} />}>
            <WorkbenchColumns />
          </Suspense>
        </Fallible>
      )}
    </div>
  );
}
