/** A number that is typed onto the map: a field over the cell; Enter sets all that is selected, Escape does nothing. */

import { useState } from 'react';
import type { WeightsMap } from '../state/engine-api.ts';
import { layoutOf, placesWithin } from '../state/map-navigation.ts';
import { selectionOf } from '../state/mixer.ts';
import type { Spot } from './use-map-hand.ts';
import styles from './weights-map.module.css';
import { useWorkbench } from './workbench-context.ts';

interface MapTypeInProps {
  readonly spot: Spot & { readonly text: string };
  readonly map: WeightsMap;
  readonly onDone: () => void;
  /** The focus went elsewhere. */
  readonly onLeave: () => void;
}

export function MapTypeIn({ spot, map, onDone, onLeave }: MapTypeInProps) {
  const { mixer } = useWorkbench();
  const [text, setText] = useState(spot.text);
  const [count] = useState(() => placesWithin(layoutOf(map), selectionOf(map, mixer.store.getState())).length);
  const value = Number(text.replace(',', '.'));
  const isNumber = text.trim() !== '' && Number.isFinite(value);
  const name = count === 1 ? 'Weight of the cell' : `Weight of ${count} cells`;
  return (
    <div className={styles.typeIn} style={{ left: spot.left, top: spot.top }}>
      <input
        type="text"
        inputMode="decimal"
        aria-label={name}
        aria-invalid={!isNumber}
        value={text}
        // oxlint-disable-next-line jsx-a11y/no-autofocus -- it opens by typing its first figure
        autoFocus
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === 'Enter' && isNumber) mixer.setSelected(value);
          if ((event.key === 'Enter' && isNumber) || event.key === 'Escape') {
            event.preventDefault();
            onDone();
          }
        }}
        onBlur={onLeave}
      />
      {count > 1 && <span aria-hidden>{count} cells</span>}
    </div>
  );
}
