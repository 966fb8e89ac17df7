/** The page: an invitation while nothing is open, then the workbench; files may be dropped anywhere. */

import { lazy, Suspense, useDeferredValue, useEffect } from 'react';
import { Fallible } from './fallible.tsx';
import { Header } from './header.tsx';
import { PageOverlays } from './page-overlays.tsx';
import { useAddress } from './use-address.ts';
import { useDrop } from './use-drop.ts';
import { useLaunchedFiles } from './use-launched-files.ts';
import { useLeaveGuard } from './use-leave-guard.ts';
import { useShortcuts } from './use-shortcuts.ts';
import { useTitle } from './use-title.ts';
import { Welcome } from './welcome.tsx';
import { useStudio } from './workbench-context.ts';
import styles from './workbench-page.module.css';

/** Not needed before something is open: the first screen does not wait for it. */
const loadColumns = () => import('./workbench-columns.tsx');
const WorkbenchColumns = lazy(async () => ({ default: (await loadColumns()).WorkbenchColumns }));

export function WorkbenchPage() {
  const isFilled = useStudio((state) => state.checkpoints.length > 0);
  // A large tree is made in slices between which the page answers; it goes at once.
  const isEmpty = !useDeferredValue(isFilled) || !isFilled;
  const hasEngine = useStudio((state) => state.engine !== null);
  const isDropping = useDrop();
  useShortcuts();
  useAddress();
  useLaunchedFiles();
  useLeaveGuard();
  useTitle();
  useEffect(() => {
    // While the invitation is read, after the engine; where it fails, it is tried again when it is needed.
    if (hasEngine) void loadColumns().catch(() => undefined);
  }, [hasEngine]);
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
      <PageOverlays />
    </div>
  );
}
