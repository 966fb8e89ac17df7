/** The recipe as text, with what is wrong with it by line. */

import { Button, Popover, Textarea } from '@mantine/core';
import IconCopy from '@tabler/icons-react/dist/esm/icons/IconCopy.mjs';
import IconDownload from '@tabler/icons-react/dist/esm/icons/IconDownload.mjs';
import IconFolderOpen from '@tabler/icons-react/dist/esm/icons/IconFolderOpen.mjs';
import { useId, useState } from 'react';
import { FileButton } from './add-files.tsx';
import styles from './recipe-editor.module.css';
import { useEnabled, useStudio, useWorkbench } from './workbench-context.ts';

/** Else Mantine drops the two aria attributes below; its types leave this option out. */
const OWN_ARIA = { withAria: false };

export function RecipeEditor() {
  const { studio, surroundings } = useWorkbench();
  const text = useStudio((state) => state.text);
  const problems = useStudio((state) => state.problems);
  return (
    <section className={styles.section}>
      <div className={styles.head}>
        <h2>Recipe</h2>
        <FileButton
          label="Open"
          icon={<IconFolderOpen size={13} aria-hidden />}
          attributes={{ accept: '.yml,.yaml', multiple: false, 'aria-label': 'Open a recipe file' }}
          isQuiet
        />
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconDownload size={13} aria-hidden />}
          disabled={text.trim() === ''}
          onClick={() =>
            surroundings.download(new File([text], 'fusewright.yml', { type: 'application/yaml' }), 'fusewright.yml')
          }
        >
          Download
        </Button>
        <CopyMenu />
      </div>
      <Textarea
        aria-label="Recipe"
        aria-describedby="recipe-problems"
        {...OWN_ARIA}
        aria-invalid={problems.length > 0}
        classNames={{ input: styles.text ?? '' }}
        autosize
        minRows={6}
        maxRows={24}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        value={text}
        onChange={(event) => {
          const next = event.currentTarget.value;
          studio.edit(() => next, 'typing');
        }}
      />
      <ul id="recipe-problems" className={styles.problems} aria-live="polite">
        {problems.map(({ line, column, message }) => (
          <li key={`${line}:${column}:${message}`}>
            <span className={styles.line}>
              line {line}, column {column}
            </span>{' '}
            {message}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The recipe for other places. What mergekit cannot be given says why. */
function CopyMenu() {
  const { output, commands } = useWorkbench();
  const text = useStudio((state) => state.text);
  const canCopy = useEnabled(commands.copyMergekit);
  const reasonId = useId();
  const [isOpen, setOpen] = useState(false);
  const take = (act: () => unknown) => {
    setOpen(false);
    void act();
  };
  const obstacle = commands.copyMergekit.obstacle?.() ?? null;
  return (
    <Popover
      opened={isOpen}
      onChange={setOpen}
      withRoles={false}
      trapFocus
      returnFocus
      position="bottom-end"
      shadow="md"
    >
      <Popover.Target>
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconCopy size={13} aria-hidden />}
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          disabled={text.trim() === ''}
          onClick={() => setOpen((was) => !was)}
        >
          Copy
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <div role="dialog" aria-label="Copy" className={styles.copy}>
          <Button variant="subtle" color="gray" onClick={() => take(() => output.copy(text, 'The recipe'))}>
            Copy the recipe
          </Button>
          <Button
            variant="subtle"
            color="gray"
            aria-describedby={obstacle === null ? undefined : reasonId}
            disabled={!canCopy}
            onClick={() => take(commands.copyMergekit.perform)}
          >
            {commands.copyMergekit.label}
          </Button>
          {obstacle !== null && (
            <p id={reasonId} className={styles.reason}>
              {obstacle}
            </p>
          )}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
