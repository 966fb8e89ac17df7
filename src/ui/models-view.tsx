/** The Models view: what the fine-tunes changed, told in sentences, by model, by size, and tensor by tensor. */

import { Button } from '@mantine/core';
import { bytesFigure, plural, shortCount } from '../state/figures.ts';
import { isRefused } from '../state/status.ts';
import type { SurveyState } from '../state/survey-store.ts';
import { FaultNote } from './fault-note.tsx';
import { ModelsFindings } from './models-findings.tsx';
import { ModelsGlance } from './models-glance.tsx';
import { ModelsHistogram } from './models-histogram.tsx';
import { ModelsMatrices } from './models-matrices.tsx';
import { ModelsTable } from './models-table.tsx';
import styles from './models-view.module.css';
import { useStudio, useSurvey, useWorkbench } from './workbench-context.ts';

export function ModelsView() {
  const survey = useSurvey((state) => state.survey);
  const profile = useSurvey((state) => state.profile);
  const isBusy = useSurvey((state) => state.isBusy);
  const overall = useSurvey((state) => state.overall);
  return (
    <div className={styles.view} aria-busy={isBusy}>
      <ModelsHead />
      {survey && profile && survey.models.length > 0 && (
        <>
          <ModelsFindings survey={survey} />
          <ModelsGlance survey={survey} profile={profile} />
          {survey.models.length > 1 && <ModelsMatrices survey={survey} />}
          <section aria-labelledby="sizes-title" className={styles.section}>
            <h3 id="sizes-title">Sizes of the changes</h3>
            <ModelsHistogram state={overall} models={survey.models} />
          </section>
          <ModelsTable survey={survey} />
        </>
      )}
    </div>
  );
}

/** What it is about, or why there is nothing yet. As high in every state. */
function ModelsHead() {
  const { survey: store } = useWorkbench();
  const state = useSurvey((all) => all);
  const readBytes = useStudio(({ check }) => check?.plan?.readBytes ?? null);
  const isIdle = useStudio(({ work }) => work === null);
  const isAgainst = useStudio(isRefused);
  const canMeasure = state.awaitsMeasure && readBytes !== null;
  return (
    <div className={styles.head}>
      <h2>What the models changed</h2>
      <div className={styles.headRow}>
        <p className={styles.about}>{sentenceOf(state, readBytes, isAgainst)}</p>
        {canMeasure && (
          <Button size="compact-xs" disabled={!isIdle} onClick={() => void store.measure()}>
            Measure the models
          </Button>
        )}
      </div>
      {state.fault && <FaultNote report={state.fault} />}
    </div>
  );
}

function sentenceOf(
  { survey, isBusy, awaitsMeasure }: SurveyState,
  readBytes: number | null,
  isAgainst: boolean,
): string {
  if (awaitsMeasure && readBytes !== null) return `Measuring reads ${bytesFigure(readBytes)} once.`;
  if (isBusy && survey === null) return 'Measuring the changes.';
  if (survey === null && isAgainst)
    return 'These models cannot be compared before they can be merged. What is in the way stands beside Merge.';
  if (survey === null)
    return 'With a base and a fine-tune in a recipe that can be merged, their differences stand here.';
  const { base, models, tensors, elements } = survey;
  if (base === null)
    return 'The recipe names no base model: nothing is a change then. Choose a base to see what changed.';
  const total = elements.reduce((sum, count) => sum + count, 0);
  return `${plural(models.length, 'model')} against ${base}: ${plural(tensors.length, 'tensor')}, ${shortCount(total)} elements.`;
}
