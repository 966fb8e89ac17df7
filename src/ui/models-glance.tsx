/** The models at a glance: how far each moved, how much it left alone, and where in its layers the change is. */

import { memo } from 'react';
import type { Survey } from '../state/engine-api.ts';
import { NO_FIGURE, shareFigure, sizeFigure } from '../state/survey-figures.ts';
import type { ProfileGroup, SurveyProfile } from '../state/survey-profile.ts';
import { modelColour } from './model-colour.ts';
import { ModelLetter } from './model-letter.tsx';
import { ModelsName } from './models-name.tsx';
import tables from './figure-table.module.css';
import styles from './models-glance.module.css';

/** Hundreds of bars, drawn once for each survey. */
export const ModelsGlance = memo(function ModelsGlance({
  survey,
  profile,
}: {
  survey: Survey;
  profile: SurveyProfile;
}) {
  const { models, totals } = survey;
  const { largest } = profile;
  const top = Math.max(...totals.relativeChange.filter(Number.isFinite), Number.MIN_VALUE);
  return (
    <section aria-labelledby="glance-title" className={styles.section}>
      <h3 id="glance-title">At a glance</h3>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <div className={styles.scroller} tabIndex={0} role="group" aria-labelledby="glance-title">
        <table className={`${tables.table} ${styles.table}`}>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" title="Length of the change over the length of the base">
                Relative change
              </th>
              <th scope="col" title="Root mean square of the change of one element">
                RMS
              </th>
              <th scope="col" title="Largest change of one element">
                Largest
              </th>
              <th scope="col" title="Share of elements that are exactly the base's">
                Unchanged
              </th>
            </tr>
          </thead>
          <tbody>
            {models.map((model, m) => (
              <tr key={model}>
                <th scope="row">
                  <ModelLetter index={m} /> {model}
                </th>
                <td>
                  <span className={styles.barred}>
                    <span className={styles.bar} aria-hidden>
                      <span
                        style={{
                          width: `${(100 * (totals.relativeChange[m] ?? 0)) / top || 0}%`,
                          background: modelColour(m),
                        }}
                      />
                    </span>
                    {shareFigure(totals.relativeChange[m] ?? Number.NaN)}
                  </span>
                </td>
                <td>{sizeFigure(totals.rmsChange[m] ?? Number.NaN)}</td>
                <td title={largest[m]?.tensor}>{largest[m] ? sizeFigure(largest[m].value) : NO_FIGURE}</td>
                <td>{shareFigure(totals.unchangedShare[m] ?? Number.NaN)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {profile.groups.length > 0 && (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
        <div className={styles.scroller} tabIndex={0} role="group" aria-label="Where the change is">
          <table className={styles.where}>
            <caption>Relative change by layer, first to last; full height is {shareFigure(profile.top)}.</caption>
            <thead>
              <tr>
                <td />
                {profile.groups.map(({ name }) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {models.map((model, m) => (
                <tr key={model}>
                  <th scope="row">
                    <ModelsName of={[m]} models={models} />
                  </th>
                  {profile.groups.map((group) => (
                    <td key={group.name}>
                      <Bars group={group} model={m} top={profile.top} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
});

const HEIGHT = 28;

/** One model's change in one group: a bar for each layer. */
function Bars({ group, model, top }: { group: ProfileGroup; model: number; top: number }) {
  const { bars } = group;
  const values = group.values.subarray(model * bars.length, (model + 1) * bars.length);
  return (
    <svg
      className={styles.bars}
      role="img"
      aria-label={barsText(bars, values)}
      viewBox={`0 0 ${bars.length} ${HEIGHT}`}
      preserveAspectRatio="none"
      style={{ width: `${Math.max(2, Math.min(16, bars.length * 0.8))}rem`, fill: modelColour(model) }}
    >
      {bars.map((bar, i) => {
        const value = values[i] ?? Number.NaN;
        const height = Number.isFinite(value) && top > 0 ? Math.max(value > 0 ? 1 : 0, (value / top) * HEIGHT) : 0;
        return (
          <rect key={bar} x={i + 0.1} y={HEIGHT - height} width={0.8} height={height}>
            <title>{`${bar}: ${shareFigure(value)}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}

/** The bars in words: all where they are few, else the ends of their range. */
function barsText(bars: readonly string[], values: Float64Array): string {
  const known = bars.map((bar, i) => ({ bar, value: values[i] ?? Number.NaN })).filter(({ value }) => value >= 0);
  if (known.length === 0) return 'Nothing was measured.';
  if (known.length <= 6) return known.map(({ bar, value }) => `${bar} ${shareFigure(value)}`).join(', ');
  const ranked = known.sort((a, b) => b.value - a.value);
  const [most, least] = [ranked[0], ranked.at(-1)];
  return `Most in ${most?.bar}, ${shareFigure(most?.value ?? 0)}; least in ${least?.bar}, ${shareFigure(least?.value ?? 0)}`;
}
