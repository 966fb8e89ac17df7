/** The page's head: its name, its promise, the palette, undo and redo, help, light or dark. */

import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import IconArrowBackUp from '@tabler/icons-react/dist/esm/icons/IconArrowBackUp.mjs';
import IconArrowForwardUp from '@tabler/icons-react/dist/esm/icons/IconArrowForwardUp.mjs';
import IconHelp from '@tabler/icons-react/dist/esm/icons/IconHelp.mjs';
import IconMoon from '@tabler/icons-react/dist/esm/icons/IconMoon.mjs';
import IconSearch from '@tabler/icons-react/dist/esm/icons/IconSearch.mjs';
import IconSun from '@tabler/icons-react/dist/esm/icons/IconSun.mjs';
import { ariaShortcut, CommandIcon, shortcutText } from './command-button.tsx';
import styles from './header.module.css';
import { OfflineSign } from './offline-sign.tsx';
import { useWorkbench } from './workbench-context.ts';

export function Header() {
  const { commands } = useWorkbench();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false });
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <header className={styles.header}>
      <img src="./icon.svg" alt="" width={22} height={22} />
      <h1>Fusewright</h1>
      <p className={styles.promise}>Nothing is uploaded.</p>
      <OfflineSign />
      <div className={styles.tools}>
        <PaletteButton />
        <CommandIcon command={commands.undo} icon={<IconArrowBackUp size={17} aria-hidden />} />
        <CommandIcon command={commands.redo} icon={<IconArrowForwardUp size={17} aria-hidden />} />
        <CommandIcon command={commands.openHelp} icon={<IconHelp size={17} aria-hidden />} />
        <ActionIcon
          variant="subtle"
          color="gray"
          title={`Use ${other} colours`}
          aria-label={`Use ${other} colours`}
          onClick={() => setColorScheme(other)}
        >
          {scheme === 'dark' ? <IconSun size={17} aria-hidden /> : <IconMoon size={17} aria-hidden />}
        </ActionIcon>
      </div>
    </header>
  );
}

/** The way to everything, with its shortcut in sight. */
function PaletteButton() {
  const { openPalette } = useWorkbench().commands;
  const shortcut = openPalette.shortcut ?? '';
  return (
    <button
      type="button"
      className={styles.palette}
      aria-label={openPalette.label}
      aria-keyshortcuts={ariaShortcut(shortcut)}
      aria-haspopup="dialog"
      onClick={() => void openPalette.perform()}
    >
      <IconSearch size={15} aria-hidden />
      <span className={styles.find}>Find</span>
      <kbd>{shortcutText(shortcut)}</kbd>
    </button>
  );
}
