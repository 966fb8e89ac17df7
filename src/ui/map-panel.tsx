/** The place of the weights map: the map, or one sentence about why there is none. */

import { mapAbsence, mapIsComing } from '../state/map-absence.ts';
import styles from './weights-map.module.css';
import { WeightsMapGrid } from './weights-map.tsx';
import { useStudio } from './workbench-context.ts';

export function MapPanel() {
  const map = useStudio((state) => state.map);
  const sentence = useStudio(mapAbsence);
  const isComing = useStudio(mapIsComing);
  if (map) return <WeightsMapGrid map={map} />;
  // The place of a map of a few layers, so that what is below does not jump when it comes.
  return (
    <section className={styles.section} data-coming={isComing || undefined}>
      <h2>Weights map</h2>
      <p className={styles.waiting}>{sentence}</p>
    </section>
  );
}
