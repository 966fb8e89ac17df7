/** The keys of the weights map, where they are needed. */

import styles from './map-toolbar.module.css';

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const mod = isMac ? '⌘' : 'Ctrl';

const KEYS: readonly (readonly [string, string])[] = [
  ['Arrows', 'move; with Shift, select'],
  ['Home, End', 'first and last of the row'],
  ['Page Up, Page Down', 'first and last row'],
  ['0 … 9', 'type a weight for the selection'],
  ['+ and −', 'a little more, a little less'],
  ['Enter', 'open the sliders'],
  ['Delete', 'give back to the method'],
  ['B', 'paint; Enter paints the selection'],
  ['L', 'lock or unlock'],
  [`${mod}+C, ${mod}+V`, 'copy and paste rows or cells'],
  ['[ and ]', 'coarser, finer'],
  [`${mod}+wheel`, 'the same at the pointer'],
];

export function MapKeys() {
  return (
    <dl className={styles.keys}>
      {KEYS.map(([key, what]) => (
        <div key={key}>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}
