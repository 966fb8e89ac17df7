/** The letter by which the map, the sliders and the list refer to one model of the blend. */

import { modelColour } from './model-colour.ts';
import styles from './model-letter.module.css';

/** A, B … Z, then 27, 28 … */
export function modelLetter(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1);
}

/** A chip with the letter in the model's colour; nothing for what is not in the blend. */
export function ModelLetter({ index }: { index: number }) {
  if (index < 0) return null;
  return (
    <span className={styles.chip} style={{ background: modelColour(index) }} aria-hidden>
      {modelLetter(index)}
    </span>
  );
}
