/** The keys of the weights map, where they are needed. */

import { MAP_KEYS } from '../state/map-keys.ts';
import { shortcutText } from './command-button.tsx';
import styles from './map-toolbar.module.css';

export function MapKeys() {
  return (
    <dl className={styles.keys}>
      {MAP_KEYS.map(({ key, what }) => (
        <div key={key}>
          <dt>
            <kbd>{shortcutText(key)}</kbd>
          </dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}
