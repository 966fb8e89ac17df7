/** What a stroke of paint sets: a few values over the handle's range, and a field for any other. */

import { useState } from 'react';
import type { WeightsMap } from '../state/engine-api.ts';
import { cellColour } from './colour-scale.ts';
import gridStyles from './map-grid.module.css';
import styles from './map-toolbar.module.css';
import { useMixer, useWorkbench } from './workbench-context.ts';

/** Where on the handle's range the palette has its values. */
const SHARES = [0, 0.25, 0.5, 0.75, 1];

export function BrushPalette({ map }: { map: WeightsMap }) {
  const { mixer } = useWorkbench();
  const brush = useMixer((state) => state.brush);
  const [draft, setDraft] = useState<string | null>(null);
  const { handleMin, handleMax } = map;
  const values = SHARES.map((share) => Math.round((handleMin + share * (handleMax - handleMin)) * 100) / 100);
  return (
    <div role="group" aria-label="Brush" className={styles.palette}>
      {values.map((value) => {
        const { style, flipsIn } = cellColour(value, Math.max(1, Math.abs(handleMax)));
        return (
          <button
            key={value}
            type="button"
            className={`${gridStyles.cell ?? ''} ${styles.swatch ?? ''}`}
            style={style}
            data-flips={flipsIn}
            aria-label={`Brush ${value}`}
            aria-pressed={brush === value}
            onClick={() => {
              setDraft(null);
              mixer.setBrush(value);
            }}
          >
            {value}
          </button>
        );
      })}
      <input
        type="number"
        className={styles.field}
        aria-label="Brush value"
        step={0.05}
        value={draft ?? String(brush)}
        onChange={(event) => {
          const { value, valueAsNumber } = event.currentTarget;
          setDraft(value);
          if (Number.isFinite(valueAsNumber)) mixer.setBrush(valueAsNumber);
        }}
        onBlur={() => setDraft(null)}
      />
    </div>
  );
}
