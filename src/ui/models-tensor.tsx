/** The tensor that is looked at: its figures for each model, how the models agree on it, and the sizes of its changes. */

import { Button } from '@mantine/core';
import type { Survey } from '../state/engine-api.ts';
import { countFigure } from '../state/figures.ts';
import { cosineFigure, shareFigure, sizeFigure } from '../state/survey-figures.ts';
import { pairsOf } from '../state/survey-table.ts';
import tables from './figure-table.module.css';
import { ModelsHistogram } from './models-histogram.tsx';
import { ModelsName } from './models-name.tsx';
import styles from './models-tensor.module.css';
import { useSurvey, useWorkbench } from './workbench-context.ts';

export function ModelsTensor({ survey }: { survey: Survey }) {
  const { mixer } = useWorkbench();
  const chosen = useSurvey((state) => state.chosen);
  const tensor = chosen?.tensor == null ? -1 : survey.tensors.indexOf(chosen.tensor);
  const { models } = survey;
  if (chosen === null || tensor < 0) {
    return <p className={styles.empty}>Choose a tensor to see its figures and the sizes of its changes.</p>;
  }
  const layer = survey.layers[tensor] ?? -1;
  const place =
    layer < 0 ? 'outside the layers' : `layer ${layer}, ${survey.moduleNames[survey.modules[tensor] ?? -1]}`;
  const figure = (values: Float64Array, model: number) => values[tensor * models.length + model] ?? Number.NaN;
  return (
    <section aria-labelledby="tensor-title" className={styles.tensor}>
      <div className={styles.head}>
        <div>
          <h4 id="tensor-title">{chosen.tensor}</h4>
          <p className={styles.facts}>
            {place}; {survey.shapeNames[survey.shapes[tensor] ?? -1]} {survey.dtypeNames[survey.dtypes[tensor] ?? -1]},{' '}
            {countFigure(survey.elements[tensor] ?? 0)} elements; base RMS{' '}
            {sizeFigure(survey.baseRms[tensor] ?? Number.NaN)}
          </p>
        </div>
        <Button
          size="compact-xs"
          variant="default"
          onClick={() => {
            if (chosen.tensor !== null) mixer.seek.show(chosen.tensor);
          }}
        >
          Show in mixer
        </Button>
      </div>
      <div className={styles.body}>
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
        <div className={styles.figures} tabIndex={0} role="group" aria-label="Figures of the tensor">
          <table className={tables.table}>
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col">Relative</th>
                <th scope="col">RMS</th>
                <th scope="col">Largest</th>
                <th scope="col">Unchanged</th>
              </tr>
            </thead>
            <tbody>
              {models.map((model, m) => (
                <tr key={model}>
                  <th scope="row">
                    <ModelsName of={[m]} models={models} />
                  </th>
                  <td>{shareFigure(figure(survey.relativeChange, m))}</td>
                  <td>{sizeFigure(figure(survey.rmsChange, m))}</td>
                  <td>{sizeFigure(figure(survey.maxChange, m))}</td>
                  <td>{shareFigure(figure(survey.unchangedShare, m))}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <Pairs survey={survey} tensor={tensor} />
        </div>
        <ModelsHistogram state={chosen} models={models} />
      </div>
    </section>
  );
}

/** More pairs than this say nothing any more. */
const MOST_PAIRS = 10;

function Pairs({ survey, tensor }: { survey: Survey; tensor: number }) {
  const pairs = pairsOf(survey.models.length);
  if (pairs.length === 0) return null;
  return (
    <table className={tables.table}>
      <thead>
        <tr>
          <th scope="col">Models</th>
          <th scope="col">Cosine</th>
          <th scope="col">Conflict</th>
        </tr>
      </thead>
      <tbody>
        {pairs.slice(0, MOST_PAIRS).map(([i, j], pair) => (
          <tr key={`${i} ${j}`}>
            <th scope="row">
              <ModelsName of={[i, j]} models={survey.models} />
            </th>
            <td>{cosineFigure(survey.cosines[tensor * pairs.length + pair] ?? Number.NaN)}</td>
            <td>{shareFigure(survey.conflicts[tensor * pairs.length + pair] ?? Number.NaN)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
