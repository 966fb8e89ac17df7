/** Tour place: where a box stands beside a frame, so that it covers as little of it as it can. Pure arithmetic in px. */

export interface Frame {
  readonly top: number;
  readonly left: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Between the frame and the box, and between the box and the window's edge. */
const GAP_PX = 12;

/** The top left corner of a box in a window: right of the frame, left of it, below, above, else at the foot of the window. */
export function placeBeside(
  frame: Frame | null,
  box: Size,
  room: Size,
): { readonly top: number; readonly left: number } {
  const mostLeft = Math.max(GAP_PX, room.width - box.width - GAP_PX);
  const mostTop = Math.max(GAP_PX, room.height - box.height - GAP_PX);
  const foot = { top: mostTop, left: Math.max(GAP_PX, (room.width - box.width) / 2) };
  if (frame === null) return foot;
  const withinTop = Math.min(mostTop, Math.max(GAP_PX, frame.top));
  const withinLeft = Math.min(mostLeft, Math.max(GAP_PX, frame.left));
  const places = [
    { top: withinTop, left: frame.left + frame.width + GAP_PX },
    { top: withinTop, left: frame.left - box.width - GAP_PX },
    { top: frame.top + frame.height + GAP_PX, left: withinLeft },
    { top: frame.top - box.height - GAP_PX, left: withinLeft },
  ];
  const isInside = ({ top, left }: { top: number; left: number }) =>
    top >= GAP_PX && top <= mostTop && left >= GAP_PX && left <= mostLeft;
  return places.find(isInside) ?? foot;
}
