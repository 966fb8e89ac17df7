/** One take in the row: choose it, or open what else can be done with it. */

import { Button, Popover, TextInput } from '@mantine/core';
import IconDots from '@tabler/icons-react/dist/esm/icons/IconDots.mjs';
import { useEffect, useRef, useState } from 'react';
import { takeDifferences } from '../state/take-differences.ts';
import { MOST_NAME, type SideName, type Take } from '../state/takes.ts';
import { PopOut } from './pop-out.tsx';
import styles from './take-chip.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

interface TakeChipProps {
  readonly take: Take;
  /** The recipe is this take. */
  readonly isCurrent: boolean;
  /** The recipe was this take and has been changed since. */
  readonly isChanged: boolean;
}

export function TakeChip({ take, isCurrent, isChanged }: TakeChipProps) {
  const { takes } = useWorkbench();
  const [isOpen, setOpen] = useState(false);
  const [isRenaming, setRenaming] = useState(false);
  const more = useRef<HTMLButtonElement>(null);
  if (isRenaming) {
    return (
      <li>
        <NameField
          take={take}
          onDone={() => {
            setRenaming(false);
            // What had the focus is gone.
            requestAnimationFrame(() => more.current?.focus());
          }}
        />
      </li>
    );
  }
  return (
    <li className={styles.chip} data-current={isCurrent || undefined} data-changed={isChanged || undefined}>
      <button
        type="button"
        className={styles.name}
        aria-pressed={isCurrent}
        onClick={() => takes.choose(take.id)}
        onDoubleClick={() => setRenaming(true)}
      >
        {take.name}
        {isChanged && <span className={styles.changed}> changed</span>}
      </button>
      <PopOut opened={isOpen} onChange={setOpen}>
        <Popover.Target>
          <button
            ref={more}
            type="button"
            className={styles.more}
            aria-label={`More for ${take.name}`}
            aria-haspopup="dialog"
            aria-expanded={isOpen}
            onClick={() => setOpen((was) => !was)}
          >
            <IconDots size={14} aria-hidden />
          </button>
        </Popover.Target>
        <Popover.Dropdown p="xs">
          <Actions
            take={take}
            onRename={() => {
              setOpen(false);
              setRenaming(true);
            }}
            onDone={() => setOpen(false)}
          />
        </Popover.Dropdown>
      </PopOut>
    </li>
  );
}

function Actions({ take, onRename, onDone }: { take: Take; onRename: () => void; onDone: () => void }) {
  const { takes } = useWorkbench();
  const text = useStudio((state) => state.text);
  const put = (name: SideName) => {
    takes.setSide(name, { kind: 'take', id: take.id });
    onDone();
  };
  const button = { variant: 'subtle', color: 'gray', size: 'compact-xs', justify: 'flex-start' } as const;
  return (
    <div role="dialog" aria-label={take.name} className={styles.menu}>
      <p className={styles.facts}>
        {text === take.text
          ? 'This is the recipe now.'
          : `From the recipe to this take: ${takeDifferences(text, take.text)}.`}
      </p>
      <Button {...button} onClick={onRename}>
        Rename
      </Button>
      <Button {...button} onClick={() => put('a')}>
        Put at A
      </Button>
      <Button {...button} onClick={() => put('b')}>
        Put at B
      </Button>
      <Button
        {...button}
        onClick={() => {
          onDone();
          takes.delete(take.id);
        }}
      >
        Delete
      </Button>
    </div>
  );
}

function NameField({ take, onDone }: { take: Take; onDone: () => void }) {
  const { takes } = useWorkbench();
  const [draft, setDraft] = useState(take.name);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const finish = () => {
    takes.rename(take.id, draft);
    onDone();
  };
  return (
    <TextInput
      ref={field}
      size="xs"
      className={styles.field ?? ''}
      aria-label="Name of the take"
      maxLength={MOST_NAME}
      value={draft}
      onChange={(event) => setDraft(event.currentTarget.value)}
      onBlur={finish}
      onKeyDown={(event) => {
        if (event.key === 'Enter') finish();
        else if (event.key === 'Escape') {
          event.stopPropagation();
          onDone();
        }
      }}
    />
  );
}
