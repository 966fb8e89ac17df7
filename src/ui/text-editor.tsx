/** A message or reply that is being written anew: Enter takes it, Escape leaves it as it was. */

import { Button } from '@mantine/core';
import { useState } from 'react';
import { GrowingTextarea } from './growing-textarea.tsx';
import styles from './chat-turn.module.css';

interface TextEditorProps {
  /** Accessible name of the field. */
  readonly label: string;
  readonly text: string;
  readonly isDisabled: boolean;
  /** Gets the new text, or null where it stays. */
  readonly onDone: (text: string | null) => void;
}

export function TextEditor({ label, text, isDisabled, onDone }: TextEditorProps) {
  const [draft, setDraft] = useState(text);
  const canTake = draft.trim() !== '' && draft !== text && !isDisabled;
  return (
    <div className={styles.editor}>
      <GrowingTextarea
        aria-label={label}
        minRows={1}
        maxRows={12}
        // The person has just asked to edit this.
        ref={takeFocus}
        value={draft}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.preventDefault();
            onDone(null);
          } else if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing && canTake) {
            event.preventDefault();
            onDone(draft);
          }
        }}
      />
      <div>
        <Button variant="subtle" size="compact-xs" onClick={() => onDone(null)}>
          Leave as it was
        </Button>
        <Button variant="default" size="compact-xs" disabled={!canTake} onClick={() => onDone(draft)}>
          Submit edit
        </Button>
      </div>
    </div>
  );
}

function takeFocus(field: HTMLTextAreaElement | null): void {
  field?.focus();
}
