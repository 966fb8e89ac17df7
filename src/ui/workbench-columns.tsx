/** The layout of the workbench: checkpoints and method, the map with merge and recipe, chat and save. */

import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { AwaitedNote } from './awaited-note.tsx';
import { CentrePanel, CentreTabs } from './centre-tabs.tsx';
import { ChatPanel } from './chat-panel.tsx';
import { CheckpointList } from './checkpoint-list.tsx';
import { CurveSection } from './curve-section.tsx';
import { Fallible } from './fallible.tsx';
import { Findings } from './findings.tsx';
import { GroupSection } from './group-section.tsx';
import { MapPanel } from './map-panel.tsx';
import { MemoryBudget } from './memory-budget.tsx';
import { MergeBar } from './merge-bar.tsx';
import { MethodPanel } from './method-panel.tsx';
import { RecipeEditor } from './recipe-editor.tsx';
import { SavePanel } from './save-panel.tsx';
import { TourOffer } from './tour-offer.tsx';
import { TakesBar } from './takes-bar.tsx';
import { useColumns, useView } from './workbench-context.ts';
import styles from './workbench-page.module.css';

/** Nothing that is not looked at is loaded. */
const ModelsView = lazy(async () => ({ default: (await import('./models-view.tsx')).ModelsView }));

export function WorkbenchColumns() {
  const [isWide, setWide] = useState(false);
  const centre = useView((state) => state.centre);
  const [lastCentre, setLastCentre] = useState(centre);
  if (centre !== lastCentre) {
    // A wide chat stands in the centre's place: what was asked for comes to the front.
    setLastCentre(centre);
    setWide(false);
  }
  const isCompared = useColumns().length > 1;
  const checkpoints = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What had the focus is gone with the invitation.
    checkpoints.current?.focus({ preventScroll: true });
  }, []);
  return (
    <main className={styles.columns} data-chat={isWide ? 'wide' : isCompared ? 'compared' : undefined}>
      <div className={styles.left} ref={checkpoints} tabIndex={-1}>
        <TourOffer />
        <AwaitedNote />
        <CheckpointList />
        <MethodPanel />
        <MemoryBudget />
      </div>
      <div className={styles.centre}>
        <CentreTabs />
        <CentrePanel centre="mixer" className={styles.work}>
          <TakesBar />
          <Findings />
          <MapPanel />
          <CurveSection />
          <GroupSection />
          <RecipeEditor />
        </CentrePanel>
        <CentrePanel centre="models" className={styles.work}>
          <ModelsPanel />
        </CentrePanel>
        <MergeBar />
      </div>
      <div className={styles.right}>
        <ChatPanel isWide={isWide} onWide={setWide} />
        <SavePanel />
      </div>
    </main>
  );
}

/** The Models view, from the first time that its tab is chosen. */
function ModelsPanel() {
  const isShown = useView((state) => state.centre === 'models');
  const [wasShown, setShown] = useState(isShown);
  if (isShown && !wasShown) setShown(true);
  if (!wasShown) return null;
  return (
    <Fallible fallback={<p role="alert">A part of the page could not be loaded. Reload the page.</p>}>
      <Suspense fallback={null}>
        <ModelsView />
      </Suspense>
    </Fallible>
  );
}
