/** What stands over the weights map: its detail, the brush, what can be done with the selection, and its keys. */

import { ActionIcon, Button, Popover, Switch } from '@mantine/core';
import IconBrush from '@tabler/icons-react/dist/esm/icons/IconBrush.mjs';
import IconDots from '@tabler/icons-react/dist/esm/icons/IconDots.mjs';
import IconKeyboard from '@tabler/icons-react/dist/esm/icons/IconKeyboard.mjs';
import IconMinus from '@tabler/icons-react/dist/esm/icons/IconMinus.mjs';
import IconPlus from '@tabler/icons-react/dist/esm/icons/IconPlus.mjs';
import { type ReactNode, useState } from 'react';
import { useStore } from 'zustand';
import type { Command } from '../state/commands.ts';
import type { MapDetail, WeightsMap } from '../state/engine-api.ts';
import { BrushPalette } from './brush-palette.tsx';
import { CommandButton, CommandIcon } from './command-button.tsx';
import { MapKeys } from './map-keys.tsx';
import styles from './map-toolbar.module.css';
import { PopOut } from './pop-out.tsx';
import { useEnabled, useMixer, useView, useWorkbench } from './workbench-context.ts';

const DETAIL_WORDS: Readonly<Record<MapDetail, string>> = {
  groups: 'Groups',
  modules: 'Modules',
  tensors: 'Tensors',
};

export function MapToolbar({ map, isFixed }: { map: WeightsMap; isFixed: boolean }) {
  const { commands, mixer, echo } = useWorkbench();
  const isPainting = useMixer((state) => state.isPainting) && !isFixed;
  const detail = useView((state) => state.mapDetail);
  const isEchoing = useStore(echo.store, (state) => state.isOn);
  return (
    <div className={styles.toolbar}>
      <h2 id="weights-map-title">Weights map</h2>
      <div role="group" aria-label="Detail" className={styles.zoom}>
        <CommandIcon command={commands.mapCoarser} icon={<IconMinus size={14} aria-hidden />} />
        <span aria-live="polite" className={styles.detail}>
          {DETAIL_WORDS[detail]}
        </span>
        <CommandIcon command={commands.mapFiner} icon={<IconPlus size={14} aria-hidden />} />
      </div>
      <Button
        size="compact-xs"
        variant={isPainting ? 'light' : 'subtle'}
        color={isPainting ? 'verdigris' : 'gray'}
        leftSection={<IconBrush size={13} aria-hidden />}
        aria-pressed={isPainting}
        disabled={isFixed}
        title="A drag over cells of a model sets them all (B)"
        onClick={() => mixer.setPainting(!isPainting)}
      >
        Paint
      </Button>
      {isPainting && <BrushPalette map={map} />}
      <span className={styles.end}>
        <CommandButton command={commands.resetWeights} variant="subtle" size="compact-xs" />
        <Opening name="More for the selection" icon={<IconDots size={15} aria-hidden />}>
          {(close) => <SelectionMenu onDone={close} />}
        </Opening>
        <Opening name="Keys of the map" icon={<IconKeyboard size={15} aria-hidden />}>
          {() => <MapKeys />}
        </Opening>
      </span>
      <Switch
        className={styles.echo ?? ''}
        label="Answer again after each change"
        checked={isEchoing}
        onChange={(event) => echo.setOn(event.currentTarget.checked)}
      />
    </div>
  );
}

/** A small button that opens something below itself. */
function Opening({
  name,
  icon,
  children,
}: {
  name: string;
  icon: ReactNode;
  children: (close: () => void) => ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  return (
    <PopOut opened={isOpen} onChange={setOpen} position="bottom-end">
      <Popover.Target>
        <ActionIcon
          size={22}
          variant="subtle"
          color="gray"
          aria-label={name}
          title={name}
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          onClick={() => setOpen((was) => !was)}
        >
          {icon}
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <div role="dialog" aria-label={name}>
          {children(() => setOpen(false))}
        </div>
      </Popover.Dropdown>
    </PopOut>
  );
}

/** Copy, paste and lock what is selected. */
function SelectionMenu({ onDone }: { onDone: () => void }) {
  const { commands } = useWorkbench();
  const { copyWeights, pasteWeights, lockWeights, unlockWeights, unmuteAll } = commands;
  return (
    <div className={styles.menu}>
      {[copyWeights, pasteWeights, lockWeights, unlockWeights, unmuteAll].map((command) => (
        <MenuEntry key={command.name} command={command} onDone={onDone} />
      ))}
    </div>
  );
}

function MenuEntry({ command, onDone }: { command: Command; onDone: () => void }) {
  const isEnabled = useEnabled(command);
  return (
    <Button
      size="compact-xs"
      variant="subtle"
      color="gray"
      justify="flex-start"
      disabled={!isEnabled}
      onClick={() => {
        void command.perform();
        onDone();
      }}
    >
      {command.label}
    </Button>
  );
}
