/**
 * MapKeys: the keys of the weights map, for its own list and for the help. Plain data: what a key does is
 * `ui/use-map-hand.ts` and the mixer.
 */

/** A key as `shortcutText` reads it (`mod` is Ctrl, or ⌘), and what it does. */
export interface MapKey {
  readonly key: string;
  readonly what: string;
}

export const MAP_KEYS: readonly MapKey[] = [
  { key: 'Arrows', what: 'move; with Shift, select' },
  { key: 'Home, End', what: 'first and last of the row' },
  { key: 'Page Up, Page Down', what: 'first and last row' },
  { key: '0 … 9', what: 'type a weight for the selection' },
  { key: '+ and −', what: 'a little more, a little less' },
  { key: 'Enter', what: 'open the sliders' },
  { key: 'Delete', what: 'give back to the method' },
  { key: 'B', what: 'paint; Enter paints the selection' },
  { key: 'L', what: 'lock or unlock' },
  { key: 'T', what: 'show the tensors in the table' },
  { key: 'mod+C, mod+V', what: 'copy and paste rows or cells' },
  { key: '[ and ]', what: 'coarser, finer' },
  { key: 'mod+wheel', what: 'the same at the pointer' },
];
