/** Text with one part of it marked. */

import styles from './marked.module.css';
import type { Span } from './token-marks.ts';

export function Marked({ text, span }: { text: string; span: Span | null }) {
  if (!span) return text;
  return (
    <>
      {text.slice(0, span.start)}
      <mark className={styles.mark}>{text.slice(span.start, span.end)}</mark>
      {text.slice(span.end)}
    </>
  );
}
