/** A small dialog below the button that opens it: the focus goes in and comes back. What stands in both is the caller's. */

import { Popover, type PopoverProps } from '@mantine/core';

/** Between the dialog and the window's edge. */
const EDGE_PX = 8;

/** Lists in it are no higher than what the window leaves, `--room`, so that their last entries can be reached. */
const MIDDLEWARES: NonNullable<PopoverProps['middlewares']> = {
  size: {
    padding: EDGE_PX,
    apply: ({ availableHeight, elements }) =>
      elements.floating.style.setProperty('--room', `${Math.max(0, Math.floor(availableHeight))}px`),
  },
};

export function PopOut(own: PopoverProps) {
  return (
    <Popover
      withRoles={false}
      trapFocus
      returnFocus
      position="bottom-start"
      shadow="md"
      middlewares={MIDDLEWARES}
      {...own}
    />
  );
}
