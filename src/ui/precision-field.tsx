/** How chat holds matrices: chosen by the person or by size and budget, with what is in use and why. */

import { NativeSelect } from '@mantine/core';
import { currentConversation } from '../state/chat-store.ts';
import type { Conversation } from '../state/conversation.ts';
import type { PrecisionChoice } from '../state/engine-api.ts';
import styles from './chat-settings-form.module.css';
import { useChat, useStudio, useWorkbench } from './workbench-context.ts';

const CHOICES: readonly { readonly value: PrecisionChoice; readonly label: string }[] = [
  { value: 'auto', label: 'Auto' },
  { value: 'f32', label: 'F32 (exact)' },
  { value: 'q8', label: 'q8 (a quarter)' },
  { value: 'q4', label: 'q4 (an eighth)' },
];
const NAMES = { f32: 'F32', q8: 'q8', q4: 'q4' } as const;

export function PrecisionField() {
  const { studio } = useWorkbench();
  const precision = useStudio((state) => state.engine?.precision ?? 'auto');
  const isStarted = useStudio((state) => state.engine !== null);
  return (
    <NativeSelect
      label="Precision"
      title="How chat holds the model's matrices. What is saved does not depend on it."
      value={precision}
      disabled={!isStarted}
      onChange={(event) => {
        const choice = CHOICES.find(({ value }) => value === event.currentTarget.value);
        if (choice) void studio.setPrecision(choice.value);
      }}
      data={CHOICES}
    />
  );
}

/** What each column's newest reply ran on, and why. */
export function PrecisionInUse() {
  // As one text, which stays equal while a reply comes in.
  const lines = useChat((state) => linesOf(currentConversation(state)).join('\n'));
  if (lines === '') return null;
  return (
    <ul className={styles.inUse} aria-label="In use">
      {lines.split('\n').map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

/** One line for all columns of which the same is true. */
function linesOf({ columns, replies }: Conversation): readonly string[] {
  const named = new Map<string, string[]>();
  for (const { id } of columns) {
    const newest = replies.findLast((reply) => reply.column === id && reply.info !== null);
    if (!newest?.info) continue;
    const what = `${NAMES[newest.info.precision]}. ${newest.info.reason}`;
    named.set(what, [...(named.get(what) ?? []), newest.label]);
  }
  return [...named].map(([what, labels]) => `${labels.join(', ')}: ${what}`);
}
