/** How large the changes are: one small distribution for each model, over one axis of powers of two. */

import { useMemo } from 'react';
import { shareFigure } from '../state/survey-figures.ts';
import { type HistogramView, histogramText, histogramView, powerOfTwo } from '../state/survey-histogram.ts';
import type { HistogramState } from '../state/survey-store.ts';
import { FaultNote } from './fault-note.tsx';
import { modelColour } from './model-colour.ts';
import { ModelLetter } from './model-letter.tsx';
import styles from './models-histogram.module.css';

const HEIGHT = 36;
/** So many labels fit under the narrowest plot. */
const MOST_TICKS = 6;

/** Has its full height before the figures are there. */
export function ModelsHistogram({ state, models }: { state: HistogramState; models: readonly string[] }) {
  const { histogram, fault } = state;
  const view = useMemo(() => (histogram === null ? null : histogramView(histogram)), [histogram]);
  if (fault) return <FaultNote report={fault} />;
  return (
    <div className={styles.histogram}>
      {models.map((model, m) => (
        <div key={model} className={styles.row}>
          <ModelLetter index={m} />
          <Distribution view={view} model={m} name={model} />
          <span className={styles.unchanged}>
            {view ? `${shareFigure(view.unchanged[m] ?? Number.NaN)} unchanged` : ''}
          </span>
        </div>
      ))}
      <div className={styles.axis} aria-hidden>
        {view && <Ticks view={view} />}
      </div>
      <p className={styles.note}>Size of an element’s change; height is the share of elements, to one scale.</p>
    </div>
  );
}

function Distribution({ view, model, name }: { view: HistogramView | null; model: number; name: string }) {
  if (view === null) return <div className={styles.plot} />;
  const own = view.shares.subarray(model * view.bins, (model + 1) * view.bins);
  return (
    <svg
      className={styles.plot}
      role="img"
      aria-label={`${name}: ${histogramText(view, model)}`}
      viewBox={`0 0 ${view.bins} ${HEIGHT}`}
      preserveAspectRatio="none"
      style={{ fill: modelColour(model) }}
    >
      {Array.from(own, (share, bin) => {
        const exponent = view.firstExponent + bin;
        // What is there at all can be seen.
        const height = share > 0 ? Math.max(0.75, (share / view.top) * HEIGHT) : 0;
        return (
          <rect key={exponent} x={bin + 0.06} width={0.88} y={HEIGHT - height} height={height}>
            <title>{`${powerOfTwo(exponent)} to ${powerOfTwo(exponent + 1)}: ${shareFigure(share)}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}

/** Labels at the lower edges of some bins. */
function Ticks({ view: { firstExponent, bins } }: { view: HistogramView }) {
  const step = Math.max(1, Math.ceil(bins / MOST_TICKS));
  const ticks = Array.from({ length: Math.ceil(bins / step) }, (_, i) => i * step);
  return ticks.map((bin) => (
    <span key={bin} style={{ left: `${(100 * bin) / bins}%` }}>
      {powerOfTwo(firstExponent + bin)}
    </span>
  ));
}
