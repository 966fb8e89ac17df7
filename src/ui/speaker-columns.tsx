/** Whom the chat is with: one speaker, or several side by side, each in a column of its own. */

import { NativeSelect } from '@mantine/core';
import IconX from '@tabler/icons-react/dist/esm/icons/IconX.mjs';
import { useMemo } from 'react';
import { columnSpeaker, isReplying, type SpeakerChoice, speakerChoices, speakerKey } from '../state/chat-store.ts';
import { SmallAction } from './small-action.tsx';
import styles from './speaker-columns.module.css';
import { useChat, useColumns, useStudio, useWorkbench } from './workbench-context.ts';

const EVERYBODY = 'everybody';

export function SpeakerColumns() {
  const { chat } = useWorkbench();
  const studioState = useStudio((state) => state);
  const blends = useChat((state) => state.blends);
  const columns = useColumns();
  const isBusy = useChat(isReplying);
  const choices = useMemo(() => speakerChoices(studioState, blends), [studioState, blends]);
  const taken = columns.map((column) => columnSpeaker(chat.store.getState(), studioState, column));
  const free = choices.filter(
    (choice) => !taken.some((own) => own && speakerKey(own.speaker) === speakerKey(choice.speaker)),
  );
  const able = free.filter(({ obstacle }) => obstacle === null);
  const parents = able.filter(({ speaker }) => speaker.kind !== 'recipe');

  return (
    <div className={styles.columns} data-compared={columns.length > 1 || undefined}>
      {columns.map((column, index) => {
        const own = taken[index] ?? null;
        const listed = own && !choices.some(({ speaker }) => speakerKey(speaker) === speakerKey(own.speaker));
        return (
          <div key={column.id} className={styles.column}>
            <NativeSelect
              className={styles.select ?? ''}
              label={index === 0 ? 'Talk to' : `Column ${index + 1}`}
              value={speakerKey(own?.speaker ?? null)}
              disabled={choices.length < 2 && columns.length === 1}
              onChange={(event) => {
                const choice = choices.find(({ speaker }) => speakerKey(speaker) === event.currentTarget.value);
                if (choice) chat.choose(choice.speaker, column.id);
              }}
              data={[
                ...(own ? [] : [{ value: '', label: 'Nobody yet', disabled: true }]),
                ...(listed ? [optionOf(own)] : []),
                ...choices.map(optionOf),
              ]}
            />
            {columns.length > 1 && (
              <SmallAction
                name={`Remove column ${index + 1}`}
                icon={IconX}
                isDisabled={isBusy}
                onClick={() => chat.removeColumn(column.id)}
              />
            )}
          </div>
        );
      })}
      <NativeSelect
        className={styles.select ?? ''}
        label="Compare with"
        value=""
        disabled={able.length === 0 || taken[0] === null}
        onChange={(event) => {
          const { value } = event.currentTarget;
          const added = value === EVERYBODY ? parents : able.filter(({ speaker }) => speakerKey(speaker) === value);
          // A first column that follows what is there would change under the comparison.
          const [first] = columns;
          if (first?.speaker === null && taken[0]) chat.choose(taken[0].speaker, first.id);
          for (const { speaker } of added) chat.addColumn(speaker);
        }}
        data={[
          { value: '', label: columns.length > 1 ? 'one more…' : 'nobody' },
          ...(parents.length > 1 ? [{ value: EVERYBODY, label: 'all of them' }] : []),
          ...free.map(optionOf),
        ]}
      />
    </div>
  );
}

/** What cannot be talked to can be looked at all the same: the panel then says why. */
function optionOf({ speaker, label, obstacle }: SpeakerChoice) {
  const isMissing = obstacle !== null && speaker.kind !== 'checkpoint';
  const words = obstacle !== null && speaker.kind === 'checkpoint' ? `${label} (cannot chat)` : label;
  return { value: speakerKey(speaker), label: words, disabled: isMissing };
}
