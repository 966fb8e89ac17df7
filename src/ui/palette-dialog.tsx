/** The command palette: a field, and under it everything that it finds. Arrow keys move, Enter takes, Escape closes. */

import {
  type KeyboardEvent,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { helpTopics } from '../state/help-topics.ts';
import { foundEntries, type PaletteEntry, paletteEntries } from '../state/palette.ts';
import { showInList } from './bring-into-view.ts';
import { shortcutText } from './command-button.tsx';
import { ModalDialog } from './modal-dialog.tsx';
import box from './list-box.module.css';
import styles from './palette-dialog.module.css';
import { useWorkbench } from './workbench-context.ts';

/** By how many entries Page Up and Page Down move. */
const PAGE = 6;

export function PaletteDialog() {
  const { view } = useWorkbench();
  const close = () => view.change({ overlay: null });
  return (
    <ModalDialog label="Command palette" className={styles.dialog} onClose={close}>
      <Palette />
    </ModalDialog>
  );
}

function Palette() {
  const { view } = useWorkbench();
  const [typed, setTyped] = useState('');
  const [pointed, setPointed] = useState<string | null>(null);
  const entries = useEntries();
  const found = useMemo(() => foundEntries(entries, typed), [entries, typed]);
  const groups = useMemo(() => grouped(found, typed.trim() !== ''), [found, typed]);
  const flat = groups.flatMap(({ entries: own }) => own);
  const active = flat.find(({ key }) => key === pointed) ?? flat[0];
  const id = useId();
  const list = useRef<HTMLDivElement>(null);

  useEffect(() => {
    showInList(list.current, list.current?.querySelector('[aria-selected="true"]'));
  }, [active]);

  const take = (entry: PaletteEntry) => {
    if (!entry.isEnabled) return;
    // Closed first: what is done may open something else, or move the focus.
    view.change({ overlay: null });
    void entry.perform();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    // A word that is being composed takes its own Enter.
    if (event.nativeEvent.isComposing) return;
    const here = active ? flat.indexOf(active) : -1;
    const last = flat.length - 1;
    const to = {
      ArrowDown: here === last ? 0 : here + 1,
      ArrowUp: here <= 0 ? last : here - 1,
      PageDown: Math.min(last, here + PAGE),
      PageUp: Math.max(0, here - PAGE),
    }[event.key];
    if (to !== undefined) setPointed(flat[to]?.key ?? null);
    else if (event.key === 'Enter' && active) take(active);
    else return;
    event.preventDefault();
  };

  return (
    <div className={box.box}>
      <input
        type="text"
        role="combobox"
        className={box.search}
        aria-label="Find a command"
        aria-expanded
        aria-controls={`${id}-list`}
        aria-activedescendant={active ? `${id}-${flat.indexOf(active)}` : undefined}
        aria-autocomplete="list"
        placeholder="Find a command, a method, a view or help"
        autoComplete="off"
        spellCheck={false}
        // oxlint-disable-next-line jsx-a11y/no-autofocus -- the dialog is opened to type here
        autoFocus
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setPointed(null);
        }}
        onKeyDown={onKeyDown}
      />
      <div ref={list} id={`${id}-list`} role="listbox" aria-label="Commands" className={box.list} tabIndex={-1}>
        {groups.map(({ group, entries: own }) => (
          <div key={group} role="group" aria-label={group}>
            <div className={box.group} role="presentation">
              {group}
            </div>
            {own.map((entry) => (
              <Option
                key={entry.key}
                id={`${id}-${flat.indexOf(entry)}`}
                entry={entry}
                isActive={entry === active}
                onTake={() => take(entry)}
                onPoint={() => setPointed(entry.key)}
              />
            ))}
          </div>
        ))}
      </div>
      {flat.length === 0 && (
        <p className={box.none} role="status">
          Nothing is called “{typed.trim()}”. Fewer words find more.
        </p>
      )}
      <p className={styles.foot} aria-hidden>
        <kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>Enter</kbd> run <kbd>Esc</kbd> close
      </p>
    </div>
  );
}

function Option({
  id,
  entry,
  isActive,
  onTake,
  onPoint,
}: {
  id: string;
  entry: PaletteEntry;
  isActive: boolean;
  onTake: () => void;
  onPoint: () => void;
}) {
  const { label, help, obstacle, shortcut, isEnabled } = entry;
  const sentence = obstacle ?? help;
  return (
    // The field above has the focus, and its keys do what a click does.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
    <div
      id={id}
      role="option"
      aria-selected={isActive}
      aria-disabled={!isEnabled}
      className={box.option}
      onClick={onTake}
      // Not on entering: the list may have scrolled under a mouse that rests.
      onPointerMove={isActive ? undefined : onPoint}
    >
      <span className={box.label}>{label}</span>
      {shortcut !== null && <kbd className={styles.keys}>{shortcutText(shortcut)}</kbd>}
      {sentence !== null && <span className={box.sentence}>{sentence}</span>}
    </div>
  );
}

/** Every entry as it stands now: what can be used changes while the palette is open. */
function useEntries(): readonly PaletteEntry[] {
  const workbench = useWorkbench();
  const { studio, chat, output, view, commands } = workbench;
  const topics = useMemo(() => helpTopics(commands), [commands]);
  const kept = useRef<readonly PaletteEntry[]>([]);
  const subscribe = useCallback(
    (onChange: () => void) => {
      const stops = [studio.store, chat.store, output.store].map((store) => store.subscribe(onChange));
      return () => {
        for (const stop of stops) stop();
      };
    },
    [studio, chat, output],
  );
  return useSyncExternalStore(subscribe, () => {
    const next = paletteEntries({ commands, studio, view, topics });
    const isSame =
      next.length === kept.current.length &&
      next.every((own, index) => {
        const old = kept.current[index];
        return (
          old?.key === own.key &&
          old.label === own.label &&
          old.isEnabled === own.isEnabled &&
          old.obstacle === own.obstacle
        );
      });
    if (!isSame) kept.current = next;
    return kept.current;
  });
}

interface Group {
  readonly group: string;
  readonly entries: readonly PaletteEntry[];
}

/** Entries under their headings; where something was typed the best group comes first, else the list's own order. */
function grouped(entries: readonly PaletteEntry[], isSearch: boolean): readonly Group[] {
  const groups = new Map<string, PaletteEntry[]>();
  for (const entry of entries) {
    const own = groups.get(entry.group);
    if (own) own.push(entry);
    else groups.set(entry.group, [entry]);
  }
  const all = [...groups].map(([group, own]) => ({ group, entries: own }));
  // Methods are many; without a search they come last.
  return isSearch
    ? all
    : [...all.filter(({ group }) => group !== 'Method'), ...all.filter(({ group }) => group === 'Method')];
}
