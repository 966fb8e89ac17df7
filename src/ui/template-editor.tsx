/** The chat template that renders a conversation for the model: the one from its files, or another in its place. */

import { Button } from '@mantine/core';
import { useEffect, useId, useState } from 'react';
import { toReport } from '../bytes/fault.ts';
import { columnSpeaker, type SpeakerChoice } from '../state/chat-store.ts';
import type { Message, PromptInfo } from '../state/engine-api.ts';
import { GrowingTextarea } from './growing-textarea.tsx';
import styles from './chat-settings-form.module.css';
import { useChat, useColumns, useStudio, useWorkbench } from './workbench-context.ts';

/** A template is tried this long after the last key. */
const PAUSE_MS = 300;
/** What the template is tried on where nothing has been said yet. */
const TRIAL: readonly Message[] = [{ role: 'user', content: 'Hello.' }];

export function TemplateEditor() {
  const { chat } = useWorkbench();
  const own = useChat((state) => state.settings.template);
  const [isOpen, setOpen] = useState(false);
  return (
    <details className={styles.template} open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Chat template{own === null ? '' : ' (changed)'}</summary>
      {isOpen && <TemplateFields own={own} onChange={(template) => chat.change({ template })} />}
    </details>
  );
}

function TemplateFields({ own, onChange }: { own: string | null; onChange: (template: string | null) => void }) {
  const { chat } = useWorkbench();
  const studioState = useStudio((state) => state);
  const [first] = useColumns();
  const choice = first ? columnSpeaker(chat.store.getState(), studioState, first) : null;
  const { info, fault } = useTrial(choice, own);
  const problemId = useId();
  if (choice === null) return <p className={styles.note}>Nobody can be talked to yet.</p>;
  const original = info.original;
  return (
    <div className={styles.templateBody}>
      <p className={styles.note}>
        {original
          ? `${choice.label} has it in ${original.file}.`
          : `${choice.label} has none: it continues text, unless you write one here.`}
        {own !== null && ' What stands here is taken for every model of this chat.'}
      </p>
      <GrowingTextarea
        aria-label="Chat template"
        aria-describedby={problemId}
        {...OWN_ARIA}
        aria-invalid={fault !== null}
        error={fault !== null}
        classNames={{ input: styles.mono ?? '' }}
        minRows={3}
        maxRows={14}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        placeholder="Jinja, as in tokenizer_config.json"
        value={own ?? original?.text ?? ''}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      <div id={problemId} className={styles.problem} role={fault === null ? undefined : 'alert'}>
        {fault}
      </div>
      <div>
        <Button variant="default" size="compact-xs" disabled={own === null} onClick={() => onChange(null)}>
          Reset the template
        </Button>
      </div>
      {info.rendered !== null && fault === null && (
        <figure className={styles.figure}>
          <figcaption className={styles.note}>As the model reads “Hello.”, {info.tokens} tokens:</figcaption>
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must be reachable by keyboard */}
          <pre className={styles.rendered} tabIndex={0}>
            {info.rendered}
          </pre>
        </figure>
      )}
    </div>
  );
}

const OWN_ARIA = { withAria: false };

interface Trial {
  readonly info: {
    readonly original: PromptInfo['template'];
    readonly rendered: string | null;
    readonly tokens: number;
  };
  /** Why the template cannot be used; null where it can. */
  readonly fault: string | null;
}

/** Tries a template on a short conversation with one speaker. */
function useTrial(choice: SpeakerChoice | null, own: string | null): Trial {
  const { studio } = useWorkbench();
  const [trial, setTrial] = useState<Trial>({ info: { original: null, rendered: null, tokens: 0 }, fault: null });
  const speaker = choice?.speaker;
  const key = JSON.stringify(speaker ?? null);
  useEffect(() => {
    if (!speaker) return;
    let isStale = false;
    const ask = (template: string | null, mode: 'chat' | 'continue') =>
      studio.engine.prompt({ speaker, messages: TRIAL, mode, template });
    const timer = setTimeout(async () => {
      try {
        // The speaker's own, whatever stands in the field: it is what a reset goes back to.
        const plain = await ask(null, 'continue');
        let rendered: PromptInfo | null = null;
        let fault: string | null = null;
        try {
          if (own !== null || plain.template !== null) rendered = await ask(own, 'chat');
        } catch (thrown) {
          fault = toReport(thrown).message;
        }
        const info = { original: plain.template, rendered: rendered?.text ?? null, tokens: rendered?.tokens ?? 0 };
        if (!isStale) setTrial({ info, fault });
      } catch (thrown) {
        if (!isStale) setTrial((before) => ({ ...before, fault: toReport(thrown).message }));
      }
    }, PAUSE_MS);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
    // oxlint-disable-next-line react/exhaustive-deps -- the key stands for the speaker, which is made anew each time
  }, [studio, key, own]);
  return trial;
}
