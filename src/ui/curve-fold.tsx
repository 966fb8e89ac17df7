/** A part of the mixer that is folded away until somebody looks for it, by its heading or by its command. */

import { type ReactNode, useEffect, useRef } from 'react';
import styles from './curve-section.module.css';
import { useView, useWorkbench } from './workbench-context.ts';

interface FoldProps {
  readonly title: string;
  /** Where the view keeps whether it is open. */
  readonly part: 'curvesOpen' | 'groupsOpen';
  /** Drawn while it is open. */
  readonly children: ReactNode;
}

export function Fold({ title, part, children }: FoldProps) {
  const { view } = useWorkbench();
  const isOpen = useView((state) => state[part]);
  const heading = useRef<HTMLElement>(null);
  const wasOpen = useRef(isOpen);
  useEffect(() => {
    // Where a command opened it, the page goes there; a click on the heading has the focus already.
    if (isOpen && !wasOpen.current) heading.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);
  return (
    <details
      className={styles.section}
      open={isOpen}
      onToggle={(event) => view.change({ [part]: event.currentTarget.open })}
    >
      <summary ref={heading}>{title}</summary>
      {isOpen && children}
    </details>
  );
}
