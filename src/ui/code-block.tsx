/** Code of a reply, as it stands, with its language and a button that copies it. */

import { ActionIcon } from '@mantine/core';
import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import { memo } from 'react';
import styles from './code-block.module.css';
import { Marked } from './marked.tsx';
import { useWorkbench } from './workbench-context.ts';

interface CodeBlockProps {
  readonly text: string;
  readonly language: string;
  /** The part to mark; -1 where there is none. */
  readonly from: number;
  readonly to: number;
}

export const CodeBlock = memo(function CodeBlock({ text, language, from, to }: CodeBlockProps) {
  const { output } = useWorkbench();
  return (
    <div className={styles.block}>
      <div className={styles.head}>
        <span>{language || 'code'}</span>
        <ActionIcon
          size={20}
          variant="subtle"
          color="gray"
          aria-label="Copy the code"
          title="Copy the code"
          onClick={() => void output.copy(text, 'The code')}
        >
          <IconCopy size={13} aria-hidden />
        </ActionIcon>
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls sideways must be reachable by keyboard */}
      <pre className={styles.code} tabIndex={0}>
        <code>
          <Marked text={text} span={from < 0 ? null : { start: from, end: to }} />
        </code>
      </pre>
    </div>
  );
});
