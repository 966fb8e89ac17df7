/** The place of the weights map: the map, or one sentence about why there is none. */

import { bytesFigure } from '../state/figures.ts';
import styles from './weights-map.module.css';
import { WeightsMapGrid } from './weights-map.tsx';
import { useStudio } from './workbench-context.ts';

export function MapPanel() {
  const map = useStudio((state) => state.map);
  const awaitsMeasure = useStudio((state) => state.awaitsMeasure);
  const plan = useStudio((state) => state.check?.plan ?? null);
  const hasRecipe = useStudio((state) => state.recipe !== null);
  if (map) return <WeightsMapGrid map={map} />;
  const sentence =
    awaitsMeasure && plan
      ? `Measuring reads ${bytesFigure(plan.readBytes)} once. Press Measure to see the weights first, or Merge to do both.`
      : 'Layer by layer and module by module, the share of each model appears here.';
  // The place of a map of a few layers, so that what is below does not jump when it comes.
  return (
    <section className={styles.section} data-coming={hasRecipe || undefined}>
      <h2>Weights map</h2>
      <p className={styles.waiting}>{sentence}</p>
    </section>
  );
}
