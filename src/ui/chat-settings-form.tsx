/** How replies are drawn, what is sent with a message, and how chat holds weights; each with what it does. */

import { Button, NativeSelect, Switch, TextInput } from '@mantine/core';
import { useState } from 'react';
import { type ChatSettings, type ContextMode, DEFAULT_SETTINGS, currentConversation } from '../state/chat-store.ts';
import { GrowingTextarea } from './growing-textarea.tsx';
import { usesDefaults } from './chat-defaults.ts';
import styles from './chat-settings-form.module.css';
import { PrecisionField, PrecisionInUse } from './precision-field.tsx';
import { TemplateEditor } from './template-editor.tsx';
import { useChat, useWorkbench } from './workbench-context.ts';

export function ChatSettingsForm({ hasTemplate, isContinuation }: { hasTemplate: boolean; isContinuation: boolean }) {
  const { chat } = useWorkbench();
  const context = useChat((state) => state.settings.context);
  const systemPrompt = useChat((state) => currentConversation(state).systemPrompt);
  const isAsAtFirst = useChat((state) => usesDefaults(state.settings));
  return (
    <section className={styles.settings} aria-labelledby="chat-settings-title">
      <div className={styles.head}>
        <h3 id="chat-settings-title">How it answers</h3>
        <Button variant="subtle" size="compact-xs" disabled={isAsAtFirst} onClick={chat.resetSettings}>
          Reset to defaults
        </Button>
      </div>
      <div className={styles.numbers}>
        {FIELDS.map((field) => (
          <SettingField key={field.field} {...field} />
        ))}
      </div>
      <StopStrings />
      <div className={styles.choices}>
        <NativeSelect
          label="Earlier turns"
          title="What of this conversation is sent along with a message."
          value={context}
          disabled={isContinuation}
          onChange={(event) => chat.change({ context: event.currentTarget.value as ContextMode })}
          data={[
            { value: 'all', label: 'all of them' },
            { value: 'fitting', label: 'as many as fit' },
            { value: 'none', label: 'none' },
          ]}
        />
        <PrecisionField />
      </div>
      <PrecisionInUse />
      <Switch
        label="Continue the text instead of answering"
        title={
          hasTemplate
            ? 'What you write is sent as it stands, without the chat template.'
            : 'The only way without a chat template.'
        }
        checked={isContinuation}
        disabled={!hasTemplate}
        onChange={(event) => chat.change({ wantsContinuation: event.currentTarget.checked })}
      />
      <GrowingTextarea
        label="System prompt"
        minRows={1}
        maxRows={6}
        placeholder="none"
        disabled={isContinuation}
        value={systemPrompt}
        onChange={(event) => chat.setSystemPrompt(event.currentTarget.value)}
      />
      <TemplateEditor />
    </section>
  );
}

type NumberField = { [K in keyof ChatSettings]: ChatSettings[K] extends number ? K : never }[keyof ChatSettings];

interface SettingFieldProps {
  readonly label: string;
  readonly field: NumberField;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly help: string;
}

const FIELDS: readonly SettingFieldProps[] = [
  {
    label: 'Temperature',
    field: 'temperature',
    min: 0,
    max: 5,
    step: 0.1,
    help: '0 is greedy: the likeliest token every time. 1 draws as the model means it; above, bolder.',
  },
  { label: 'Top-k', field: 'topK', min: 0, max: 100_000, step: 1, help: 'Draw among this many tokens only; 0 is off.' },
  {
    label: 'Top-p',
    field: 'topP',
    min: 0.01,
    max: 1,
    step: 0.05,
    help: 'Draw among the likeliest tokens that together have this probability; 1 is off.',
  },
  {
    label: 'Min-p',
    field: 'minP',
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Leave out tokens less likely than this share of the likeliest one; 0 is off.',
  },
  {
    label: 'Repetition penalty',
    field: 'repetitionPenalty',
    min: 0.1,
    max: 10,
    step: 0.05,
    help: 'Above 1, tokens that were there already become less likely; 1 is off.',
  },
  {
    label: 'Seed',
    field: 'seed',
    min: 0,
    max: 4_294_967_295,
    step: 1,
    help: 'The same seed draws the same reply. It counts where the temperature is above 0.',
  },
  { label: 'Max tokens', field: 'maxNewTokens', min: 1, max: 100_000, step: 1, help: 'A reply is cut at this length.' },
];

function SettingField({ label, field, min, max, step, help }: SettingFieldProps) {
  const { chat } = useWorkbench();
  const value = useChat((state) => state.settings[field]);
  const [draft, setDraft] = useState<string | null>(null);
  const isWrong = draft !== null && readNumber(draft, min, max, step) === null;
  return (
    <div
      className={styles.field}
      data-wide={label.length > 12 || undefined}
      title={`${help} From ${min} to ${max}; at first ${DEFAULT_SETTINGS[field]}.`}
    >
      <TextInput
        type="number"
        label={label}
        description={help}
        // Read aloud with the field, and shown as a hint.
        classNames={{ description: styles.spoken ?? '' }}
        error={isWrong}
        min={min}
        max={max}
        step={step}
        value={draft ?? String(value)}
        onChange={(event) => {
          const text = event.currentTarget.value;
          setDraft(text);
          const typed = readNumber(text, min, max, step);
          if (typed !== null) chat.change({ [field]: typed });
        }}
        onBlur={() => setDraft(null)}
      />
    </div>
  );
}

/** The number that was typed; null where it is not one that may stand here. */
function readNumber(text: string, min: number, max: number, step: number): number | null {
  const typed = Number(text);
  const isWhole = step !== 1 || Number.isInteger(typed);
  return text.trim() !== '' && isWhole && typed >= min && typed <= max ? typed : null;
}

/** Stop strings, one a line. What is typed stays as it is typed: `\n` stands for a line break. */
function StopStrings() {
  const { chat } = useWorkbench();
  const stop = useChat((state) => state.settings.stop);
  const [draft, setDraft] = useState<string | null>(null);
  return (
    <GrowingTextarea
      label="Stop strings"
      title="A reply ends before the first of these. One a line; \n stands for a line break."
      placeholder="none; one a line"
      minRows={1}
      maxRows={5}
      spellCheck={false}
      value={draft ?? stop.map(escapedLine).join('\n')}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setDraft(text);
        chat.change({
          stop: text
            .split('\n')
            .map(unescapedLine)
            .filter((line) => line !== ''),
        });
      }}
      onBlur={() => setDraft(null)}
    />
  );
}

function escapedLine(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

function unescapedLine(line: string): string {
  return line.replace(/\\(n|t|\\)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter === 't' ? '\t' : '\\'));
}
