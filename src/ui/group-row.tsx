/** One group of tensors: its filter, how many it finds, its place among the others, and a fader per model. */

import { Button } from '@mantine/core';
import IconArrowDown from '@tabler/icons-react/dist/esm/icons/IconArrowDown.mjs';
import IconArrowUp from '@tabler/icons-react/dist/esm/icons/IconArrowUp.mjs';
import IconPencil from '@tabler/icons-react/dist/esm/icons/IconPencil.mjs';
import IconTrash from '@tabler/icons-react/dist/esm/icons/IconTrash.mjs';
import { useState } from 'react';
import type { NumberParameter } from '../methods/method.ts';
import { moveFilterAbove, removeFilter, renameFilter, setEntry } from '../recipe/filter-list.ts';
import { plural } from '../state/figures.ts';
import { filterWords, type Group, type GroupValue } from './group-list.ts';
import styles from './group-row.module.css';
import { ModelLetter } from './model-letter.tsx';
import { NumberControl } from './number-control.tsx';
import { shortNames } from './short-names.ts';
import { SmallAction } from './small-action.tsx';
import { useHeld, useWorkbench } from './workbench-context.ts';

interface GroupRowProps {
  readonly group: Group;
  /** The groups that stand directly above and below. */
  readonly above: Group | null;
  readonly below: Group | null;
  readonly name: string;
  readonly parameter: NumberParameter;
  readonly models: readonly string[];
  /** All filters of the parameter, in their order. */
  readonly order: readonly string[];
  readonly tensors: readonly string[];
  readonly isFixed: boolean;
  /** Lets go of a group that is only typed. */
  readonly onForget: () => void;
}

export function GroupRow(props: GroupRowProps) {
  const { group, above, below, name, parameter, models, order, tensors, isFixed, onForget } = props;
  const { filter, found, values, hidden, canRise } = group;
  const { studio } = useWorkbench();
  const [isRenaming, setRenaming] = useState(false);
  const isWritten = values.some(({ value }) => value !== null);
  return (
    <li className={styles.group} aria-label={filter}>
      <div className={styles.head}>
        {isRenaming ? (
          <Rename
            filter={filter}
            taken={order}
            tensors={tensors}
            onDone={(to) => {
              setRenaming(false);
              if (to !== null) studio.sweep((text) => renameFilter(text, { name, filter, to }));
            }}
          />
        ) : (
          <>
            <code className={styles.filter}>{filter}</code>
            <span className={found === 0 ? styles.none : styles.count}>
              {found === 0 ? 'finds no tensor' : plural(found, 'tensor')}
            </span>
          </>
        )}
        <span className={styles.actions}>
          <SmallAction
            name={`Move ${filter} up`}
            icon={IconArrowUp}
            isDisabled={isFixed || !canRise || above === null}
            onClick={() => {
              if (above) studio.sweep((text) => moveFilterAbove(text, { name, filter, above: above.filter }));
            }}
          />
          <SmallAction
            name={`Move ${filter} down`}
            icon={IconArrowDown}
            isDisabled={isFixed || !(below?.canRise ?? false)}
            onClick={() => {
              if (below) studio.sweep((text) => moveFilterAbove(text, { name, filter: below.filter, above: filter }));
            }}
          />
          <SmallAction
            name={`Rename ${filter}`}
            icon={IconPencil}
            isDisabled={isFixed || !isWritten}
            onClick={() => setRenaming(true)}
          />
          <SmallAction
            name={`Remove ${filter}`}
            icon={IconTrash}
            isDisabled={isFixed}
            onClick={() => {
              onForget();
              if (isWritten) studio.sweep((text) => removeFilter(text, { name, filters: [filter] }));
            }}
          />
        </span>
      </div>
      {values.map((own) => (
        <Fader
          key={own.model ?? ''}
          own={own}
          filter={filter}
          name={name}
          parameter={parameter}
          models={models}
          isFixed={isFixed}
          onSet={(value, gesture) =>
            studio.sweep(
              (text) =>
                setEntry(text, { model: own.model, name, filter, values: value === null ? null : [value], order }),
              gesture,
            )
          }
        />
      ))}
      {!isWritten && <p className={styles.note}>It stands in the recipe once a fader is moved.</p>}
      {hidden.map((sentence) => (
        <p key={sentence} className={styles.note}>
          {sentence}
        </p>
      ))}
    </li>
  );
}

interface FaderProps {
  readonly own: GroupValue;
  readonly filter: string;
  readonly name: string;
  readonly parameter: NumberParameter;
  readonly models: readonly string[];
  readonly isFixed: boolean;
  readonly onSet: (value: number | null, gesture?: string) => void;
}

function Fader({ own, filter, name, parameter, models, isFixed, onSet }: FaderProps) {
  const index = own.model === null ? -1 : models.indexOf(own.model);
  const isLocked = useHeld(name, own.model);
  const isDisabled = isFixed || isLocked;
  const caption = (
    <span className={styles.model} title={own.model ?? 'all models'}>
      <ModelLetter index={index} /> <span>{own.model === null ? 'all models' : shortNames(models)[index]}</span>
    </span>
  );
  if (typeof own.value === 'object' && own.value !== null) {
    return (
      <div className={styles.curve}>
        {caption}
        <span>
          a curve: <code>[{own.value.join(', ')}]</code>
        </span>
        <Button
          variant="subtle"
          color="gray"
          size="compact-xs"
          aria-label={`Remove the curve of ${own.model ?? 'all models'} in ${filter}`}
          disabled={isDisabled}
          onClick={() => onSet(null)}
        >
          Remove
        </Button>
      </div>
    );
  }
  const { min, max, step } = parameter;
  return (
    <NumberControl
      name={`${name}${own.model === null ? '' : ` of ${own.model}`} in ${filter}`}
      caption={caption}
      value={typeof own.value === 'number' ? own.value : null}
      min={min}
      max={max}
      step={step}
      canUnset
      unsetWord="as it is"
      isDisabled={isDisabled}
      onChange={onSet}
    />
  );
}

interface RenameProps {
  readonly filter: string;
  readonly taken: readonly string[];
  readonly tensors: readonly string[];
  /** Gives the new words, or null where the old ones stay. */
  readonly onDone: (to: string | null) => void;
}

function Rename({ filter, taken, tensors, onDone }: RenameProps) {
  const [words, setWords] = useState(filter);
  const to = words.trim();
  const isTaken = to !== filter && taken.includes(to);
  const isFine = to !== '' && to !== '*' && !isTaken;
  return (
    <form
      className={styles.rename}
      onSubmit={(event) => {
        event.preventDefault();
        if (isFine) onDone(to === filter ? null : to);
      }}
    >
      <input
        type="text"
        className={styles.input}
        aria-label={`New words for ${filter}`}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        maxLength={200}
        value={words}
        ref={(input) => input?.focus()}
        onChange={(event) => setWords(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          // Not for whoever listens beyond the field: Escape also stops a reply.
          event.preventDefault();
          onDone(null);
        }}
      />
      <Button type="submit" variant="default" size="compact-xs" disabled={!isFine}>
        Rename
      </Button>
      <Button variant="subtle" color="gray" size="compact-xs" onClick={() => onDone(null)}>
        Keep
      </Button>
      <span className={styles.words} aria-live="polite">
        {isTaken ? 'There is such a group already.' : filterWords(to, tensors)}
      </span>
    </form>
  );
}
