/** Between the models: whether their changes point the same way, and how often they contradict each other. */

import type { Survey } from '../state/engine-api.ts';
import { cosineFigure, shareFigure } from '../state/survey-figures.ts';
import { cellColour } from './colour-scale.ts';
import { ModelLetter } from './model-letter.tsx';
import { ModelsName } from './models-name.tsx';
import styles from './models-matrices.module.css';

export function ModelsMatrices({ survey: { models, totals } }: { survey: Survey }) {
  return (
    <section aria-labelledby="between-title" className={styles.section}>
      <h3 id="between-title">Between the models</h3>
      <div className={styles.both}>
        <Matrix
          title="Cosine of the changes"
          note="1: the same direction. 0: independent. Below 0: against each other."
          models={models}
          values={totals.cosines}
          top={1}
          figure={cosineFigure}
        />
        <Matrix
          title="Elements in conflict"
          note="Share that both changed, in opposite directions."
          models={models}
          values={totals.conflicts}
          top={0.5}
          figure={shareFigure}
        />
      </div>
    </section>
  );
}

interface MatrixProps {
  readonly title: string;
  readonly note: string;
  readonly models: readonly string[];
  /** Row by row. */
  readonly values: readonly number[];
  /** The value at full colour. */
  readonly top: number;
  readonly figure: (value: number) => string;
}

function Matrix({ title, note, models, values, top, figure }: MatrixProps) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
    <div className={styles.scroller} tabIndex={0} role="group" aria-label={title}>
      <table className={styles.matrix}>
        <caption>
          <strong>{title}.</strong> {note}
        </caption>
        <thead>
          <tr>
            <td />
            {models.map((model, m) => (
              <th key={model} scope="col">
                <ModelsName of={[m]} models={models} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {models.map((model, row) => (
            <tr key={model}>
              <th scope="row">
                <span className={styles.name}>
                  <ModelLetter index={row} /> {model}
                </span>
              </th>
              {models.map((other, column) => {
                if (row === column) return <td key={other} className={styles.own} aria-label="itself" />;
                const value = values[row * models.length + column] ?? Number.NaN;
                const { style, flipsIn } = cellColour(value, top);
                return (
                  <td
                    key={other}
                    className={styles.cell}
                    style={style}
                    data-flips={flipsIn}
                    title={`${model} and ${other}`}
                  >
                    {figure(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
