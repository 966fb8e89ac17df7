/** Which of several versions of a message or reply is shown, with arrows to the others; nothing where there is one. */

import IconChevronLeft from '@tabler/icons-react/dist/esm/icons/IconChevronLeft.mjs';
import IconChevronRight from '@tabler/icons-react/dist/esm/icons/IconChevronRight.mjs';
import { isReplying } from '../state/chat-store.ts';
import type { Sibling } from '../state/conversation.ts';
import styles from './chat-turn.module.css';
import { SmallAction } from './small-action.tsx';
import { useChat, useWorkbench } from './workbench-context.ts';

export function BranchArrows({ id, number, of }: Sibling & { id: number }) {
  const { chat } = useWorkbench();
  const isBusy = useChat(isReplying);
  if (of < 2) return null;
  const step = (name: string, icon: typeof IconChevronLeft, by: 1 | -1, isEnd: boolean) => (
    <SmallAction name={name} icon={icon} isDisabled={isBusy || isEnd} onClick={() => chat.pick(id, by)} />
  );
  return (
    <span className={styles.branches}>
      {step('Previous version', IconChevronLeft, -1, number <= 1)}
      <span>
        {number}/{of}
      </span>
      {step('Next version', IconChevronRight, 1, number >= of)}
    </span>
  );
}
