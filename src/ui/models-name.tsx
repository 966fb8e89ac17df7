/** Models by their letters alone, where there is no room for names: the names are there for those who do not see. */

import { ModelLetter } from './model-letter.tsx';
import styles from './models-name.module.css';

export function ModelsName({ of, models }: { of: readonly number[]; models: readonly string[] }) {
  const names = of.map((model) => models[model] ?? '').join(' and ');
  return (
    <span className={styles.name} title={names}>
      {of.map((model) => (
        <ModelLetter key={model} index={model} />
      ))}
      <span className={styles.spoken}>{names}</span>
    </span>
  );
}
