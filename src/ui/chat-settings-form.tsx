/** How replies are drawn: temperature, top-k, seed, length, system prompt, chat or continuation. */

import { Switch, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { ChatSettings } from '../state/chat-store.ts';
import styles from './chat-panel.module.css';
import { useChat, useWorkbench } from './workbench-context.ts';

export function ChatSettingsForm({ hasTemplate, isContinuation }: { hasTemplate: boolean; isContinuation: boolean }) {
  const { chat } = useWorkbench();
  const settings = useChat((state) => state.settings);
  return (
    <div className={styles.settings}>
      <div className={styles.numbers}>
        <SettingField
          label="Temperature"
          field="temperature"
          min={0}
          max={5}
          step={0.1}
          title="0 is greedy: the likeliest token every time."
        />
        <SettingField
          label="Top-k"
          field="topK"
          min={0}
          max={100_000}
          step={1}
          title="Draw among this many tokens; 0 is off."
        />
        <SettingField
          label="Seed"
          field="seed"
          min={0}
          max={4_294_967_295}
          step={1}
          title="The same seed draws the same reply."
        />
        <SettingField
          label="Max tokens"
          field="maxNewTokens"
          min={1}
          max={100_000}
          step={1}
          title="A reply is cut at this length."
        />
      </div>
      <div className={styles.switches}>
        <Switch
          label="Continuation"
          title={
            hasTemplate
              ? 'Continue the text as it stands instead of answering.'
              : 'The only way without a chat template.'
          }
          checked={isContinuation}
          disabled={!hasTemplate}
          onChange={(event) => chat.change({ wantsContinuation: event.currentTarget.checked })}
        />
        <Switch
          label="Remember earlier turns"
          checked={settings.remembers}
          disabled={isContinuation}
          onChange={(event) => chat.change({ remembers: event.currentTarget.checked })}
        />
      </div>
      <Textarea
        label="System prompt"
        autosize
        minRows={1}
        maxRows={6}
        placeholder="none"
        disabled={isContinuation}
        value={settings.systemPrompt}
        onChange={(event) => chat.change({ systemPrompt: event.currentTarget.value })}
      />
    </div>
  );
}

type NumberField = { [K in keyof ChatSettings]: ChatSettings[K] extends number ? K : never }[keyof ChatSettings];

interface SettingFieldProps {
  readonly label: string;
  readonly field: NumberField;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly title: string;
}

function SettingField({ label, field, min, max, step, title }: SettingFieldProps) {
  const { chat } = useWorkbench();
  const value = useChat((state) => state.settings[field]);
  const [draft, setDraft] = useState<string | null>(null);
  return (
    <TextInput
      type="number"
      label={label}
      title={title}
      min={min}
      max={max}
      step={step}
      value={draft ?? String(value)}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setDraft(text);
        const typed = Number(text);
        const isWhole = step !== 1 || Number.isInteger(typed);
        if (text.trim() !== '' && isWhole && typed >= min && typed <= max) chat.change({ [field]: typed });
      }}
      onBlur={() => setDraft(null)}
    />
  );
}
