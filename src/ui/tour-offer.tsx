/** The offer of the tour: one quiet line, once, above the samples' list. */

import { Button } from '@mantine/core';
import IconX from '@tabler/icons-react/dist/esm/icons/IconX.mjs';
import { useStore } from 'zustand';
import { TOUR_STEPS } from '../state/tour.ts';
import { SmallAction } from './small-action.tsx';
import styles from './tour-offer.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

export function TourOffer() {
  const { tour, commands } = useWorkbench();
  const isOffered = useStore(tour.store, (state) => state.isOffered);
  const hasSamples = useStudio((state) => state.samples !== null);
  if (!isOffered || !hasSamples) return null;
  return (
    <div className={styles.offer}>
      <Button variant="light" size="compact-xs" onClick={() => void commands.startTour.perform()}>
        {commands.startTour.label} ({TOUR_STEPS.length} steps)
      </Button>
      <SmallAction name="No tour" icon={IconX} onClick={() => tour.decline()} />
    </div>
  );
}
