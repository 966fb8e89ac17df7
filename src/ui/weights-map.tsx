/**
 * The weights map, the mixer's main instrument: strips of the models above, layer × module × model below as a grid, and
 * what both need around them. What a hand does is `use-map-hand.ts`; what comes of it, `state/mixer.ts`.
 */

import { Popover } from '@mantine/core';
import { useMemo, useRef } from 'react';
import type { WeightsMap } from '../state/engine-api.ts';
import { layoutOf } from '../state/map-navigation.ts';
import { targetsAt } from '../state/mixer-edits.ts';
import { CellEditor } from './cell-editor.tsx';
import { MapGrid } from './map-grid.tsx';
import { MapLegend } from './map-legend.tsx';
import { MapReadout } from './map-readout.tsx';
import { MapToolbar } from './map-toolbar.tsx';
import { MapTypeIn } from './map-type-in.tsx';
import { ModelStrips } from './model-strip.tsx';
import { useMapHand } from './use-map-hand.ts';
import styles from './weights-map.module.css';
import { useMixer, useStudio, useWorkbench } from './workbench-context.ts';

export function WeightsMapGrid({ map }: { map: WeightsMap }) {
  const { mixer } = useWorkbench();
  // A recipe that cannot be read takes no weight, and some methods have none to take.
  const isFixed = useStudio((state) => state.problems.length > 0) || map.handle === null;
  const isPainting = useMixer((state) => state.isPainting) && !isFixed;
  const active = useMixer((state) => state.active);
  const layout = layoutOf(map);
  const wrapper = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const hand = useMapHand(layout, wrapper, isFixed);
  const top = useMemo(() => topOf(map), [map]);
  const { editing, typing } = hand;
  const place = hand.pointed ?? active;
  const cell = layout.cells[place.row]?.[place.column] ?? null;

  return (
    <section className={styles.section} aria-labelledby="weights-map-title">
      <MapToolbar map={map} isFixed={isFixed} />
      <ModelStrips map={map} />
      <div ref={wrapper} className={styles.wrapper}>
        <div
          ref={scroller}
          className={styles.scroller}
          data-fixed={map.handle === null || undefined}
          data-painting={isPainting || undefined}
          {...hand.handlers}
        >
          <MapGrid layout={layout} scroller={scroller} top={top} />
        </div>
        {editing && (
          <Popover
            opened
            onDismiss={hand.stopEditing}
            onClose={hand.stopEditing}
            withRoles={false}
            trapFocus
            width={300}
            shadow="md"
            withArrow
          >
            <Popover.Target>
              <div
                className={styles.anchor}
                style={{ left: editing.left, top: editing.top, width: editing.width, height: editing.height }}
              />
            </Popover.Target>
            <Popover.Dropdown>
              <CellEditor
                map={map}
                row={editing.place.row}
                cell={
                  editing.place.column < 0 ? null : (layout.cells[editing.place.row]?.[editing.place.column] ?? null)
                }
                firstModel={editing.place.model}
                onSet={(model, value, gesture) => {
                  const targets = targetsAt(map, { ...editing.place, model });
                  const own = targets.filter((target) => target.model === map.models[model]);
                  mixer.set(
                    own.map((target) => ({ ...target, value })),
                    gesture,
                  );
                }}
                onReset={() => {
                  // Everything that the sliders here show.
                  const places = map.models.map((_, model) => ({ ...editing.place, model }));
                  const targets = places.flatMap((own) => targetsAt(map, own));
                  mixer.set(targets.map((target) => ({ ...target, value: null })));
                }}
                onShow={() => {
                  hand.stopEditing();
                  mixer.seek.showTensors(editing.place);
                }}
                onDone={hand.stopEditing}
              />
            </Popover.Dropdown>
          </Popover>
        )}
        {typing && <MapTypeIn spot={typing} map={map} onDone={hand.stopEditing} onLeave={hand.stopTyping} />}
      </div>
      <div className={styles.foot}>
        <MapReadout map={map} cell={cell} place={place} />
        <MapLegend map={map} top={top} />
      </div>
      {map.note && <p className={styles.note}>{map.note}</p>}
    </section>
  );
}

/** The weight at full colour: the largest there is, and at least one. */
function topOf({ cells }: WeightsMap): number {
  let top = 1;
  for (const { weights } of cells) {
    for (const weight of weights) if (Number.isFinite(weight)) top = Math.max(top, Math.abs(weight));
  }
  return top;
}
