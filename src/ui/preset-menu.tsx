/** The presets of a method: what each sets and when to use it, read before one is chosen. One choice is one undo step. */

import { Button, Popover } from '@mantine/core';
import IconChevronDown from '@tabler/icons-react/dist/esm/icons/IconChevronDown.mjs';
import { useState } from 'react';
import { presetText } from '../methods/docs.ts';
import type { Method, Preset } from '../methods/method.ts';
import { applyPreset } from '../recipe/preset.ts';
import type { Studio } from '../state/studio.ts';
import { PopOut } from './pop-out.tsx';
import styles from './preset-menu.module.css';
import { useStudio, useWorkbench } from './workbench-context.ts';

interface PresetMenuProps {
  readonly method: Method;
  readonly isDisabled: boolean;
}

export function PresetMenu({ method, isDisabled }: PresetMenuProps) {
  const { studio } = useWorkbench();
  const [isOpen, setOpen] = useState(false);
  const presets = (method.presets ?? []).filter((preset) => settingsOf(preset).length > 0);
  // A method with nothing to set has nothing to choose.
  if (presets.length === 0) return null;
  return (
    <PopOut opened={isOpen && !isDisabled} onChange={setOpen} width="min(26rem, calc(100vw - 2rem))">
      <Popover.Target>
        <Button
          variant="default"
          size="compact-xs"
          rightSection={<IconChevronDown size={13} aria-hidden />}
          aria-haspopup="dialog"
          aria-expanded={isOpen && !isDisabled}
          disabled={isDisabled}
          onClick={() => setOpen((was) => !was)}
        >
          Presets
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <PresetList
          method={method}
          presets={presets}
          onPick={(preset) => {
            setOpen(false);
            studio.sweep((text) => applyPreset(text, method, preset));
          }}
        />
      </Popover.Dropdown>
    </PopOut>
  );
}

interface PresetListProps {
  readonly method: Method;
  readonly presets: readonly Preset[];
  readonly onPick: (preset: Preset) => void;
}

function PresetList({ method, presets, onPick }: PresetListProps) {
  const { studio } = useWorkbench();
  const text = useStudio((state) => state.text);
  return (
    <div role="dialog" aria-label={`Presets of ${method.title}`} className={styles.menu}>
      <ul className={styles.list}>
        {presets.map((preset) => {
          const isUsed = isAsItStands(studio, text, method, preset);
          return (
            <li key={preset.name}>
              <button
                type="button"
                className={styles.preset}
                aria-label={`${preset.name}${isUsed ? ', in use' : ''}`}
                aria-describedby={`preset-${method.name}-${preset.name}`}
                onClick={() => onPick(preset)}
              >
                <span className={styles.name}>
                  {preset.name}
                  {isUsed && <span className={styles.used}>in use</span>}
                </span>
                <span id={`preset-${method.name}-${preset.name}`} className={styles.when}>
                  {preset.when}
                </span>
                <span className={styles.settings}>{settingsOf(preset).join(' · ')}</span>
              </button>
            </li>
          );
        })}
      </ul>
      <p className={styles.note}>
        A preset sets what stands under it, for every model; locked weights stay. Undo takes it back.
      </p>
    </div>
  );
}

function isAsItStands({ swept }: Studio, text: string, method: Method, preset: Preset): boolean {
  try {
    return swept((own) => applyPreset(own, method, preset)) === text;
  } catch {
    // A text that cannot be changed is said where it is shown; here it only means that nothing is in use.
    return false;
  }
}

/** What a preset sets, such as `density 0.5`. */
function settingsOf({ params, perModel }: Preset): string[] {
  return Object.entries({ ...params, ...perModel }).map(([name, value]) => `${name} ${presetText(value)}`);
}
