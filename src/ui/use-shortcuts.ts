/** The keyboard shortcuts: those that the commands declare, and nothing else. */

import { type HotkeyItem, useHotkeys } from '@mantine/hooks';
import { useEffect, useMemo } from 'react';
import type { Command } from '../state/commands.ts';
import type { View } from '../state/view.ts';
import { givesWay, isClosedByEscape } from './shortcut-rule.ts';
import { useWorkbench } from './workbench-context.ts';

/** Presses of Escape that close something; by the time the shortcut hears of them it may be closed already. */
const closing = new WeakSet<KeyboardEvent>();

function lookBeforeAnythingCloses(event: KeyboardEvent): void {
  if (event.key === 'Escape' && event.target instanceof Element && isClosedByEscape(event.target)) closing.add(event);
}

export function useShortcuts(): void {
  const { commands, view } = useWorkbench();
  useEffect(() => {
    document.addEventListener('keydown', lookBeforeAnythingCloses, true);
    return () => document.removeEventListener('keydown', lookBeforeAnythingCloses, true);
  }, []);
  const hotkeys = useMemo(
    () =>
      Object.values<Command>(commands).flatMap((command): HotkeyItem[] => {
        const { shortcut } = command;
        if (shortcut === null) return [];
        const onKey = (event: KeyboardEvent) => run(command, shortcut, view, event);
        return [[shortcut, onKey, { preventDefault: false, usePhysicalKeys: false }]];
      }),
    [commands, view],
  );
  useHotkeys(hotkeys, [], true);
}

function run(command: Command, shortcut: string, view: View, event: KeyboardEvent): void {
  // One press does one thing: what it closes does not stop the reply as well.
  if (event.defaultPrevented || closing.has(event)) return;
  // What lies over the page has its own keys; the palette's shortcut closes it again.
  if (view.store.getState().overlay !== null && command.name !== 'openPalette') {
    // Else the browser would undo, or save, what lies under it.
    if (shortcut.startsWith('mod+')) event.preventDefault();
    return;
  }
  if (givesWay(shortcut, event.target)) return;
  // Escape means many things; it is taken only while there is something to stop.
  if (command.name === 'stop' && !command.isEnabled()) return;
  // The browser's own meaning (save the page, undo in a field) gives way also where the command cannot be used.
  event.preventDefault();
  if (command.isEnabled()) void command.perform();
}
