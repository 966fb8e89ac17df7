/**
 * The channel strips of the mixer: per model its letter and name, its overall weight as a fader, mute, solo and lock,
 * and how far it moved from the base.
 */

import { ActionIcon } from '@mantine/core';
import IconLock from '@tabler/icons-react/dist/esm/icons/IconLock.mjs';
import IconLockOpen from '@tabler/icons-react/dist/esm/icons/IconLockOpen.mjs';
import { type CSSProperties, useMemo } from 'react';
import { useStore } from 'zustand';
import { METHODS } from '../methods/index.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { setParameter } from '../recipe/yaml.ts';
import type { WeightsMap } from '../state/engine-api.ts';
import { isModelLocked } from '../state/mixer-locks.ts';
import { muteObstacle, soloObstacle } from '../state/mixer-mutes.ts';
import { type Moved, movedOf } from '../state/moved.ts';
import { shownValue } from '../state/shown-value.ts';
import { modelColour } from './model-colour.ts';
import { ModelLetter } from './model-letter.tsx';
import styles from './model-strip.module.css';
import { NumberControl } from './number-control.tsx';
import { shortNames } from './short-names.ts';
import { useMixer, useStudio, useWorkbench } from './workbench-context.ts';

/** More strips than these scroll, so that the map stays in sight. */
const MOST_AT_ONCE = 6;

export function ModelStrips({ map }: { map: WeightsMap }) {
  const recipe = useStudio((state) => state.recipe);
  const moved = useMemo(() => movedOf(map), [map]);
  const farthest = Math.max(0, ...moved.flatMap((own) => own?.rms ?? []));
  const short = shortNames(map.models);
  if (!recipe) return null;
  return (
    <ul className={styles.strips} aria-label="Channel strips" data-many={map.models.length > MOST_AT_ONCE || undefined}>
      {map.models.map((model, index) => (
        <ModelStrip
          key={model}
          recipe={recipe}
          model={model}
          shortName={short[index] ?? model}
          index={index}
          moved={moved[index] ?? null}
          farthest={farthest}
        />
      ))}
    </ul>
  );
}

interface ModelStripProps {
  readonly recipe: Recipe;
  readonly model: string;
  readonly shortName: string;
  readonly index: number;
  readonly moved: Moved | null;
  /** The largest change of any model. */
  readonly farthest: number;
}

function ModelStrip({ recipe, model, shortName, index, moved, farthest }: ModelStripProps) {
  const { mixer } = useWorkbench();
  const isBroken = useStudio((state) => state.problems.length > 0);
  const isHeld = useMixer(({ locks }) => isModelLocked(locks, model));
  const isSolo = useStore(mixer.mutes.store, (state) => state.solo?.model === model);
  // A recipe of slices names its models elsewhere.
  const entry = recipe.models.find((own) => own.model === model);
  const isMuted = entry?.isMuted === true;
  const againstMute = isMuted ? null : muteObstacle(recipe, model);
  const againstSolo = isSolo ? null : soloObstacle(recipe);
  return (
    <li
      className={styles.strip}
      data-muted={isMuted || undefined}
      style={{ '--model': modelColour(index) } as CSSProperties}
    >
      <div className={styles.head}>
        <ModelLetter index={index} />
        <span className={styles.name} title={model}>
          {shortName}
        </span>
        <button
          type="button"
          className={styles.letterButton}
          data-kind="mute"
          aria-label={`Mute ${model}`}
          aria-pressed={isMuted}
          disabled={isBroken || againstMute !== null}
          title={againstMute ?? (isMuted ? `Unmute ${model}` : `Mute ${model}: it keeps its settings`)}
          onClick={() => mixer.mutes.toggleMute(model)}
        >
          M
        </button>
        <button
          type="button"
          className={styles.letterButton}
          data-kind="solo"
          aria-label={`Solo ${model}`}
          aria-pressed={isSolo}
          disabled={isBroken || againstSolo !== null}
          title={againstSolo ?? (isSolo ? 'Bring the others back' : 'Mute all the others')}
          onClick={() => mixer.mutes.toggleSolo(model)}
        >
          S
        </button>
        <ActionIcon
          size={22}
          variant={isHeld ? 'light' : 'subtle'}
          color="gray"
          aria-label={`Lock ${model}`}
          aria-pressed={isHeld}
          title={isHeld ? `Unlock ${model}` : `Lock ${model}: no hand moves it`}
          onClick={() => mixer.toggleModelLock(model)}
        >
          {isHeld ? <IconLock size={13} aria-hidden /> : <IconLockOpen size={13} aria-hidden />}
        </ActionIcon>
      </div>
      <Fader recipe={recipe} model={model} isDisabled={isBroken || isHeld || !entry} />
      <MovedFigure moved={moved} farthest={farthest} isMuted={isMuted} />
    </li>
  );
}

/** The weight that holds where nothing more particular is set; nothing where the method has none. */
function Fader({ recipe, model, isDisabled }: { recipe: Recipe; model: string; isDisabled: boolean }) {
  const { studio } = useWorkbench();
  const method = METHODS.get(recipe.method);
  const name = recipe.modules === undefined ? (method?.handle ?? null) : null;
  const parameter = name === null ? undefined : method?.perModel[name];
  if (name === null || parameter?.kind !== 'number') return null;
  const { value, varies } = shownValue(recipe, name, parameter, model);
  return (
    <div className={styles.fader}>
      <NumberControl
        name={`${model} ${name}`}
        caption={<span className={styles.handle}>{name}</span>}
        value={typeof value === 'number' ? value : null}
        min={parameter.min}
        max={parameter.max}
        step={parameter.step}
        canUnset={parameter.default === null}
        unsetWord="auto"
        varies={varies}
        isDisabled={isDisabled}
        onChange={(next, gesture) => studio.sweep((text) => setParameter(text, { model, name, value: next }), gesture)}
      />
    </div>
  );
}

function MovedFigure({ moved, farthest, isMuted }: { moved: Moved | null; farthest: number; isMuted: boolean }) {
  if (!moved) {
    return <p className={styles.moved}>{isMuted ? 'takes no part' : 'change not measured'}</p>;
  }
  const share = farthest > 0 ? moved.rms / farthest : 0;
  return (
    <p
      className={styles.moved}
      title={`${(moved.changed * 100).toFixed(1)} % of its parameters differ from the base. The bar is how far: the root mean square of the change is ${moved.rms.toPrecision(3)}.`}
    >
      <span className={styles.bar} aria-hidden>
        <span style={{ width: `${(share * 100).toFixed(1)}%` }} />
      </span>
      {(moved.changed * 100).toFixed(0)} % changed
    </p>
  );
}
