/** All methods by family, each with its sentence, and a field that narrows them down. Arrow keys move, Enter takes one. */

import { ActionIcon, Popover } from '@mantine/core';
import IconSearch from '@tabler/icons-react/dist/esm/icons/IconSearch.mjs';
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react';
import type { Method } from '../methods/method.ts';
import { showInList } from './bring-into-view.ts';
import { foundMethods, takesText } from './method-groups.ts';
import styles from './list-box.module.css';
import { PopOut } from './pop-out.tsx';

interface MethodFinderProps {
  readonly current: string | null;
  readonly isDisabled: boolean;
  readonly onPick: (method: Method) => void;
}

export function MethodFinder({ current, isDisabled, onPick }: MethodFinderProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <PopOut opened={isOpen && !isDisabled} onChange={setOpen} width="min(30rem, calc(100vw - 2rem))">
      <Popover.Target>
        <ActionIcon
          variant="default"
          size={30}
          aria-label="Find a method"
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          title="Find a method"
          disabled={isDisabled}
          onClick={() => setOpen((was) => !was)}
        >
          <IconSearch size={15} aria-hidden />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p={0}>
        {isOpen && (
          <FinderList
            current={current}
            onPick={(method) => {
              setOpen(false);
              onPick(method);
            }}
          />
        )}
      </Popover.Dropdown>
    </PopOut>
  );
}

function FinderList({ current, onPick }: Pick<MethodFinderProps, 'current' | 'onPick'>) {
  const [words, setWords] = useState('');
  const [pointed, setPointed] = useState<string | null>(null);
  const groups = useMemo(() => foundMethods(words), [words]);
  const flat = groups.flatMap(({ methods }) => methods);
  // What is under the keyboard: what was moved to, else the recipe's own method, else the first.
  const active = flat.find(({ name }) => name === pointed) ?? flat.find(({ name }) => name === current) ?? flat[0];
  const id = useId();
  const list = useRef<HTMLDivElement>(null);

  useEffect(() => {
    showInList(list.current, list.current?.querySelector('[aria-selected="true"]'));
  }, [active]);

  const onKeyDown = (event: KeyboardEvent) => {
    const here = active ? flat.indexOf(active) : -1;
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, PageDown: here + 5, PageUp: here - 5 }[event.key];
    if (to !== undefined) setPointed(flat[Math.max(0, Math.min(flat.length - 1, to))]?.name ?? null);
    else if (event.key === 'Enter' && active) onPick(active);
    else return;
    event.preventDefault();
  };

  return (
    <div role="dialog" aria-label="Find a method" className={`${styles.box} ${styles.below}`}>
      <input
        type="text"
        role="combobox"
        className={styles.search}
        aria-label="Search"
        aria-expanded
        aria-controls={`${id}-list`}
        aria-activedescendant={active ? `${id}-${active.name}` : undefined}
        aria-autocomplete="list"
        placeholder="Search: sign, random, sphere, two models …"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        value={words}
        onChange={(event) => {
          setWords(event.currentTarget.value);
          setPointed(null);
        }}
        onKeyDown={onKeyDown}
      />
      <div ref={list} id={`${id}-list`} role="listbox" aria-label="Methods" className={styles.list} tabIndex={0}>
        {groups.map(({ family, methods }) => (
          <div key={family} role="group" aria-labelledby={`${id}-${family}`}>
            <div id={`${id}-${family}`} className={styles.group} role="presentation">
              {family}
            </div>
            {methods.map((method) => (
              // The field above has the focus, and its keys do what a click does.
              // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
              <div
                key={method.name}
                id={`${id}-${method.name}`}
                role="option"
                aria-selected={method === active}
                data-current={method.name === current || undefined}
                className={styles.option}
                onClick={() => onPick(method)}
              >
                <span className={styles.label}>{method.title}</span>
                <span className={styles.aside}>{takesText(method)}</span>
                <span className={styles.sentence}>{method.summary}</span>
              </div>
            ))}
          </div>
        ))}
      </div>
      {flat.length === 0 && (
        <p className={styles.none} role="status">
          No method has “{words.trim()}” in its name or its sentence.
        </p>
      )}
    </div>
  );
}
