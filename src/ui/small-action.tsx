/** A small button with an icon and a name, as they stand beside messages and replies. */

import { ActionIcon } from '@mantine/core';
import type { Icon } from '@tabler/icons-react';

interface SmallActionProps {
  /** Accessible name and hint. */
  readonly name: string;
  readonly icon: Icon;
  readonly isDisabled?: boolean;
  readonly isPressed?: boolean;
  readonly onClick: () => void;
}

export function SmallAction({ name, icon: Glyph, isDisabled = false, isPressed, onClick }: SmallActionProps) {
  return (
    <ActionIcon
      size={22}
      variant={isPressed ? 'light' : 'subtle'}
      color="gray"
      aria-label={name}
      title={name}
      aria-pressed={isPressed}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Glyph size={14} aria-hidden />
    </ActionIcon>
  );
}
