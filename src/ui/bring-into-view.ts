/** Brings a part of the centre to its top, in the panel alone: the page around it stays where it is. */
export function bringIntoView(element: HTMLElement): void {
  const panel = element.closest<HTMLElement>('[role="tabpanel"]');
  // On a narrow page the panel is as high as what is in it, and the page scrolls.
  if (!panel || panel.scrollHeight <= panel.clientHeight) element.scrollIntoView({ block: 'start' });
  else panel.scrollTop += element.getBoundingClientRect().top - panel.getBoundingClientRect().top - MARGIN_PX;
}

const MARGIN_PX = 12;

/** Shows an entry of a list by scrolling the list alone: what is around it may not be in its place yet. */
export function showInList(list: HTMLElement | null, entry: Element | null | undefined): void {
  if (!list || !entry) return;
  const [box, own] = [list.getBoundingClientRect(), entry.getBoundingClientRect()];
  if (own.top < box.top) list.scrollTop -= box.top - own.top;
  else if (own.bottom > box.bottom) list.scrollTop += own.bottom - box.bottom;
}
