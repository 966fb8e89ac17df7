/** A button for a command: its text, its shortcut and whether it can be used come from the command. */

import { ActionIcon, Button, type ButtonProps } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import type { Command } from '../state/commands.ts';
import { useEnabled } from './workbench-context.ts';

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

/** A shortcut as people read it: `Ctrl+Enter`. */
export function shortcutText(shortcut: string): string {
  // A question mark is typed with Shift on most keyboards, and nobody calls it that.
  if (shortcut === 'shift+?') return '?';
  return shortcut
    .replaceAll('mod', isMac ? '⌘' : 'Ctrl')
    .replace('shift', 'Shift')
    .replace('Escape', 'Esc');
}

/** What assistive technology is told of a shortcut. */
export function ariaShortcut(shortcut: string): string {
  return shortcut.replace('mod', isMac ? 'Meta' : 'Control').replace('shift', 'Shift');
}

/**
 * What makes a button take no press while its command cannot be used. One that has the focus keeps it until it is left:
 * a disabled element would drop it, and the keyboard would begin from the top of the page.
 */
function useDisabling(isEnabled: boolean) {
  const [isFocused, setFocused] = useState(false);
  return {
    disabled: !isEnabled && !isFocused,
    'data-disabled': !isEnabled,
    'aria-disabled': !isEnabled,
    onFocus: () => setFocused(true),
    onBlur: () => setFocused(false),
  };
}

export function CommandButton({ command, icon, ...rest }: { command: Command; icon?: ReactNode } & ButtonProps) {
  const isEnabled = useEnabled(command);
  const disabling = useDisabling(isEnabled);
  const obstacle = isEnabled ? null : (command.obstacle?.() ?? null);
  return (
    <Button
      {...rest}
      {...(icon ? { leftSection: icon } : {})}
      {...disabling}
      title={obstacle ?? (command.shortcut ? shortcutText(command.shortcut) : undefined)}
      aria-keyshortcuts={command.shortcut ? ariaShortcut(command.shortcut) : undefined}
      onClick={() => {
        if (isEnabled) void command.perform();
      }}
    >
      {command.label}
    </Button>
  );
}

export function CommandIcon({ command, icon }: { command: Command; icon: ReactNode }) {
  const isEnabled = useEnabled(command);
  const disabling = useDisabling(isEnabled);
  const hint = command.shortcut ? `${command.label} (${shortcutText(command.shortcut)})` : command.label;
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      title={hint}
      aria-label={command.label}
      aria-keyshortcuts={command.shortcut ? ariaShortcut(command.shortcut) : undefined}
      {...disabling}
      onClick={() => {
        if (isEnabled) void command.perform();
      }}
    >
      {icon}
    </ActionIcon>
  );
}
