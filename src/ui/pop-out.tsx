/** A small dialog below the button that opens it: the focus goes in and comes back. What stands in both is the caller's. */

import { Popover, type PopoverProps } from '@mantine/core';

export function PopOut(own: PopoverProps) {
  return <Popover withRoles={false} trapFocus returnFocus position="bottom-start" shadow="md" {...own} />;
}
