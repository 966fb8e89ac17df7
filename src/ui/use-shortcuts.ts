/** The keyboard shortcuts: those that the commands declare, and nothing else. */

import { type HotkeyItem, useHotkeys } from '@mantine/hooks';
import { useMemo } from 'react';
import type { Command } from '../state/commands.ts';
import { useWorkbench } from './workbench-context.ts';

/** In these fields undo belongs to the text that is being typed. */
const OWN_UNDO = 'textarea:not([aria-label="Recipe"]), input[type="text"], input:not([type])';

export function useShortcuts(): void {
  const { commands } = useWorkbench();
  const hotkeys = useMemo(
    () =>
      Object.values<Command>(commands).flatMap((command): HotkeyItem[] =>
        command.shortcut === null
          ? []
          : [[command.shortcut, (event) => run(command, event), { preventDefault: false, usePhysicalKeys: false }]],
      ),
    [commands],
  );
  useHotkeys(hotkeys, [], true);
}

function run(command: Command, event: KeyboardEvent): void {
  const isUndo = command.name === 'undo' || command.name === 'redo';
  if (isUndo && event.target instanceof Element && event.target.matches(OWN_UNDO)) return;
  if (event.defaultPrevented) return;
  // Escape means many things; it is taken only while there is something to stop.
  if (command.name === 'stop' && !command.isEnabled()) return;
  // The browser's own meaning (save the page, undo in a field) gives way also where the command cannot be used.
  event.preventDefault();
  if (command.isEnabled()) void command.perform();
}
