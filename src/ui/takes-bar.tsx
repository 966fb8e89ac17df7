/** The takes over the mixer: keep one, choose one, switch between A and B, hear both in the chat. */

import { NativeSelect } from '@mantine/core';
import IconArrowsExchange from '@tabler/icons-react/dist/esm/icons/IconArrowsExchange.mjs';
import IconColumns2 from '@tabler/icons-react/dist/esm/icons/IconColumns2.mjs';
import IconPlus from '@tabler/icons-react/dist/esm/icons/IconPlus.mjs';
import { useMemo } from 'react';
import { takeDifferences } from '../state/take-differences.ts';
import { type SideName, sideKey, sideOf, sideOn, sideText, switchObstacle, takeOf } from '../state/takes.ts';
import { CommandButton, CommandIcon } from './command-button.tsx';
import { TakeChip } from './take-chip.tsx';
import styles from './takes-bar.module.css';
import { useStudio, useTakes, useWorkbench } from './workbench-context.ts';

export function TakesBar() {
  const { commands, takes } = useWorkbench();
  const state = useTakes((own) => own);
  const text = useStudio((own) => own.text);
  const current = takeOf(state, text);
  return (
    <section aria-label="Takes" className={styles.bar}>
      <div className={styles.row}>
        <CommandButton
          command={commands.keepTake}
          variant="default"
          size="compact-xs"
          icon={<IconPlus size={13} aria-hidden />}
        />
        {state.takes.length === 0 ? (
          <p className={styles.note}>A take is the recipe as it is now, to come back to or to compare with.</p>
        ) : (
          <ul className={styles.chips}>
            {state.takes.map((take) => (
              <TakeChip
                key={take.id}
                take={take}
                isCurrent={take === current}
                isChanged={current === null && take.id === state.loaded}
              />
            ))}
          </ul>
        )}
        <p className={styles.deleted} aria-live="polite">
          {state.deleted && (
            <>
              {state.deleted.take.name} was deleted.{' '}
              <button type="button" className={styles.link} onClick={takes.bringBack}>
                Bring it back
              </button>
            </>
          )}
        </p>
      </div>
      {state.takes.length > 0 && <Sides />}
    </section>
  );
}

/** A and B, and what is between them. */
function Sides() {
  const { commands } = useWorkbench();
  const state = useTakes((own) => own);
  const text = useStudio((own) => own.text);
  const [a, b] = [sideText(state, state.a, text), sideText(state, state.b, text)];
  const differences = useMemo(() => takeDifferences(a, b), [a, b]);
  const on = sideOn(state, text);
  const obstacle = a === b ? switchObstacle(state, text) : null;
  const where = on === null ? '' : `${on.toUpperCase()} is on. `;
  return (
    <div className={styles.row}>
      <div className={styles.sides}>
        <SideSelect name="a" isOn={on === 'a'} />
        <CommandIcon command={commands.toggleAB} icon={<IconArrowsExchange size={17} aria-hidden />} />
        <SideSelect name="b" isOn={on === 'b'} />
      </div>
      <CommandButton
        command={commands.compareTakes}
        variant="subtle"
        size="compact-xs"
        icon={<IconColumns2 size={14} aria-hidden />}
      />
      <p className={styles.between}>{obstacle ?? `${where}From A to B: ${differences}.`}</p>
    </div>
  );
}

function SideSelect({ name, isOn }: { name: SideName; isOn: boolean }) {
  const { takes } = useWorkbench();
  const list = useTakes((state) => state.takes);
  const side = useTakes((state) => state[name]);
  const letter = name.toUpperCase();
  return (
    <span className={styles.side} data-on={isOn || undefined}>
      <span className={styles.letter} aria-hidden>
        {letter}
      </span>
      <NativeSelect
        size="xs"
        aria-label={`${letter}: take`}
        className={styles.select ?? ''}
        value={sideKey(side)}
        onChange={(event) => takes.setSide(name, sideOf(event.currentTarget.value))}
        data={[{ value: 'now', label: 'Now' }, ...list.map((take) => ({ value: `take:${take.id}`, label: take.name }))]}
      />
    </span>
  );
}
